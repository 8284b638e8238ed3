"""What the articles on digits say of autoencoders, measured: size, error, recognition, planes."""

from collections.abc import Callable
from typing import Any

from ae.lesson import Claim, Settings
from ae.metrics import (
    knn_labels,
    nearest_angle,
    pca_error,
    principal_angle,
    principal_components,
    rmse,
)
from ae.networks import Network, codec
from ae.proof.judges import (
    Hashable,
    share_sure,
    train_classifier,
    train_linear_autoencoder,
    train_two_d_encoder,
)

import numpy as np

LINEAR_CODE = 6  # the sixth variance of the digits is well above the seventh
NEIGHBOURS = 10_000  # training digits among which those nearest to a test digit are looked for


def code_size(network: Network, data: Any, settings: Settings) -> int:
    """Counts the numbers in the code of one digit."""
    return codec(network).encode(data.x_test[:1]).size


def test_error(network: Network, data: Any, settings: Settings) -> float:
    """Returns the mean squared error of reconstructed test digits."""
    return rmse(data.x_test, codec(network).reconstruct(data.x_test)) ** 2


def error_beside_mean(network: Network, data: Any, settings: Settings) -> float:
    """Divides the test error by that of answering every digit with the mean training digit."""
    error = rmse(data.x_test, codec(network).reconstruct(data.x_test))
    return (error / rmse(data.x_test, data.x_train.mean(axis=0))) ** 2


def error_beside_pca(network: Network, data: Any, settings: Settings) -> float:
    """Divides the test error by that of as many principal components as the code has numbers."""
    error = test_error(network, data, settings)
    return error / pca_error(data.x_train, data.x_test, code_size(network, data, settings))


def round_trip_difference(network: Network, data: Any, settings: Settings) -> float:
    """Returns the largest |decode(encode(x)) - reconstruct(x)| of a pixel."""
    encode, decode, reconstruct = codec(network)
    return float(np.max(np.abs(decode(encode(data.x_test)) - reconstruct(data.x_test))))


def accuracy_lost(network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the classifier's accuracy on reconstructions from that on test digits."""
    classifier = train_classifier(Hashable(data.x_train, data.y_train))
    right = [
        np.mean(classifier.predict(x, batch_size=500, verbose=0).argmax(axis=-1) == data.y_test)
        for x in (data.x_test, codec(network).reconstruct(data.x_test))
    ]
    return float(right[0] - right[1])


def drawn_and_recognised(network: Network, data: Any, settings: Settings) -> float:
    """Draws codes, decodes them and returns the share that are a digit for sure.

    The codes are drawn from the normal distribution with the mean and the covariance of the
    training digits' codes, which takes some below 0, where no ReLU's is. A digit is sure where the
    classifier gives one label above 0.9.
    """
    encode, decode, _ = codec(network)
    z = encode(data.x_train)
    generator = np.random.default_rng(settings.seed)
    drawn = generator.multivariate_normal(z.mean(axis=0), np.cov(z.T), len(data.x_test))
    classifier = train_classifier(Hashable(data.x_train, data.y_train))
    return share_sure(classifier, decode(drawn.astype("float32")))


def two_d_encoders(data: Any, settings: Settings, num_epochs: int) -> dict[str, Callable]:
    """Finds two planes for digits: that of largest variance, and a learned one.

    Returns:
        Functions from digits (n, 784) to codes (n, 2), by name. The learned one is trained once
        for the same digits.
    """
    mean, components = principal_components(data.x_train, 2)
    encoder = train_two_d_encoder(
        Hashable(data.x_train),
        num_epochs,
        *(settings.batch_size, settings.seed, settings.jit_compile),
    )
    return {
        "PCA": lambda x: (x - mean) @ components.T,
        "autoencoder": lambda x: encoder.predict(x, verbose=0),
    }


def separation_gained(most_epochs: int, network: Network, data: Any, settings: Settings) -> float:
    """Subtracts the accuracy of neighbours in PCA's plane from that in the learned one.

    Args:
        most_epochs: to train the learned one for; less if `settings.two_d_epochs` is less.
        network: any; it makes no difference.
        data: digits; all test digits are asked about.
        settings: those of the network.
    """
    x, y = data.x_train[:NEIGHBOURS], data.y_train[:NEIGHBOURS]
    num_epochs = min(most_epochs, settings.two_d_epochs)
    accuracy = {
        name: np.mean(knn_labels(encode(x), y, encode(data.x_test)) == data.y_test)
        for name, encode in two_d_encoders(data, settings, num_epochs).items()
    }
    return accuracy["autoencoder"] - accuracy["PCA"]


def linear_code_angle(network: Network, data: Any, settings: Settings) -> float:
    """Measures what a linear autoencoder's decoder spans against PCA's span, in degrees."""
    decoder = train_linear_autoencoder(Hashable(data.x_train), LINEAR_CODE)
    return principal_angle(decoder, principal_components(data.x_train, LINEAR_CODE)[1])


def linear_unit_angle(network: Network, data: Any, settings: Settings) -> float:
    """Measures each unit of a linear code against the component nearest to it, in degrees."""
    decoder = train_linear_autoencoder(Hashable(data.x_train), LINEAR_CODE)
    return nearest_angle(decoder, principal_components(data.x_train, LINEAR_CODE)[1])


BASIC_CLAIMS = (  # what every article on digits says of its autoencoder
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
        why="At a half, as much of the digits' variance is kept as is lost.",
    ),
    Claim(
        "It can be taken apart.",
        quantity="Largest |decode(encode(x)) - reconstruct(x)| of a pixel",
        measure=round_trip_difference,
        at_most=1e-5,
        why="Both compute the same. Float32 keeps five digits or more of sums of some hundred "
        "terms.",
    ),
    Claim(
        "Reconstructions are recognisable.",
        quantity="Accuracy that a classifier of real digits loses on them",
        measure=accuracy_lost,
        at_most=0.05,
        why="A linear classifier, on the digits themselves, is five points below 97 %.",
    ),
)
