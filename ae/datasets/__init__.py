"""Data sets: found, verified, cached, and handed out as NumPy arrays."""

from ae.datasets.documents import resize
from ae.datasets.images import ImageSet, load_fashion_mnist, load_mnist
from ae.datasets.scaling import VALIDATION_SIZE, flat, nhwc
from ae.datasets.synthetic import load_or_generate_documents

__all__ = [
    "VALIDATION_SIZE",
    "ImageSet",
    "flat",
    "load_fashion_mnist",
    "load_mnist",
    "load_or_generate_documents",
    "nhwc",
    "resize",
]
