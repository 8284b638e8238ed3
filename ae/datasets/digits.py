"""MNIST as the TensorFlow 1 tutorials load it."""

from pathlib import Path
from typing import NamedTuple

from ae.datasets.images import load_mnist
from ae.datasets.provenance import Provenance
from ae.datasets.scaling import flat

import numpy as np

VALIDATION_SIZE = 5000  # training digits, the first ones


class Digits(NamedTuple):
    """Digits as rows of 784 pixels in [0, 1], with their labels."""

    x_train: np.ndarray  # (55000, 784)
    y_train: np.ndarray  # (55000,)
    x_test: np.ndarray  # (10000, 784)
    y_test: np.ndarray  # (10000,)
    provenance: Provenance


def read_data_sets(
    data_dir: str | Path | None, num_train: int | None = None, num_test: int | None = None
) -> Digits:
    """Loads MNIST without the first 5,000 training digits.

    The function of this name in `tensorflow.examples.tutorials.mnist.input_data` sets them aside
    for validation. No article here uses them.

    Args:
        data_dir: as for `load_mnist`.
        num_train: how many of the other 55,000 training digits to keep; None keeps all.
        num_test: how many of the 10,000 test digits to keep; None keeps all.

    Raises:
        InputError: as `load_mnist`.
    """
    mnist = load_mnist(data_dir)
    train = slice(VALIDATION_SIZE, None)
    return Digits(
        flat(mnist.x_train[train])[:num_train],
        mnist.y_train[train][:num_train],
        flat(mnist.x_test)[:num_test],
        mnist.y_test[:num_test],
        mnist.provenance,
    )
