"""Seventy images in place of Fashion-MNIST, which a test can tell one from another."""

from types import SimpleNamespace

from ae import datasets
from ae.lesson import VARIANTS
from tutorials import conv_denoiser, fashion_vae

import numpy as np
from running import smoke_settings


def use_countable_clothes(monkeypatch):
    """Lets the lessons load sixty images, image i of grey level i, and ten more to test on.

    Ten of the sixty are held out.
    """
    x = np.arange(70, dtype="uint8")[:, None, None] * np.ones((28, 28), "uint8")
    clothes = SimpleNamespace(
        **{"x_train": x[:60], "y_train": x[:60, 0, 0] % 10, "x_test": x[60:]},
        **{"y_test": x[60:, 0, 0] % 10, "provenance": None},
    )
    monkeypatch.setattr(datasets, "load_fashion_mnist", lambda _: clothes)
    for module in (conv_denoiser, fashion_vae):
        monkeypatch.setattr(module, "HELD_OUT", 10)
    monkeypatch.setattr(conv_denoiser, "SHOWN", (("test", 6), ("train", 32)))


def load_both(module, monkeypatch):
    """Loads them as published and as corrected."""
    use_countable_clothes(monkeypatch)
    whole = {"num_train": None, "num_test": None}
    name = module.LESSON.name
    return [module.load(smoke_settings(name, variant=v, **whole), None) for v in VARIANTS]


def numbers(images):
    return list(np.rint(images[:, 0, 0, 0] * 255).astype(int))
