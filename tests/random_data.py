"""The lessons' kinds of data, drawn at random."""

import hashlib

from ae.datasets import Digits, Provenance
from ae.datasets.idx import format_idx
from ae.datasets.registry import DataSet, Payload

import numpy as np

PROVENANCE = Provenance("random numbers", "")
_RNG = np.random.default_rng(0)
SMALL_FILES = {
    "train-images-idx3-ubyte": format_idx(_RNG.integers(0, 256, (40, 9, 7), dtype=np.uint8)),
    "train-labels-idx1-ubyte": format_idx(_RNG.integers(0, 10, 40, dtype=np.uint8)),
    "t10k-images-idx3-ubyte": format_idx(_RNG.integers(0, 256, (5, 9, 7), dtype=np.uint8)),
    "t10k-labels-idx1-ubyte": format_idx(_RNG.integers(0, 10, 5, dtype=np.uint8)),
}
SMALL = DataSet(
    name="small",
    title="Small",
    class_names=tuple("0123456789"),
    payloads=tuple(
        Payload(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in SMALL_FILES.items()
    ),
    subfolders=(),
    sources={},
    namesakes={},
)


def mostly_black(rng, *shape):
    """Draws images as dark as digits are."""
    return (rng.random(shape) ** 3).astype("float32")


def random_digits(num_train, num_test):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, num_train).astype("uint8")
    x_train, x_test = (mostly_black(rng, n, 784) for n in (num_train, num_test))
    return Digits(x_train, labels, x_test, labels[:num_test], PROVENANCE)
