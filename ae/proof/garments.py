"""Measures for claims about variational autoencoders of clothes: plane of codes, new clothes."""

from collections.abc import Callable, Iterator
from typing import Any

from ae import metrics
from ae.lesson import Settings
from ae.networks import Network, codec
from ae.proof.judges import Hashable, share_typical, train_classifier

import numpy as np

COMPARED = slice(10_000)  # training images whose codes are enough to compare
NEW = 100  # new images of each class
JUDGED = 2000  # test images or new ones that are enough to judge


def worst_recall(network: Network, data: Any, settings: Settings) -> float:
    """Returns the share of test images that neighbours classify rightly, in the worst class."""
    labels = _knn_labels(_mean_code(network), data)
    return min(np.mean(labels[data.y_test == label] == label) for label in np.unique(data.y_test))


def clearer(train_other: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the `accuracy` of another encoder from our own.

    Args:
        train_other: a function from training images and settings to an encoder.
    """
    other = train_other(data.x_train, settings)
    return accuracy(_mean_code(network), data) - accuracy(other, data)


def recognised(draw_codes: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Returns the share of new images in which a classifier of real clothes sees their class.

    Args:
        draw_codes: a function that takes the means and spreads of a class's codes, a number n and
            the settings. It returns n codes.
    """
    classifier = train_classifier(Hashable(_flat(data.x_train), data.y_train))
    shares = []
    for label, new, _ in _new_and_real(draw_codes, network, data, settings):
        scores = classifier.predict(_flat(new), batch_size=500, verbose=0)
        shares.append(np.mean(scores.argmax(axis=-1) == label))
    return float(np.mean(shares))


def varied(draw_codes: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Compares how much new images of a class differ with how much real ones do.

    The result is the root mean squared deviation of 100 new images from their mean, divided by that
    of 100 training images of the class, averaged over the classes. `recognised` has the arguments.
    """
    pairs = _new_and_real(draw_codes, network, data, settings)
    return float(np.mean([_deviation(new) / _deviation(real[:NEW]) for _, new, real in pairs]))


def _deviation(images: np.ndarray) -> float:
    return metrics.rmse(images, images.mean(axis=0))


def _new_and_real(
    draw_codes: Callable, network: Network, data: Any, settings: Settings
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields, for each class, its label, 100 new images and its training images."""
    encode, decode, _ = codec(network)
    x, y = data.x_train[COMPARED], data.y_train[COMPARED]
    z_mean, s = encode(x)
    for label in np.unique(y):
        of_class = y == label
        z = draw_codes(z_mean[of_class], s[of_class], NEW, settings)
        yield label, decode(z), x[of_class]


def drawn_and_typical(network: Network, data: Any, settings: Settings) -> float | None:
    """Draws codes from N(0, 1), decodes them and returns `judges.share_typical` of the images."""
    encode, decode, _ = codec(network)
    dimensions = encode(data.x_train[:1])[0].shape[-1]
    generator = np.random.default_rng(settings.seed)
    z = generator.standard_normal((JUDGED, dimensions)).astype("float32")
    examples = Hashable(_flat(data.x_train), data.y_train)
    return share_typical(examples, _flat(data.x_test[:JUDGED]), _flat(decode(z)))


def accuracy(encode: Callable, data: Any) -> float:
    """Returns the share of test images that their ten nearest training codes classify rightly."""
    return float(np.mean(_knn_labels(encode, data) == data.y_test))


def _mean_code(network: Network) -> Callable:
    encode = codec(network).encode
    return lambda x: encode(x)[0]


def _knn_labels(encode: Callable, data: Any) -> np.ndarray:
    codes = encode(data.x_train[COMPARED])
    return metrics.knn_labels(codes, data.y_train[COMPARED], encode(data.x_test))


def linear_encoder(x_train: np.ndarray, settings: Settings) -> Callable:
    """Returns a function from images (n, ...) to their first two principal components (n, 2)."""
    mean, components = metrics.principal_components(_flat(x_train), 2)
    return lambda x: (_flat(x) - mean) @ components.T


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
