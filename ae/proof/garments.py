"""Whether a plane of codes holds clothes apart, and whether new clothes are what they should be."""

from collections.abc import Callable
from typing import Any

from ae import metrics
from ae.lesson import Settings
from ae.networks import Network, codec
from ae.proof.judges import (
    Hashable,
    share_sure,
    train_classifier,
    train_plain_encoder,
)

import numpy as np

COMPARED = slice(10_000)  # training images whose codes are enough to compare
NEW = 100  # clothes drawn of each class


def worst_recall(network: Network, data: Any, settings: Settings) -> float:
    """Returns how often a code's neighbours are of its class, in the class where they least are."""
    told = _told(_mean_code(network), data)
    return min(np.mean(told[data.y_test == label] == label) for label in np.unique(data.y_test))


def clearer(train_other: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Returns how much oftener a code's neighbours are of its class than those of another code.

    Args:
        train_other: from training images to another encoder.
        network: a variational autoencoder.
        data: has `x_train`, `y_train`, `x_test` and `y_test`.
        settings: those of the network.
    """
    return accuracy(_mean_code(network), data) - accuracy(train_other(data.x_train), data)


def recognised(draw_codes: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Returns how many new clothes a classifier of real ones takes for what they are meant to be.

    Args:
        draw_codes: from a class's means and spreads, a number and the settings to as many codes.
        network: a variational autoencoder.
        data: has `x_train` and `y_train`.
        settings: those of the network.

    Returns:
        The share of 100 images of each class, a mean over the classes.
    """
    encode, decode, _ = codec(network)
    y = data.y_train[COMPARED]
    z_mean, s = encode(data.x_train[COMPARED])
    classifier = train_classifier(Hashable(_flat(data.x_train), data.y_train))
    shares = []
    for label in np.unique(y):
        new = decode(draw_codes(z_mean[y == label], s[y == label], NEW, settings))
        scores = classifier.predict(_flat(new), batch_size=500, verbose=0)
        shares.append(np.mean(scores.argmax(axis=-1) == label))
    return float(np.mean(shares))


def varied(draw_codes: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Returns how much new clothes of a class differ, as a share of how much real ones do.

    Args:
        draw_codes: as in `recognised`.
        network: a variational autoencoder.
        data: has `x_train` and `y_train`.
        settings: those of the network.

    Returns:
        The root mean squared deviation of 100 images from their mean over that of 100 training
        images of the same class; a mean over the classes.
    """
    encode, decode, _ = codec(network)
    x, y = data.x_train[COMPARED], data.y_train[COMPARED]
    z_mean, s = encode(x)
    shares = []
    for label in np.unique(y):
        new = decode(draw_codes(z_mean[y == label], s[y == label], NEW, settings))
        shares.append(_deviation(new) / _deviation(x[y == label][:NEW]))
    return float(np.mean(shares))


def _deviation(images: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(images - images.mean(axis=0)))))


def drawn_and_recognised(network: Network, data: Any, settings: Settings) -> float:
    """Draws codes from N(0, 1), decodes them and returns the share that are clothes for sure.

    One is sure where a classifier of real clothes gives one class above 0.9.

    Args:
        network: a variational autoencoder.
        data: has `x_train`, `y_train` and `x_test`; as many codes are drawn as it has test images.
        settings: those of the network.
    """
    dimensions = codec(network).encode(data.x_train[:1])[0].shape[-1]
    generator = np.random.default_rng(settings.seed)
    z = generator.standard_normal((len(data.x_test), dimensions)).astype("float32")
    classifier = train_classifier(Hashable(_flat(data.x_train), data.y_train))
    return share_sure(classifier, _flat(codec(network).decode(z)))


def accuracy(encode: Callable, data: Any) -> float:
    """Says how often the nearest codes of training images tell a test image's class.

    Args:
        encode: from images to codes (n, 2).
        data: has `x_train`, `y_train`, `x_test` and `y_test`.
    """
    return float(np.mean(_told(encode, data) == data.y_test))


def _mean_code(network: Network) -> Callable:
    encode = codec(network).encode
    return lambda x: encode(x)[0]


def _told(encode: Callable, data: Any) -> np.ndarray:
    """Returns the classes (n,) that the nearest codes of training images give test images."""
    codes = encode(data.x_train[COMPARED])
    return metrics.knn_labels(codes, data.y_train[COMPARED], encode(data.x_test))


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
