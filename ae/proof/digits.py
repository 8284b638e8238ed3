"""Measures for claims about digits: the size of the code, errors, recognition, planes."""

from collections.abc import Callable
from typing import Any

from ae import metrics
from ae.backend import keras
from ae.lesson import Claim, Option, Settings
from ae.metrics import principal_components, rmse
from ae.networks import Network, codec, in_batches
from ae.proof import judges
from ae.proof.judges import Hashable, train_classifier, train_linear_autoencoder

import numpy as np

LINEAR_CODE = 6  # the sixth variance of the digits is well above the seventh
NEIGHBOURS = 10_000  # training digits that may be neighbours of a test digit
JUDGED = 2000  # test digits or new ones that are enough to judge


def code_size(network: Network, data: Any, settings: Settings) -> int:
    """Counts the numbers in the code of one digit."""
    return codec(network).encode(data.x_test[:1]).size


def test_error(network: Network, data: Any, settings: Settings) -> float:
    """Returns the mean squared error of reconstructed test digits."""
    return rmse(data.x_test, codec(network).reconstruct(data.x_test)) ** 2


def error_beside_mean(network: Network, data: Any, settings: Settings) -> float:
    """Divides the test error by the error of the mean training digit."""
    of_mean = rmse(data.x_test, data.x_train.mean(axis=0)) ** 2
    return test_error(network, data, settings) / of_mean


def error_beside_pca(network: Network, data: Any, settings: Settings) -> float:
    """Divides the test error by that of as many principal components as the code has numbers."""
    number = code_size(network, data, settings)
    of_pca = metrics.pca_error(data.x_train, data.x_test, number)
    return test_error(network, data, settings) / of_pca


def round_trip_difference(network: Network, data: Any, settings: Settings) -> float:
    """Returns the largest |decode(encode(x)) - network(x)| of a pixel.

    A network of the low-level style consists of `encode` and `decode`, so only a Keras model can
    differ from its parts.
    """
    encode, decode, reconstruct = codec(network)
    whole = in_batches(network, 500) if isinstance(network, keras.Model) else reconstruct
    return float(np.max(np.abs(decode(encode(data.x_test)) - whole(data.x_test))))


def accuracy_lost(network: Network, data: Any, settings: Settings) -> float:
    """Subtracts a classifier's accuracy on reconstructions from its accuracy on test digits."""
    x_hat = codec(network).reconstruct(data.x_test)
    return recognised(data, data.x_test) - recognised(data, x_hat)


def recognised(data: Any, x_hat: np.ndarray) -> float:
    """Returns a classifier's accuracy on reconstructions (n, 784) of the test digits."""
    classifier = train_classifier(Hashable(data.x_train, data.y_train))
    labels = classifier.predict(x_hat, batch_size=500, verbose=0).argmax(axis=-1)
    return float(np.mean(labels == data.y_test))


