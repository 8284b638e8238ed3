"""Seventy images in place of Fashion-MNIST, which a test can tell one from another."""

import importlib

from ae import datasets
from ae.lesson import VARIANTS
from tutorials import conv_denoiser

import numpy as np
from running import lesson, smoke_settings


def use_countable_clothes(monkeypatch):
    """Lets the lessons load sixty images, image i of grey level i, and ten more to test on."""
    x = np.arange(70, dtype="uint8")[:, None, None] * np.ones((28, 28), "uint8")
    y = x[:, 0, 0] % 10
    clothes = datasets.ImageSet(x[:60], y[:60], x[60:], y[60:], tuple("abcdefghij"), None)
    monkeypatch.setattr(datasets, "load_fashion_mnist", lambda _: clothes)
    monkeypatch.setattr(conv_denoiser, "SHOWN", (("test", 6), ("train", 32)))


def load_both(module, monkeypatch):
    """Loads them as published and as corrected, which holds out ten of the sixty."""
    use_countable_clothes(monkeypatch)
    name = module.__name__.rpartition(".")[2]
    article = importlib.import_module(f"tutorials.articles.{name}")
    monkeypatch.setitem(article.ARGUMENTS["variant", "corrected"]["load"], "held_out", 10)
    whole = {"num_train": None, "num_test": None}
    return [lesson(name).load(smoke_settings(name, variant=v, **whole), None) for v in VARIANTS]


def numbers(images):
    return list(np.rint(images[:, 0, 0, 0] * 255).astype(int))
