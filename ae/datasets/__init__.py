"""Data sets: found, verified, cached, and handed out as NumPy arrays."""

from ae.datasets.images import ImageSet, load_fashion_mnist, load_mnist
from ae.datasets.scaling import VALIDATION_SIZE, flat, nhwc

__all__ = ["VALIDATION_SIZE", "ImageSet", "flat", "load_fashion_mnist", "load_mnist", "nhwc"]
