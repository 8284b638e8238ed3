"""MNIST and Fashion-MNIST: handwritten digits and pieces of clothing."""

from pathlib import Path
from typing import NamedTuple

from ae.datasets.fetch import fetch, sources_for
from ae.datasets.idx import parse_idx
from ae.datasets.own_images import OwnImages, read_images
from ae.datasets.registry import DataSet, Provenance, load_registry

import numpy as np

VALIDATION_SIZE = 5000  # training digits, the first ones


class ImageSet(NamedTuple):
    """Training and test images with labels. The arrays are read-only.

    The numbers are those of MNIST and Fashion-MNIST; `OwnImages` have others.
    """

    x_train: np.ndarray  # (60000, 28, 28) uint8, 0 is the background
    y_train: np.ndarray  # (60000,) uint8, indices of class_names
    x_test: np.ndarray  # (10000, 28, 28) uint8
    y_test: np.ndarray  # (10000,) uint8
    class_names: tuple[str, ...]
    provenance: Provenance


class Digits(NamedTuple):
    """Digits as rows of 784 pixels in [0, 1], with their labels."""

    x_train: np.ndarray  # (55000, 784) float32
    y_train: np.ndarray  # (55000,) uint8
    x_test: np.ndarray  # (10000, 784) float32
    y_test: np.ndarray  # (10000,) uint8
    provenance: Provenance


def load_mnist(data_dir: str | Path | OwnImages | None = None) -> ImageSet:
    """Loads the MNIST handwritten digits, fetching them the first time.

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998. Licence: CC BY-SA 3.0.

    `data_dir` holds the four idx files, raw or gzipped, or Keras's mnist.npz, directly or in
    `mnist/` or `MNIST/raw/`. By default it is the folder that AE_DATA_DIR names. Files that it
    lacks come from the cache, from this machine, or from the network. If it is `OwnImages`, these
    are loaded instead of digits.

    Raises:
        InputError: `data_dir` is not a folder or has no file of the digits, a file in it is
            damaged, or no source has the data.
    """
    return load_image_set(load_registry()["mnist"], data_dir)


def load_fashion_mnist(data_dir: str | Path | OwnImages | None = None) -> ImageSet:
    """Loads the Fashion-MNIST pieces of clothing, as `load_mnist` loads the digits.

    Its files may also lie in `fashion-mnist/`, `fashion_mnist/` or `FashionMNIST/raw/`.

    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017. Licence: MIT.
    """
    return load_image_set(load_registry()["fashion-mnist"], data_dir)


def load_image_set(data_set: DataSet, data_dir: str | Path | OwnImages | None = None) -> ImageSet:
    """Loads a registered data set that has MNIST's four files, as `load_mnist` does."""
    if isinstance(data_dir, OwnImages):
        return ImageSet(*read_images(data_dir))
    fetched = fetch(data_set, sources_for(data_set, data_dir))
    return ImageSet(
        x_train=parse_idx(fetched.payloads["train-images-idx3-ubyte"]),
        y_train=parse_idx(fetched.payloads["train-labels-idx1-ubyte"]),
        x_test=parse_idx(fetched.payloads["t10k-images-idx3-ubyte"]),
        y_test=parse_idx(fetched.payloads["t10k-labels-idx1-ubyte"]),
        class_names=data_set.class_names,
        provenance=Provenance(fetched.source, {p.name: p.sha256 for p in data_set.payloads}),
    )


def read_data_sets(
    data_dir: str | Path | OwnImages | None,
    num_train: int | None = None,
    num_test: int | None = None,
) -> Digits:
    """Loads MNIST as the TensorFlow 1 tutorials do: without the first 5,000 training digits.

    The function of this name in `tensorflow.examples.tutorials.mnist.input_data` sets them aside
    for validation. No article here uses them. `num_train` and `num_test` keep the first digits.
    Of `OwnImages` none are set aside.
    """
    mnist = load_mnist(data_dir)
    first = 0 if isinstance(data_dir, OwnImages) else VALIDATION_SIZE
    return Digits(
        flat(mnist.x_train[first:])[:num_train],
        mnist.y_train[first:][:num_train],
        flat(mnist.x_test)[:num_test],
        mnist.y_test[:num_test],
        mnist.provenance,
    )


def flat(images: np.ndarray) -> np.ndarray:
    """Scales uint8 images (n, height, width) to float32 rows (n, height * width) in [0, 1]."""
    return images.reshape(len(images), -1).astype("float32") / np.float32(255)


def nhwc(images: np.ndarray) -> np.ndarray:
    """Scales uint8 images (n, height, width) to float32 (n, height, width, 1) in [0, 1]."""
    return np.asarray(images)[..., None].astype("float32") / np.float32(255)
