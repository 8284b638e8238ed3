"""The lessons' kinds of data, drawn at random."""

import dataclasses
import importlib

from ae.datasets import Digits, Provenance

import numpy as np
from running import lesson

PROVENANCE = Provenance("random numbers", "")


def mostly_black(rng, *shape):
    """Draws images as dark as digits are."""
    return (rng.random(shape) ** 3).astype("float32")


def random_digits(num_train, num_test):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, num_train).astype("uint8")
    x_train, x_test = (mostly_black(rng, n, 784) for n in (num_train, num_test))
    return Digits(x_train, labels, x_test, labels[:num_test], PROVENANCE)


def random_data(name):
    """The lesson's own kind of data, and settings for ten steps on them."""
    module = importlib.import_module(f"tutorials.{name}")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 48).astype("uint8")
    if name in ("dense_ae", "sigmoid_ae", "low_level_ae"):
        data = random_digits(48, 8)
    elif name == "conv_denoiser":
        sizes = (40, 40, 12, 12, 8, 8, 5, 5)  # five batches of eight
        data = module.Data(*(mostly_black(rng, n, 28, 28, 1) for n in sizes), PROVENANCE)
    elif name == "document_cleaner":
        sizes = (10, 10, 3, 3, 2)
        pages = (mostly_black(rng, n, 16, 24, 1) for n in sizes)
        data = module.Data(*pages, ("coffee", "folded", "folded"), PROVENANCE)
    else:
        data = module.Data(
            *(mostly_black(rng, 40, 28, 28, 1), labels[:40], mostly_black(rng, 12, 28, 28, 1)),
            *(mostly_black(rng, 8, 28, 28, 1), labels[:8], PROVENANCE),
        )
    settings = dataclasses.replace(
        lesson(name).presets["article"],
        num_epochs=2,
        batch_size=3 if name == "document_cleaner" else 8,  # pages leave a short last batch
        jit_compile=False,
    )
    if name == "fashion_vae":  # its first steps explode and with them every difference of rounding
        settings = dataclasses.replace(settings, learning_rate=1e-5)
    return data, settings
