"""What the codes and the new clothes of a network are held against: other codes, a classifier."""

from collections.abc import Callable, Mapping
from typing import Any

from ae import metrics
from ae.judges import Hashable, train_classifier, train_plain_encoder

import numpy as np

COMPARED = slice(10_000)  # training images whose codes are enough to compare


def accuracy(encode: Callable, data: Any) -> float:
    """Says how often the nearest codes of training images tell a test image's class.

    Args:
        encode: from images to codes (n, 2).
        data: has `x_train`, `y_train`, `x_test` and `y_test`.
    """
    return float(np.mean(_told(encode, data) == data.y_test))


def worst_recall(encode: Callable, data: Any) -> float:
    """Says the same of the class of which it is least often so.

    Args:
        encode: from images to codes (n, 2).
        data: has `x_train`, `y_train`, `x_test` and `y_test`.
    """
    told = _told(encode, data)
    return min(np.mean(told[data.y_test == label] == label) for label in np.unique(data.y_test))


def _told(encode: Callable, data: Any) -> np.ndarray:
    """Returns the classes (n,) that the nearest codes of training images give test images."""
    codes = encode(data.x_train[COMPARED])
    return metrics.knn_labels(codes, data.y_train[COMPARED], encode(data.x_test))


def recognised(new: Mapping[int, np.ndarray], data: Any) -> float:
    """Says how many new clothes a classifier of real ones takes for what they are meant to be.

    Args:
        new: images (n, 28, 28, 1) by class.
        data: has `x_train` and `y_train`, from which the classifier learns.

    Returns:
        The share of the images, a mean over the classes.
    """
    classifier = train_classifier(Hashable(_flat(data.x_train), data.y_train))
    shares = []
    for label, images in new.items():
        scores = classifier.predict(_flat(images), batch_size=500, verbose=0)
        shares.append(np.mean(scores.argmax(axis=-1) == label))
    return float(np.mean(shares))


def linear_encoder(x_train: np.ndarray) -> Callable:
    """Finds the plane of largest variance.

    Args:
        x_train: images (n, ...).

    Returns:
        A function from images to codes (n, 2), the first two principal components.
    """
    mean, components = metrics.principal_components(_flat(x_train), 2)
    return lambda x: (_flat(x) - mean) @ components.T


def plain_encoder(x_train: np.ndarray) -> Callable:
    """Trains an autoencoder without noise in its code, once for the same images.

    Args:
        x_train: images (n, ...) in [0, 1].

    Returns:
        A function from images to codes (n, 2).
    """
    encoder = train_plain_encoder(Hashable(_flat(x_train)))
    return lambda x: encoder.predict(_flat(x), batch_size=500, verbose=0)


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
