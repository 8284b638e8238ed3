"""The data sets: finds, verifies and caches them, and returns NumPy arrays."""

from ae.datasets.documents import resize_to_nearest
from ae.datasets.images import (
    Digits,
    ImageSet,
    load_fashion_mnist,
    load_mnist,
    nhwc,
    read_data_sets,
)
from ae.datasets.own_images import OwnImages
from ae.datasets.own_pages import OwnPairs
from ae.datasets.registry import Provenance
from ae.datasets.synthetic import load_or_generate_documents

__all__ = [
    "Digits",
    "ImageSet",
    "OwnImages",
    "OwnPairs",
    "Provenance",
    "load_fashion_mnist",
    "load_mnist",
    "load_or_generate_documents",
    "nhwc",
    "read_data_sets",
    "resize_to_nearest",
]