def accuracy_lost_by_neighbours(network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the accuracy of ten neighbours on reconstructions from that on test digits.

    Pixels that are black in every training digit do not count: noise there does not hide a digit.
    """
    used = data.x_train.max(axis=0) > 0
    x, y = data.x_train[:NEIGHBOURS, used], data.y_train[:NEIGHBOURS]
    shown, labels = data.x_test[:JUDGED], data.y_test[:JUDGED]
    right = [
        np.mean(metrics.knn_labels(x, y, rows[:, used]) == labels)
        for rows in (shown, codec(network).reconstruct(shown))
    ]
    return float(right[0] - right[1])


def codes_beside_pixels(network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the accuracy of ten neighbours on pixels from that on codes."""
    return _by_neighbours(codec(network).encode, data) - _by_neighbours(lambda x: x, data)


def codes_beside_pca(network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the accuracy of ten neighbours on principal components from that on codes.

    There are as many components as the code has numbers.
    """
    number = code_size(network, data, settings)
    mean, components = principal_components(data.x_train, number)
    of_codes = _by_neighbours(codec(network).encode, data)
    return of_codes - _by_neighbours(lambda x: (x - mean) @ components.T, data)


def _by_neighbours(encode: Callable, data: Any) -> float:
    z, labels = encode(data.x_train[:NEIGHBOURS]), data.y_train[:NEIGHBOURS]
    found = metrics.knn_labels(z, labels, encode(data.x_test[:JUDGED]))
    return float(np.mean(found == data.y_test[:JUDGED]))


def squared_error(data: Any, x_hat: np.ndarray) -> float:
    """Returns the mean over test digits of the sum of (x - x_hat)^2."""
    return float(np.mean(np.sum(np.square(data.x_test - x_hat), axis=1)))


def drawn_and_typical(network: Network, data: Any, settings: Settings) -> float | None:
    """Draws codes, decodes them and returns `judges.share_typical` of the images.

    The codes come from the normal distribution with the mean and covariance of the training
    digits' codes. Some are below 0, where a ReLU has none.
    """
    encode, decode, _ = codec(network)
    z = encode(data.x_train)
    generator = np.random.default_rng(settings.seed)
    drawn = generator.multivariate_normal(z.mean(axis=0), np.cov(z.T), JUDGED)
    examples = Hashable(data.x_train, data.y_train)
    return judges.share_typical(examples, data.x_test[:JUDGED], decode(drawn.astype("float32")))


def two_d_encoders(data: Any, settings: Settings, num_epochs: int) -> dict[str, Callable]:
    """Makes functions from digits (n, 784) to codes (n, 2): by PCA, and by an autoencoder."""
    mean, components = principal_components(data.x_train, 2)
    chosen = num_epochs, settings.batch_size, settings.seed, settings.jit_compile
    autoencoder = judges.train_deep_autoencoder(Hashable(data.x_train), 2, *chosen)
    encoder = keras.Model(autoencoder.input, autoencoder.get_layer("code").output)
    return {
        "PCA": lambda x: (x - mean) @ components.T,
        "autoencoder": lambda x: encoder.predict(x, verbose=0),
    }


def separation_gained(most_epochs: int, network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the accuracy of ten neighbours in PCA's plane from that in the learned plane.

    The learned plane is trained for `settings.two_d_epochs`, or for `most_epochs` if that is less.
    """
    x, y = data.x_train[:NEIGHBOURS], data.y_train[:NEIGHBOURS]
    num_epochs = min(most_epochs, settings.two_d_epochs)
    accuracy = {
        name: np.mean(metrics.knn_labels(encode(x), y, encode(data.x_test)) == data.y_test)
        for name, encode in two_d_encoders(data, settings, num_epochs).items()
    }
    return accuracy["autoencoder"] - accuracy["PCA"]


def linear_code_angle(network: Network, data: Any, settings: Settings) -> float:
    """Returns the largest angle between a linear decoder's span and PCA's, in degrees."""
    return metrics.principal_angle(*_linear_code_and_components(data))


def linear_unit_angle(network: Network, data: Any, settings: Settings) -> float:
    """Returns the mean angle from a linear code's unit to the nearest component, in degrees."""
    return metrics.nearest_angle(*_linear_code_and_components(data))


def _linear_code_and_components(data: Any) -> tuple[np.ndarray, np.ndarray]:
    _, components = principal_components(data.x_train, LINEAR_CODE)
    return train_linear_autoencoder(Hashable(data.x_train), LINEAR_CODE), components


# An option of every article on digits
CODE_SIZE = Option(
    None,
    "numbers in a code; default: the article's",
    retrains=True,
    type=int | None,
    bounds=(1, 784),
)


BASIC_CLAIMS = (  # of every article on digits
    Claim(
        "It compresses.",
        quantity="Numbers in the code of a digit of 784 pixels",
        measure=code_size,
        at_most=783,
        why="To compress is to need fewer numbers than there are pixels.",
    ),
    Claim(
        "It replicates.",
        quantity="Squared error on test digits, as a share of the mean digit's",
        measure=error_beside_mean,
        at_most=0.5,
        why="At a half, the code keeps as much of the digits' variance as it loses.",
    ),
    Claim(
        "Barp: It can be taken apart.",
        quantity="Largest |decode(encode(x)) - network(x)| of a pixel",
        measure=round_trip_difference,
        at_most=1e-5,
        why="Both compute the same. In float32, a sum of a few hundred terms keeps at least five "
        "digits.",
    ),
    Claim(
        "Ours: Reconstructions are recognisable.",
        quantity="Accuracy that a classifier of real digits loses on them",
        measure=accuracy_lost,
        at_most=0.05,
        why="This classifier is right on 97 % of real digits. A linear one is five points worse.",
    ),
    Claim(
        "Ours: Reconstructions are recognisable.",
        quantity="Accuracy that ten neighbours lose on them, in the pixels that digits use",
        measure=accuracy_lost_by_neighbours,
        at_most=0.05,
        why="The bound is the classifier's. Noise where no digit has ink does not mislead this "
        "judge.",
    ),
    Claim(
        "Medium: Codes are reliable data of fewer dimensions.",
        quantity="Accuracy of ten neighbours on codes, less that on pixels",
        measure=codes_beside_pixels,
        at_least=-0.01,
        why="The bound is ours: two standard errors of a difference on 2,000 digits, if the two "
        "disagree on one digit in twenty.",
    ),
    Claim(
        "Ours: Codes tell digits apart better than PCA does.",
        quantity="Accuracy of ten neighbours on codes, less that on as many principal components",
        measure=codes_beside_pca,
        at_least=0.01,
        why="The bound is ours: two standard errors of a difference on 2,000 digits.",
    ),
)
