"""What every lesson is, written once more and without its code: numbers, networks in NumPy, rules.

A new lesson needs an entry in `EXPECTED`. `test_expected.py` compares each lesson with its entry,
and `test_drawn.py` its figures.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tutorials.articles.conv_denoiser import drawn_each_epoch
from tutorials.articles.fashion_vae import sample_around

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pictures import OWN, Classes, Curves, Decoded, Images, Points, tiled
from scipy.special import expit as sigmoid
from scipy.stats import norm
from stand_ins import Net

# Layers. Images are (batch, height, width, channels), kernels (3, 3, in, out).


def identity(x):
    return x


def relu(x):
    return np.maximum(x, 0)


def dense(weights, x, *activations):
    """Applies a layer for each activation; `weights` alternate between kernels and biases."""
    kernels, biases = weights[::2], weights[1::2]
    for kernel, bias, activation in zip(kernels, biases, activations, strict=True):
        x = activation(x @ kernel + bias)
    return x


def conv2d(x, kernel, bias, stride=1, padding="same"):
    if padding == "same":  # as TensorFlow: an odd pixel of padding stands below and to the right
        totals = [max((-(-n // stride) - 1) * stride + 3 - n, 0) for n in x.shape[1:3]]
        x = np.pad(x, [(0, 0), *((n // 2, n - n // 2) for n in totals), (0, 0)])
    windows = sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, kernel, ([4, 5, 3], [0, 1, 2])) + bias


def transposed_conv2d(x, kernel, bias):
    """Adds a kernel (3, 3, out, in), scaled, at every second pixel of an image twice as large."""
    n, height, width, _ = x.shape
    out = np.zeros((n, 2 * height + 1, 2 * width + 1, kernel.shape[2]))
    for i, j in np.ndindex(3, 3):
        out[:, i : i + 2 * height : 2, j : j + 2 * width : 2] += x @ kernel[i, j].T
    return out[:, :-1, :-1] + bias


def max_pool(x):
    """Takes the largest of 2 x 2 pixels, or of the pixels that are left at an odd border."""
    odd = [(0, n % 2) for n in x.shape[1:3]]
    x = np.pad(x, [(0, 0), *odd, (0, 0)], constant_values=-math.inf)
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def upsample(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


# Losses of (target, x_hat, code).


def mean_squared_error(x, x_hat, _):
    return np.mean((x - x_hat) ** 2)


def cross_entropies(x, p):
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def variational_loss(kl_weight):
    def loss(x, x_hat, code):
        mean, s = code  # of two normal distributions, with the standard deviations exp(s / 2)
        divergences = np.sum(np.exp(s) + mean**2 - 1 - s, axis=1) / 2
        clipped = np.clip(x_hat, 1e-7, 1 - 1e-7)
        return np.mean(cross_entropies(x, clipped)) + kl_weight * np.mean(divergences)

    return loss


# Optimizers: the change of a weight after steps with these gradients.


def adam(gradients, learning_rate, beta_1, beta_2, epsilon, **_):
    change = m = v = 0.0
    for t, g in enumerate(gradients, 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        rate = learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        change -= rate * m / (np.sqrt(v) + epsilon)
    return change


def nadam(gradients, learning_rate, beta_1, beta_2, epsilon, **_):
    """Follows T. Dozat, 2015, section 2, where the momentum is beta_1 (1 - 0.96^(0.004 t) / 2)."""
    change = m = v = 0.0
    product = 1.0
    for t, g in enumerate(gradients, 1):
        momentum, following = (beta_1 * (1 - 0.5 * 0.96 ** (0.004 * s)) for s in (t, t + 1))
        product *= momentum
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        ahead = following * m / (1 - product * following) + (1 - momentum) * g / (1 - product)
        change -= learning_rate * ahead / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
    return change


def rmsprop_tf1(gradients, learning_rate, rho, epsilon, **_):
    change, v = 0.0, 1.0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        change -= learning_rate * g / np.sqrt(v + epsilon)
    return change


def rmsprop_keras2(gradients, learning_rate, rho, epsilon, **_):
    change = v = 0.0
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        change -= learning_rate * g / (np.sqrt(v) + epsilon)
    return change


def sgd(gradients, learning_rate, momentum, **_):
    change = velocity = 0.0
    for g in gradients:
        velocity = momentum * velocity - learning_rate * g
        change += velocity
    return change


class Optimizer(NamedTuple):
    name: str  # of its class
    rule: Callable
    config: Mapping[str, Any]  # has a learning rate only if it is not that of the settings


ADAM = Optimizer(
    "Adam",
    adam,
    {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
)
NADAM_KERAS2 = Optimizer("NadamKeras2", nadam, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7})
RMSPROP = {"rho": 0.9, "momentum": 0.0, "centered": False}
RMSPROP_TF1 = Optimizer("RMSpropTF1", rmsprop_tf1, {**RMSPROP, "epsilon": 1e-10})
RMSPROP_KERAS2 = Optimizer("RMSpropKeras2", rmsprop_keras2, {**RMSPROP, "epsilon": 1e-7})


# The table.

PUBLISHED, CORRECTED = ("variant", "published"), ("variant", "corrected")  # setting and value
DEFAULTS = {  # of every lesson's settings
    "steps_per_call": 1,
    "jit_compile": False,
    "num_train": None,
    "num_test": None,
    "seed": 0,
    "variant": "published",
    "mixed_precision": False,
    "deterministic": False,
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, how it starts and how it is trained."""

    parameters: int  # how many numbers are trained
    shape: tuple  # of an input, any even height and width for pages
    code_shape: tuple
    # How kernels and biases are drawn: a normal distribution's deviation, "glorot", ("glorot", its
    # limit's factor) or 0.
    first_weights: tuple = ("glorot", 0)
    encode: Callable  # takes the weights in Keras's order and x, returns the code
    decode: Callable  # takes the weights and what `sample` makes of a code
    sample: Callable = identity  # with noise of 0.5 standard deviations, which the tests fix
    loss: Callable = mean_squared_error
    corrupt: Callable = identity  # what training encodes, with noise of 0.5 standard deviations
    penalty: Callable = lambda w, code: 0  # what the loss adds; takes the weights and the code
    optimizer: Optimizer = ADAM
    # The input of an epoch, if it is drawn then; takes data, settings and the number of the epoch.
    drawn: Callable | None = None
    num_train: int  # examples that the article trains on
    steps_per_epoch: int
    learns_to: float  # loss below which the settings `Expected.learns` take it


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a lesson and of its article.

    The functions take data `d` with random images and labels in every field, whose `d.encode`,
    `d.decode` and `d.output` are a network's, and whose `d.settings` are a run's.
    """

    always: Callable  # returns `Images`, `Points` or `Curves` by name, in the order of drawing
    if_asked: Callable = lambda d: {}  # returns the figures that come only with `asked`
    # A value for every option that does not change the network: so that all figures are drawn.
    asked: Mapping[str, Any] = field(default_factory=dict)
    instead: Mapping[str, Callable] = field(default_factory=dict)  # of the article's slow functions
    examples: Callable = lambda d: (d.x_test[:10], None)  # returns inputs and targets
    plane: Callable | None = None  # returns codes, images, labels and the names of the classes
    labels: tuple[str, ...] = ()  # the fields of `d` that hold classes
    number: int = 20  # of images in a field


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One lesson and what its article says."""

    presets: Mapping[str, Mapping[str, Any]]  # settings that are not `DEFAULTS` or the article's
    # Numbers and names that stand in capitals in the lesson or in the article's file.
    constants: Mapping[str, Any]
    arguments: Mapping  # what settings pass to the lesson's functions, which are given by name
    # By the name of a setting: whether it changes the trained network, its choices and its type.
    options: Mapping[str, tuple[bool, tuple | None, Any]] = field(default_factory=dict)
    # By network and by the setting that makes a difference: PUBLISHED, CORRECTED, every choice of
    # an option, and a value of an option that is a number.
    networks: Mapping[str, Mapping[tuple[str, Any], Network]]
    trains_on: tuple[str, str] = ("x_train", "x_train")  # fields of the data: input and target
    validates_on: tuple[str, str] | None = None
    patience: int | None = None
    # The losses of the first epoch, by network.
    published_first: Mapping[str, list[float]] | None = None
    # Changes to the smoke preset that make a network learn something within two CPU-seconds.
    learns: Mapping[str, Any] = field(default_factory=lambda: {"num_epochs": 4})
    figures: Figures

    def data(self, n, dtype="float32"):
        """Draws images as dark as digits are, for the fields that are trained and validated on."""
        ((network, *_), *_) = [list(settings.values()) for settings in self.networks.values()]
        fields = dict.fromkeys((*self.trains_on, *(self.validates_on or ())))
        rng = np.random.default_rng(2)
        drawn = {field: rng.random((n, *network.shape)) ** 3 for field in fields}
        return SimpleNamespace(**{field: x.astype(dtype) for field, x in drawn.items()})


EXPECTED = {}


def expected(name):
    assert name in EXPECTED, (
        f"The lesson {name} has no entry: add EXPECTED[{name!r}] to {Path(__file__).name}, "
        "which stands in tests/lessons."
    )
    return EXPECTED[name]


DENSE_AE = Network(
    parameters=784 * 784 + 784 * 256 + 256 * 128 + 128 * 128 + 128 * 256 + 256 * 784 + 2336,
    shape=(784,),
    code_shape=(128,),
    first_weights=("glorot", "glorot"),
    encode=lambda w, x: dense(w[:6], x, relu, relu, relu),
    decode=lambda w, z: dense(w[6:], z, relu, relu, relu),
    optimizer=RMSPROP_TF1,
    num_train=55_000,
    steps_per_epoch=100,
    learns_to=0.096,
)


ACCURACIES = {"trained encoder": [0.5, 0.75], "from scratch": [0.25, 0.625]}
CODE_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 784)
BY_CODE_SIZE = {
    "squared error": {"autoencoder": np.linspace(68, 12, 9), "PCA": np.linspace(47, 0, 9)},
    "share of fine detail": {"autoencoder": np.linspace(0, 0.5, 9), "PCA": np.linspace(0, 1, 9)},
    "share of digits recognised": {
        "autoencoder": np.linspace(0.1, 0.95, 9),
        "PCA": np.linspace(0.2, 0.97, 9),
    },
}


EXPECTED["dense_ae"] = Expected(
    learns={"num_epochs": 2, "batch_size": 32},
    presets={
        "article": {
            **{"num_epochs": 10, "batch_size": 256, "learning_rate": 0.001},
            **{"steps_per_call": 25, "jit_compile": True},
            **{"classifier": False, "label_counts": (100, 1000, 55_000)},
            **{"code_size": None, "sweep": False, "book_vae": False, "book_vae_epochs": 100},
        },
        "quick": {"label_counts": (100, 1000, 10_000)},
        "smoke": {
            **{"num_epochs": 1, "num_train": 512, "num_test": 128, "label_counts": (100, 200)},
            "book_vae_epochs": 1,
        },
    },
    constants={
        **{"INPUT_DIM": 784, "HIDDEN_UNITS": 256, "CODE_UNITS": 128, "STEPS_PER_EPOCH": 100},
        **{"ORDER": 1, "PRINTED_LOSS": "last_batch_loss", "CODE_SIZES": CODE_SIZES},
        "PASSED_ON": {"code_size": {"Autoencoder": "code_units", "build_keras": "code_units"}},
    },
    options={
        "classifier": (False, None, bool),
        "label_counts": (False, None, tuple[int, ...]),
        "code_size": (True, None, int | None),
        "sweep": (False, None, bool),
        "book_vae": (False, None, bool),
        "book_vae_epochs": (False, None, int),
    },
    arguments={
        CORRECTED: {"Autoencoder": {"output": "sigmoid"}, "build_keras": {"output": "sigmoid"}},
    },
    networks={
        "autoencoder": {
            PUBLISHED: DENSE_AE,
            CORRECTED: replace(DENSE_AE, decode=lambda w, z: dense(w[6:], z, relu, relu, sigmoid)),
            ("code_size", 50): replace(
                DENSE_AE,
                code_shape=(50,),
                parameters=784 * 784 + 2 * 784 * 256 + 2 * 256 * 50 + 50 * 50 + 2080 + 50 + 50,
            ),
        },
    },
    figures=Figures(
        always=lambda d: {
            "digits": Images(
                [
                    ("original", [tiled(d.x_test[:16], 4)]),
                    ("reconstructed", [tiled(d.output(d.x_test[:16]), 4)]),
                ],
                *("gray", (0, 1)),
                columns=True,
            ),
        },
        if_asked=lambda d: {
            "book-vae": Images(
                [
                    ("original", d.x_test[:10]),
                    ("autoencoder", d.output(d.x_test[:10])),
                    ("variational", 1 - d.x_test[:10]),
                ],
                *("gray", (0, 1)),
            ),
            "classifier": Curves(
                *((100, 200), ACCURACIES),
                {"xlabel": "labelled digits", "ylabel": "test accuracy", "xscale": "log"},
            ),
            **{
                f"code-sizes-{name}": Curves(
                    *(CODE_SIZES, BY_CODE_SIZE[quantity]),
                    {"xlabel": "numbers in a code", "ylabel": quantity, "xscale": "log"},
                )
                for name, quantity in zip(
                    ("error", "detail", "recognised"), BY_CODE_SIZE, strict=True
                )
            },
        },
        asked={"book_vae": True, "classifier": True, "sweep": True},
        instead={
            "compare_classifiers": lambda *_: ACCURACIES,
            "compare_code_sizes": lambda *_: BY_CODE_SIZE,
            "reconstructed_by_both": lambda network, d, _: {
                "autoencoder": d.output(d.x_test),
                "variational": 1 - d.x_test,
            },
        },
    ),
)

SIGMOID_AE = Network(
    parameters=2 * (784 * 256 + 256 * 128) + 256 + 128 + 256 + 784,
    shape=(784,),
    code_shape=(128,),
    first_weights=(1.0, 1.0),
    encode=lambda w, x: dense(w[:4], x, sigmoid, sigmoid),
    decode=lambda w, z: dense(w[4:], z, sigmoid, sigmoid),
    optimizer=RMSPROP_TF1,
    num_train=55_000,
    steps_per_epoch=214,
    learns_to=0.41,
)


FROM_THIRTY = {"learned": lambda x: 1 - x, "PCA": lambda x: x / 2}
TWO_D = {"PCA": lambda x: x[:, 300:302], "autoencoder": lambda x: x[:, 400:402]}


def two_panels(d):
    """Shows 500 test digits of each class."""
    shown = np.concatenate([np.flatnonzero(d.y_test == label)[:500] for label in range(10)])
    codes = {name: encode(d.x_test[shown]) for name, encode in TWO_D.items()}
    return Classes(codes, d.y_test[shown], range(10), shared=False)


OTHER_VARIANT = Net(decode=lambda z: 1 - z)  # stands for a network trained with `--variant`


def both_variants(d, *why):
    """Shows ten test digits as published and corrected, in 256 greys what the record keeps."""
    made = {"published": d.output(d.x_test), "corrected": 1 - d.x_test}
    errors = {name: np.mean((d.x_test - x_hat) ** 2) for name, x_hat in made.items()}
    made["corrected"] = np.rint(255 * made["corrected"]) / 255
    rows = [(f"{name}\nerror {errors[name]:.4f}", x_hat[:10]) for name, x_hat in made.items()]
    return Images([("original", d.x_test[:10]), *rows], "gray", (0, 1), below=why)


EXPECTED["sigmoid_ae"] = Expected(
    published_first={"autoencoder": [0.218654603, 0.200306907]},
    learns={"num_epochs": 6, "batch_size": 32},
    presets={
        "article": {
            **{"num_epochs": 20, "batch_size": 256, "learning_rate": 0.01},
            **{"steps_per_call": 53, "jit_compile": True, "two_d": False, "two_d_epochs": 20},
            **{"code_size": None, "thirty": False, "thirty_epochs": 50},
        },
        "quick": {"num_epochs": 10, "two_d": True, "two_d_epochs": 5},
        "smoke": {
            **{"num_epochs": 1, "two_d_epochs": 1, "thirty_epochs": 1},
            **{"num_train": 768, "num_test": 128},
        },
    },
    constants={
        **{"NUM_INPUT": 784, "NUM_HIDDEN_1": 256, "NUM_HIDDEN_2": 128, "EXAMPLES_TO_SHOW": 10},
        **{"ORDER": 2, "PRINTED_LOSS": "last_batch_loss"},
        "PUBLISHED": {"autoencoder": {"last_batch_loss": ("run_2016", "run_2017")}},
        "PASSED_ON": {"code_size": {"Autoencoder": "code_units", "build_keras": "code_units"}},
    },
    options={
        "two_d": (False, None, bool),
        "two_d_epochs": (False, None, int),
        "thirty": (False, None, bool),
        "thirty_epochs": (False, None, int),
        "code_size": (True, None, int | None),
    },
    arguments={CORRECTED: {"Autoencoder": {"init": "glorot"}, "build_keras": {"init": "dict"}}},
    networks={
        "autoencoder": {
            PUBLISHED: SIGMOID_AE,
            CORRECTED: replace(SIGMOID_AE, first_weights=("glorot", 0)),
            ("code_size", 50): replace(
                SIGMOID_AE,
                code_shape=(50,),
                parameters=2 * (784 * 256 + 256 * 50) + 256 + 50 + 256 + 784,
            ),
        },
    },
    figures=Figures(
        always=lambda d: {
            "strip": Images(
                [("original", d.x_test[:10]), ("reconstructed", d.output(d.x_test[:10]))],
                *("viridis", (0, 1)),
            ),
            "published-and-corrected": both_variants(d, "noise", "first weights", "N(0, 1)"),
        },
        if_asked=lambda d: {
            "two-d": two_panels(d),
            "thirty": Images(
                [
                    ("original", d.x_test[:10]),
                    *((name, made(d.x_test)[:10]) for name, made in FROM_THIRTY.items()),
                ],
                *("gray", (0, 1)),
            ),
        },
        asked={"two_d": True, "thirty": True},
        instead={
            "variants.train": lambda *_: OTHER_VARIANT,
            "two_d_encoders": lambda *_: TWO_D,
            "from_thirty": lambda data, _: {n: f(data.x_test) for n, f in FROM_THIRTY.items()},
        },
        labels=("y_test",),
        number=5600,
    ),
)

CLASS = Network(
    parameters=2 * 784 * 128 + 128 + 784,
    shape=(784,),
    code_shape=(128,),
    first_weights=(1.0, 0),
    encode=lambda w, x: dense(w[:2], x, relu),
    decode=lambda w, z: dense(w[2:], z, sigmoid),
    loss=lambda x, x_hat, _: np.sum(cross_entropies(x, x_hat)),
    optimizer=RMSPROP_TF1,
    num_train=55_000,
    steps_per_epoch=859,  # of 64; the last 24 digits drop out
    learns_to=300_000,
)
LAYERS = Network(
    parameters=784 * 256 + 256 * 128 + 128 * 784 + 256 + 128 + 784,
    shape=(784,),
    code_shape=(128,),
    encode=lambda w, x: dense(w[:4], x, identity, identity),
    decode=lambda w, z: dense(w[4:], z, sigmoid),
    loss=lambda x, x_hat, _: np.mean(cross_entropies(x, sigmoid(x_hat))),  # a second sigmoid
    optimizer=ADAM._replace(config={**ADAM.config, "epsilon": 1e-8, "learning_rate": 0.001}),
    num_train=55_000,
    steps_per_epoch=1719,  # of 32
    learns_to=0.7,
)
EXPECTED["low_level_ae"] = Expected(
    presets={
        "article": {
            **{"num_epochs": 10, "batch_size": 64, "learning_rate": 0.005},
            **{"steps_per_call": 214, "jit_compile": True, "code_size": None},
        },
        "quick": {"num_epochs": 3},
        "smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128},
    },
    constants={
        **{"D": 784, "d": 128, "LAYERS_BATCH_SIZE": 32, "LAYERS_LEARNING_RATE": 0.001},
        **{"ORDER": 3, "SCALE": math.sqrt(2 / 912), "SUMMED": ("class",)},
        "BUILT_WITH_D": ("Autoencoder", "LayeredAutoencoder", "build_class", "build_layers"),
        "PASSED_ON": {
            "code_size": {
                **{"Autoencoder": "d", "LayeredAutoencoder": "d"},
                **{"build_class": "d", "build_layers": "d"},
            },
        },
    },
    options={"code_size": (True, None, int | None)},
    arguments={
        CORRECTED: {
            "Autoencoder": {"scale": math.sqrt(2 / 912)},
            "build_class": {"scale": math.sqrt(2 / 912)},
            "train_layers_low_level": {"loss": "mean_cross_entropy"},
            "train_layers": {"loss": "binary_crossentropy"},
        },
    },
    networks={
        "class": {
            PUBLISHED: CLASS,
            CORRECTED: replace(CLASS, first_weights=(math.sqrt(2 / 912), 0)),
            ("code_size", 50): replace(CLASS, code_shape=(50,), parameters=2 * 784 * 50 + 50 + 784),
        },
        "layers": {
            PUBLISHED: LAYERS,
            CORRECTED: replace(LAYERS, loss=lambda x, x_hat, _: np.mean(cross_entropies(x, x_hat))),
            ("code_size", 50): replace(
                LAYERS,
                code_shape=(50,),
                parameters=784 * 256 + 256 * 50 + 50 * 784 + 256 + 50 + 784,
            ),
        },
    },
    figures=Figures(
        always=lambda d: {
            "reconstructions": Images(
                [("original", d.x_test[:10]), ("decode(encode(x))", d.output(d.x_test[:10]))],
                *("gray", (0, 1)),
            ),
            "published-and-corrected": both_variants(d, "ReLU units", "zeros", "the same grey 8"),
        },
        instead={"variants.train": lambda *_: OTHER_VARIANT},
    ),
)


def encode_garment(w, x):
    for kernel, bias in zip(w[:6:2], w[1:6:2], strict=True):
        x = max_pool(relu(conv2d(x, kernel, bias)))
    return x


def decode_garment(w, z, output=sigmoid):
    h = upsample(relu(conv2d(z, *w[6:8])))
    h = upsample(relu(conv2d(h, *w[8:10])))
    h = upsample(relu(conv2d(h, *w[10:12], padding="valid")))
    return output(conv2d(h, *w[12:14]))


SALT_AND_PEPPER, WHITE = ("SaltAndPepper", 0.1), ("AdditiveGaussianNoise", ("scale", 0.17 * 255))
DENOISER = Network(
    parameters=49_761,  # as the article's model.summary() prints
    shape=(28, 28, 1),
    code_shape=(4, 4, 16),
    encode=encode_garment,
    decode=decode_garment,
    num_train=60_000,
    steps_per_epoch=30,  # of 2048
    learns_to=0.115,
)


def medians(x):
    """Takes the median of each pixel and its eight neighbours; a border is its own neighbour."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    return np.median(sliding_window_view(padded, (3, 3), axis=(1, 2)), axis=(-1, -2))


def with_decibels(label, x, clean):
    return f"{label}\n{-10 * math.log10(np.mean((x - clean) ** 2)):.1f} dB", x


EXPECTED["conv_denoiser"] = Expected(
    presets={
        "article": {
            **{"num_epochs": 20, "batch_size": 2048, "learning_rate": 0.001, "output": "sigmoid"},
            "noise": "salt-and-pepper",
        },
        "quick": {"num_epochs": 4, "batch_size": 128, "num_train": 10_000, "num_test": 1000},
        "smoke": {"num_epochs": 1, "batch_size": 64, "num_train": 256, "num_test": 64},
    },
    constants={
        **{"PATIENCE": 10, "ORDER": 4},
        **{"SALT_AND_PEPPER": SALT_AND_PEPPER, "WHITE": WHITE},
        "AUGMENTERS": {"salt-and-pepper": SALT_AND_PEPPER, "gaussian": WHITE},
        "FRESH": {"noisy": "drawn_each_epoch"},
        "SHOWN": (
            *(("test", 6616), ("test", 6329), ("train", 32595), ("test", 9830), ("train", 5469)),
        ),
        "PAIRS": "x_train x_train_noisy x_val x_val_noisy x_test x_test_noisy x_shown "
        "x_shown_noisy",
        "PUBLISHED": {"autoencoder": {"loss": ("loss",), "val_loss": ("val_loss",)}},
        "PUBLISHED_WITH": {"output": "linear"},
    },
    options={
        "output": (True, ("sigmoid", "linear"), str),
        "noise": (True, ("salt-and-pepper", "gaussian"), str),
    },
    arguments={
        CORRECTED: {
            "load": {"held_out": 10_000},
            "train_low_level": {"noisy": "drawn_each_epoch"},
            "train_keras": {"noisy": "drawn_each_epoch"},
        },
        ("noise", "gaussian"): {"load": {"noise": WHITE}},
        ("output", "linear"): {
            "Denoiser": {"output": "identity"},
            "build_keras": {"output": "linear"},
        },
    },
    networks={
        "autoencoder": {
            PUBLISHED: DENOISER,
            CORRECTED: replace(
                DENOISER, num_train=50_000, steps_per_epoch=25, drawn=drawn_each_epoch
            ),
            ("output", "linear"): replace(
                DENOISER, decode=lambda w, z: decode_garment(w, z, identity)
            ),
            ("noise", "gaussian"): DENOISER,
        },
    },
    trains_on=("x_train_noisy", "x_train"),
    validates_on=("x_val_noisy", "x_val"),
    patience=10,
    figures=Figures(
        always=lambda d: {
            "clean-noisy-output": Images(
                [
                    ("clean", d.x_shown),
                    with_decibels("noisy", d.x_shown_noisy, d.x_shown),
                    with_decibels("median filter", medians(d.x_shown_noisy), d.x_shown),
                    with_decibels("output", d.output(d.x_shown_noisy), d.x_shown),
                ],
                *("gray", OWN),
            ),
            "latent-maps": Images(
                [
                    ("", [x, *np.moveaxis(z, -1, 0)])
                    for x, z in zip(d.x_shown_noisy, d.encode(d.x_shown_noisy), strict=True)
                ],
                *("gray", OWN),
                titles=("input", *(f"map {channel}" for channel in range(16))),
                compact=True,
            ),
        },
        examples=lambda d: (d.x_test_noisy[:10], d.x_test[:10]),
        number=12,
    ),
)

CLEANER = Network(
    parameters=38_145,
    shape=(6, 10, 1),
    code_shape=(3, 5, 64),
    encode=lambda w, x: max_pool(relu(conv2d(x, *w[:2]))),
    decode=lambda w, z: sigmoid(conv2d(upsample(relu(conv2d(z, *w[2:4]))), *w[4:])),
    num_train=122,
    steps_per_epoch=8,  # of 16
    learns_to=0.14,
)
EXPECTED["document_cleaner"] = Expected(
    learns={"num_epochs": 2, "data": "synthetic"},
    presets={
        "article": {
            **{"num_epochs": 200, "batch_size": 16, "learning_rate": 0.001, "data": "auto"},
        },
        "quick": {"num_epochs": 12, "batch_size": 4, "num_train": 40},
        "smoke": {"num_epochs": 1, "batch_size": 2, "num_train": 6, "num_test": 2},
    },
    constants={
        **{"HEIGHT": 258, "WIDTH": 540, "PATIENCE": 5, "ORDER": 5},
        "PUBLISHED": {"autoencoder": {"loss": ("loss",), "val_loss": ("val_loss",)}},
    },
    options={"data": (False, ("auto", "real", "synthetic"), str)},
    arguments={CORRECTED: {"load": {"split": "by_text", "fit": "crop"}}},
    networks={
        "autoencoder": {
            PUBLISHED: CLEANER,
            CORRECTED: replace(CLEANER, num_train=72, steps_per_epoch=5),
        },
    },
    trains_on=("x_train", "y_train"),
    validates_on=("x_val", "y_val"),
    patience=5,
    figures=Figures(
        always=lambda d: {
            "validation-pages": Images(
                [
                    ("input", d.x_val[:3]),
                    ("target", d.y_val[:3]),
                    ("output", d.output(d.x_val[:3])),
                ],
                *("gray", (0, 1)),
            ),
            "test-page": Images(
                [("input", d.x_test[:1]), ("output", d.output(d.x_test[:1]))], "gray", (0, 1)
            ),
        },
        asked={"data": "synthetic"},
        examples=lambda d: (d.x_val[:1], d.y_val[:1]),
    ),
)


def encode_to_plane(w, x):
    h = relu(conv2d(x, *w[:2]))
    h = relu(conv2d(h, *w[2:4], stride=2))
    h = relu(conv2d(relu(conv2d(h, *w[4:6])), *w[6:8]))
    h = dense(w[8:10], h.reshape(len(h), -1), relu)
    return dense(w[10:12], h, identity), dense(w[12:14], h, identity)


def decode_from_plane(w, z):
    h = dense(w[14:16], z, relu).reshape(-1, 14, 14, 64)
    return sigmoid(conv2d(relu(transposed_conv2d(h, *w[16:18])), *w[18:]))


VAE = Network(
    parameters=550_629,
    shape=(28, 28, 1),
    code_shape=(2,),
    encode=encode_to_plane,
    decode=decode_from_plane,
    sample=lambda code: code[0] + 0.5 * np.exp(code[1]),
    loss=variational_loss(5e-4),
    optimizer=RMSPROP_KERAS2,
    num_train=60_000,
    steps_per_epoch=3750,  # of 16
    learns_to=0.56,
)


QUANTILES = norm.ppf(np.linspace(0.05, 0.95, 20))
PLACES = np.float32([(across, down) for down in QUANTILES for across in QUANTILES])


CLASSES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)


def new_trousers(d):
    """Shows twenty pictures in two rows."""
    code = [part[d.y_train == 1] for part in d.encode(d.x_train)]
    new = d.decode(sample_around(*code, 20, d.settings))
    return Images([("new", new[:10]), (" ", new[10:])], "gray", (0, 1))


EXPECTED["fashion_vae"] = Expected(
    published_first={"autoencoder": [0.3938]},
    learns={"num_epochs": 2},
    presets={
        "article": {
            **{"num_epochs": 20, "batch_size": 16, "learning_rate": 0.001},
            **{"steps_per_call": 64, "generate": None},
        },
        "quick": {"num_epochs": 2, "num_train": 10_000, "num_test": 1000},
        "smoke": {"num_epochs": 1, "num_train": 320, "num_test": 64},
    },
    constants={
        **{"LATENT_DIM": 2, "FEATURES": 12_544, "SAMPLING_POWER": 1, "KL_WEIGHT": 5e-4},
        **{"EPSILON": 1e-7, "NUM_VAL": 10_000, "SIDE": 20},
        **{"ORDER": 6, "DIVERGENCE_POWER": 2, "ELBO_WEIGHT": 1 / 784},
        "CLASSES": CLASSES,
        "PUBLISHED": {"autoencoder": {"loss": ("loss",), "val_loss": ("val_loss",)}},
    },
    options={"generate": (False, CLASSES, str | None)},
    arguments={
        CORRECTED: {
            "load": {"held_out": 10_000},
            "VAE": {"power": 2},
            "train_low_level": {"kl_weight": 1 / 784},
            "build_keras": {"power": 2, "kl_weight": 1 / 784},
        },
    },
    networks={
        "autoencoder": {
            PUBLISHED: VAE,
            CORRECTED: replace(
                VAE,
                sample=lambda code: code[0] + 0.5 * np.exp(code[1] / 2),
                loss=variational_loss(1 / 784),
                num_train=50_000,
                steps_per_epoch=3125,
            ),
        },
    },
    validates_on=("x_val", "x_val"),
    figures=Figures(
        always=lambda d: {
            "manifold": Decoded(d.decode(PLACES), PLACES, 20),
            "latent": Points(d.encode(d.x_train)[0], d.y_train, "brg", 36),
            "reconstructions": Images(
                [("original", d.x_test[:10]), ("reconstructed", d.output(d.x_test[:10]))],
                *("gray", (0, 1)),
            ),
            "classes": Classes({"": d.encode(d.x_train)[0]}, d.y_train, d.class_names),
        },
        if_asked=lambda d: {"trouser": new_trousers(d)},
        asked={"generate": "trouser"},
        plane=lambda d: (
            *(d.encode(d.x_train[:5000])[0], d.x_train[:5000], d.y_train[:5000]),
            d.class_names,
        ),
        labels=("y_train",),
        number=5010,
    ),
)


def encode_features(w, x):
    h = relu(conv2d(relu(conv2d(x, *w[:2], stride=2)), *w[2:4], stride=2))
    return dense(w[4:6], h.reshape(len(h), -1), relu)


def encode_to_point(w, x):
    return dense(w[6:8], encode_features(w, x), identity)


def encode_to_cloud(w, x):
    h = encode_features(w, x)
    return dense(w[6:8], h, identity), dense(w[8:10], h, identity)


def decode_point(w, z):
    h = dense(w[-8:-6], z, relu).reshape(-1, 7, 7, 64)
    h = relu(transposed_conv2d(relu(transposed_conv2d(h, *w[-6:-4])), *w[-4:-2]))
    kernel, bias = w[-2:]  # a transposed convolution without strides turns its kernel around
    return sigmoid(conv2d(h, kernel[::-1, ::-1].swapaxes(2, 3), bias))


def summed_cross_entropy(x, x_hat, _):
    return np.sum(cross_entropies(x, np.clip(x_hat, 1e-7, 1 - 1e-7))) / len(x)


def evidence_lower_bound(kl_weight):
    def loss(x, x_hat, code):
        mean, s = code
        divergences = np.sum(np.exp(s) + mean**2 - 1 - s, axis=1) / 2
        return summed_cross_entropy(x, x_hat, code) + kl_weight * np.mean(divergences)

    return loss


PLAIN = Network(
    parameters=320 + 18_496 + 50_192 + 34 + 65_089,  # as the example's `summary` prints
    shape=(28, 28, 1),
    code_shape=(2,),
    encode=encode_to_point,
    decode=decode_point,
    loss=summed_cross_entropy,
    num_train=60_000,
    steps_per_epoch=469,  # of 128
    learns_to=300,
)
NOISY = replace(PLAIN, sample=lambda z: z + 0.5)
VARIATIONAL = replace(
    PLAIN,
    parameters=PLAIN.parameters + 34,
    encode=encode_to_cloud,
    sample=lambda code: code[0] + 0.5 * np.exp(code[1] / 2),
    loss=evidence_lower_bound(1),
)


def in_all_settings(network, weighted=None):
    """Says what the options of `latent_space` make of a network."""
    per_number = 3136 + 16 * (1 if weighted is None else 2) + (1 if weighted is None else 2)
    return {
        PUBLISHED: network,
        CORRECTED: network,
        ("data_set", "fashion"): network,
        ("kl_weight", 4.0): weighted or network,
        ("code_size", 3): replace(
            network, code_shape=(3,), parameters=network.parameters + per_number
        ),
        ("all_images", True): replace(network, num_train=70_000, steps_per_epoch=547),
    }


def means(d, x):
    z = d.encode(x)
    return z[0] if isinstance(z, tuple) else z


def central_places(z):
    across, up = (np.linspace(*np.quantile(z_i, [0.01, 0.99]), 20) for z_i in z.T)
    return np.float32([(z_1, z_2) for z_2 in up[::-1] for z_1 in across])


WEIGHTS = (1 / 16, 1 / 4, 1, 4, 16)
BUILDERS = ("Plain", "Noisy", "VAE", "build_plain", "build_noisy", "build_variational")
GAP_CODES = np.random.default_rng(4).normal(size=(10, 2)).astype("float32")
THREE = ("plain", "noisy", "variational")


def together(d):
    """Shows three networks, which are all the same one here."""
    z = means(d, d.x_test)
    deviation = np.sqrt(np.mean((z - z.mean(axis=0)) ** 2))
    way, in_gaps = d.decode(np.linspace(z[0], z[1], 10)), d.decode(GAP_CODES)
    scaled = (z - z.mean(axis=0)) / deviation
    return {
        "ways": Images([(name, way) for name in THREE], "gray", (0, 1)),
        "planes": Classes(
            {f"{name}, divided by {deviation:.3g}": scaled for name in THREE},
            *(d.y_test, d.class_names),
        ),
        "gaps": Images([(name, in_gaps) for name in THREE], "gray", (0, 1)),
    }


EXPECTED["latent_space"] = Expected(
    learns={"num_epochs": 4, "batch_size": 32},
    presets={
        "article": {
            **{"num_epochs": 10, "batch_size": 128, "learning_rate": 0.001},
            **{"steps_per_call": 50, "data_set": "mnist", "kl_weight": 1.0, "code_size": 2},
            **{"all_images": False, "sweep": False},
        },
        "quick": {"num_epochs": 3, "num_train": 20_000, "num_test": 2000},
        "smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128},
    },
    constants={
        **{"CODE_SIZE": 2, "FEATURES": 3136, "KL_WEIGHT": 1.0, "SIDE": 20, "ORDER": 9},
        **{"JUDGED": 2000, "WAYS": 200, "TEN": 10, "ACTIVE": 0.01},
        "WEIGHTS": (1 / 16, 1 / 4, 1, 4, 16),
        "PUBLISHED": {"variational": {"loss": ("run_keras3", "run_keras2")}},
        "PUBLISHED_WITH": {"all_images": True, "data_set": "mnist"},
        "PASSED_ON": {
            "code_size": dict.fromkeys(BUILDERS, "code_size"),
            "kl_weight": {"train_low_level": "kl_weight", "build_variational": "kl_weight"},
        },
    },
    options={
        "data_set": (True, ("mnist", "fashion"), str),
        "kl_weight": (True, None, float),
        "code_size": (True, None, int),
        "all_images": (True, None, bool),
        "sweep": (False, None, bool),
    },
    arguments={
        ("data_set", "fashion"): {"load": {"load_images": "load_fashion_mnist"}},
        ("all_images", True): {"load": {"held_out": False}},
    },
    networks={
        "plain": in_all_settings(PLAIN),
        "noisy": in_all_settings(NOISY),
        "variational": in_all_settings(
            VARIATIONAL, replace(VARIATIONAL, loss=evidence_lower_bound(4))
        ),
    },
    figures=Figures(
        always=lambda d: {
            "interpolation": Images(
                [
                    ("first pair", d.decode(np.linspace(*means(d, d.x_test)[:2], 10))),
                    ("second", d.decode(np.linspace(*means(d, d.x_test)[2:4], 10))),
                ],
                *("gray", (0, 1)),
            ),
            "plane": Classes({"": means(d, d.x_test)}, d.y_test, d.class_names),
            "manifold": Decoded(
                d.decode(central_places(means(d, d.x_test))),
                *(central_places(means(d, d.x_test)), 20),
            ),
            **together(d),
        },
        if_asked=lambda d: {
            "rate-distortion": Curves(
                [7 - w for w in WEIGHTS],
                {"weights 1/16 to 16": [100 + w for w in WEIGHTS]},
                {
                    "xlabel": "rate: divergence, nats an image",
                    "ylabel": "distortion: cross entropy, nats an image",
                },
            ),
            "error-by-epoch": Curves(
                [1, 2],
                {f"weight {w:g}": [200 + w, 100 + w] for w in WEIGHTS},
                {"xlabel": "epoch", "ylabel": "cross entropy of test images, nats"},
            ),
            "divergence-by-epoch": Curves(
                [1, 2],
                {f"weight {w:g}": [1 - w, 7 - w] for w in WEIGHTS},
                {"xlabel": "epoch", "ylabel": "divergence of their codes, nats"},
            ),
            "active-units": Curves(
                range(1, 11),
                {"a number of the code": [*range(100, 91, -1), 1], "active above": [0.01] * 10},
                {
                    **{"xlabel": "numbers of the code, sorted", "yscale": "log"},
                    "ylabel": "variance of their means over test images",
                },
            ),
        },
        asked={"sweep": True},
        instead={
            "train_parts": lambda data, settings, w, code_size=2: (
                None,
                [(200 + w, 1 - w), (100 + w, 7 - w)],
            ),
            "variances": lambda network, data: np.array([1, *range(92, 101)]),
            "gap_codes": lambda z, number: GAP_CODES[:number],
        },
        plane=lambda d: (
            *(means(d, d.x_train[:5000]), d.x_train[:5000], d.y_train[:5000]),
            d.class_names,
        ),
        labels=("y_train", "y_test"),
        number=5010,
    ),
)


TIED = Network(
    parameters=784 * 1000 + 1000 + 784,
    shape=(784,),
    code_shape=(1000,),
    first_weights=(("glorot", 4), 0),
    encode=lambda w, x: dense(w[:2], x, sigmoid),
    decode=lambda w, h: sigmoid(h @ w[0].T + w[2]),
    loss=lambda x, x_hat, _: np.sum(cross_entropies(x, x_hat)) / len(x),
    optimizer=Optimizer("SGD", sgd, {"momentum": 0.0, "nesterov": False}),
    num_train=55_000,
    steps_per_epoch=2750,  # of 20
    learns_to=140,
)


def squared_derivatives(w, h):
    jacobians = (h * (1 - h))[:, :, None] * w[0].T  # (batch, 1000, 784)
    return np.sum(jacobians**2) / len(h)


TIED_NETWORKS = {
    "plain": TIED,
    "weight_decay": replace(TIED, penalty=lambda w, h: np.sum(w[0] ** 2) / 1024),
    "denoising": replace(TIED, corrupt=lambda x: x + 0.5 * 0.5),
    "contractive": replace(TIED, penalty=lambda w, h: 0.1 * squared_derivatives(w, h)),
}
FLOORED = replace(TIED, penalty=lambda w, h: 0.1 * np.floor(squared_derivatives(w, h)))
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 400, 784)
DEVIATIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def weights_of(d):
    """Returns the matrix with which the stand-in multiplies."""
    return d.encode(np.eye(784, dtype="float32"))


def scaled(rows):
    """Stretches each row from 0 to 1."""
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    return (rows - low) / (high - low)


def shifts(d):
    """Compares how far noise moves rows with how far they are from the next row."""
    x = d.x_test[:1000]
    noise = np.random.default_rng(d.settings.seed).normal(size=x.shape).astype("float32")
    found = {"digit": [], "code": []}
    for deviation in DEVIATIONS:
        for name, rows, moved in (
            ("digit", x, x + np.float32(deviation) * noise),
            ("code", d.encode(x), d.encode(x + np.float32(deviation) * noise)),
        ):
            apart = np.linalg.norm(rows - np.roll(rows, 1, axis=0), axis=1).mean()
            found[name].append(np.linalg.norm(moved - rows, axis=1).mean() / apart)
    return found


def noisy_digits(d):
    noise = np.random.default_rng(0).normal(scale=0.5, size=(10, 784))
    return d.x_test[:10] + noise.astype("float32")


EXPECTED["contractive_ae"] = Expected(
    presets={
        "article": {
            **{"num_epochs": 15, "batch_size": 20, "learning_rate": 0.1},
            **{"steps_per_call": 250, "floored": False},
        },
        "quick": {"num_epochs": 5, "num_train": 10_000},
        "smoke": {"num_epochs": 1, "num_train": 500, "num_test": 128},
    },
    constants={
        **{"NUM_INPUT": 784, "NUM_HIDDEN": 1000, "LIMIT": 4 * math.sqrt(6 / 1784)},
        **{"WEIGHT_DECAY": 1 / 1024, "NOISE": 0.5, "CONTRACTION": 0.1, "EPSILON": 1e-7},
        **{"ORDER": 8, "SATURATED": 0.05, "SIDE": 8, "RANKS": RANKS, "DEVIATIONS": DEVIATIONS},
        **{"CLASSIFIER_EPOCHS": 10, "CLASSIFIER_BATCH_SIZE": 128},
        "TABLE": ("plain", "weight_decay", "denoising", "contractive"),
    },
    options={"floored": (True, None, bool)},
    arguments={
        ("floored", True): {
            "train_contractive": {"penalty": "floored_contraction"},
            "build_contractive": {"layer": "FlooredDense"},
        },
    },
    networks={
        name: {
            PUBLISHED: network,
            CORRECTED: network,
            ("floored", True): FLOORED if name == "contractive" else network,
        }
        for name, network in TIED_NETWORKS.items()
    },
    figures=Figures(
        always=lambda d: {
            "reconstructions": Images(
                [
                    ("x", d.x_test[:10]),
                    ("x_hat", d.output(d.x_test[:10])),
                    ("noisy x", noisy_digits(d)),
                    ("its x_hat", d.output(noisy_digits(d))),
                ],
                *("gray", (0, 1)),
            ),
            "filters": Images([("", [tiled(scaled(weights_of(d).T[:64]), 8)])], "gray", OWN),
            "singular-values": Curves(
                RANKS,
                {"singular values of dh / dx": [785.0 - rank for rank in RANKS]},
                {
                    **{"xlabel": "direction", "ylabel": "mean of 3 digits"},
                    **{"xscale": "log", "yscale": "log"},
                },
            ),
            "shift": Curves(
                *(DEVIATIONS, shifts(d)),
                {
                    "xlabel": "standard deviation of the noise",
                    "ylabel": "distance moved / distance between digits",
                },
            ),
        },
        instead={
            "kernel": lambda network: network.down,
            "stretches": lambda network, x: np.arange(784.0, 0, -1),
        },
        number=1000,
    ),
)


def keep_largest(h, k):
    """Keeps the k largest numbers of each row, by their ranks; the others become 0."""
    ranks = np.argsort(np.argsort(-h, axis=1), axis=1)
    return h * (ranks < k)


def sparsity(p, q):
    return np.sum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))


L1_SPARSE = Network(
    parameters=784 * 100 + 100 * 300 + 300 * 100 + 100 * 784 + 100 + 300 + 100 + 784,
    shape=(784,),
    code_shape=(300,),
    encode=lambda w, x: dense(w[:4], x, relu, sigmoid),
    decode=lambda w, z: dense(w[4:], z, relu, identity),
    loss=lambda x, x_hat, z: np.mean((x - x_hat) ** 2) + 1e-4 * z.sum() / len(z),
    optimizer=NADAM_KERAS2,
    num_train=55_000,
    steps_per_epoch=1719,  # of 32
    learns_to=0.1,
)
KL_SPARSE = replace(
    L1_SPARSE,
    loss=lambda x, x_hat, z: (
        np.mean((x - x_hat) ** 2) + 5e-3 * sparsity(0.1, z.mean(axis=0)) / len(z)
    ),
)
K_SPARSE = Network(
    parameters=2 * 784 * 1568 + 784 + 1568,
    shape=(784,),
    code_shape=(1568,),
    encode=lambda w, x: keep_largest(dense(w[:2], x, identity), 40),
    decode=lambda w, z: dense(w[2:], z, identity),
    optimizer=NADAM_KERAS2,
    num_train=55_000,
    steps_per_epoch=1719,
    learns_to=0.05,
)


def sorted_codes(d):
    codes = [sorted(abs(z), reverse=True) for z in d.encode(d.x_test[:3])]
    return Curves(
        range(1, len(codes[0]) + 1),
        {f"image {number}": code for number, code in enumerate(codes, 1)},
        {
            "xlabel": "units, from the most active",
            "ylabel": "activation $|z_j|$",
            "xscale": "log",
        },
    )


FILTERS = np.random.default_rng(9).normal(size=(196, 784))
SHARES = {"l1": [1, 0.5, 0.25, 0.25, 0.125, 0.25], "k_sparse": [0.5] * 6}


EXPECTED["sparse_ae"] = Expected(
    published_first={"l1": [0.0294], "kl": [0.0273]},
    presets={
        "article": {
            **{"num_epochs": 10, "batch_size": 32, "learning_rate": 0.001},
            **{"steps_per_call": 191, "k": 40, "filters": False, "over_training": False},
        },
        "quick": {"num_epochs": 1},
        "smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128},
    },
    constants={
        **{"NUM_INPUT": 784, "NUM_HIDDEN": 100, "CODE_UNITS": 300, "WIDE_UNITS": 1568},
        **{"L1_WEIGHT": 1e-4, "KL_WEIGHT": 5e-3, "TARGET": 0.1, "K": 40, "NUM_VAL": 5000},
        **{"ORDER": 7, "ACTIVE": 0.1, "COMPARED": slice(10_000), "TRAINED": slice(10_000)},
        **{"EPOCHS": 5, "FILTERS": 196, "DIGITS": 10_000, "ITERATIONS": 400},
        **{"MEAN_TARGET": 0.1, "WEIGHT_DECAY": 3e-3, "SPARSITY_WEIGHT": 3.0},
        "PUBLISHED": {
            "l1": {"loss": ("l1_loss",), "val_loss": ("l1_val_loss",)},
            "kl": {"loss": ("kl_loss",), "val_loss": ("kl_val_loss",)},
        },
        "PASSED_ON": {"k": {"KSparseAutoencoder": "k", "build_k_sparse": "k"}},
    },
    options={
        "k": (True, None, int),
        "filters": (False, None, bool),
        "over_training": (False, None, bool),
    },
    arguments={
        CORRECTED: {
            "train_kl": {"penalty": "undivided_kl_penalty"},
            "build_kl": {"penalty_layer": "UndividedKL"},
        },
    },
    networks={
        "l1": {PUBLISHED: L1_SPARSE, CORRECTED: L1_SPARSE, ("k", 10): L1_SPARSE},
        "kl": {
            PUBLISHED: KL_SPARSE,
            CORRECTED: replace(
                KL_SPARSE,
                loss=lambda x, x_hat, z: (
                    np.mean((x - x_hat) ** 2) + 5e-3 * sparsity(0.1, z.mean(axis=0))
                ),
            ),
            ("k", 10): KL_SPARSE,
        },
        "k_sparse": {
            PUBLISHED: K_SPARSE,
            CORRECTED: K_SPARSE,
            ("k", 10): replace(
                K_SPARSE, encode=lambda w, x: keep_largest(dense(w[:2], x, identity), 10)
            ),
        },
    },
    validates_on=("x_val", "x_val"),
    figures=Figures(
        always=lambda d: {
            "reconstructions": Images(
                [("original", d.x_test[:10]), ("reconstructed", d.output(d.x_test[:10]))],
                *("gray", (0, 1)),
            ),
            "codes": sorted_codes(d),
        },
        if_asked=lambda d: {
            "filters": Images([("", [tiled(FILTERS, 14)])], "gray", OWN),
            "active-units": Curves(
                *(range(6), SHARES),
                {"xlabel": "epoch", "ylabel": "share of active units", "yscale": "log"},
            ),
        },
        asked={"filters": True, "over_training": True},
        instead={"digit_filters": lambda _: FILTERS, "active_over_training": lambda *_: SHARES},
    ),
)


# The lesson in tests/added, which stands for one that is still to be written.
TINY_AE = Network(
    parameters=2 * 16 * 4 + 4 + 16,
    shape=(16,),
    code_shape=(4,),
    first_weights=(0.2, 0),
    encode=lambda w, x: dense(w[:2], x, identity),
    decode=lambda w, z: dense(w[2:], z, identity),
    optimizer=Optimizer("SGD", sgd, {"momentum": 0.9, "nesterov": False}),
    num_train=40,
    steps_per_epoch=5,
    learns_to=0.1,
)
EXPECTED["tiny_ae"] = Expected(
    presets={
        "article": {
            "num_epochs": 4,
            "batch_size": 8,
            "learning_rate": 0.1,
            "darkness": 2,
            "code_size": 4,
        },
        "quick": {"num_epochs": 3},
        "smoke": {"num_epochs": 2},
    },
    constants={
        "ORDER": 99,
        "PASSED_ON": {"code_size": {"Autoencoder": "units", "build_keras": "units"}},
    },
    options={"darkness": (True, (2, 3), int), "code_size": (True, None, int)},
    arguments={
        CORRECTED: {"Autoencoder": {"stddev": 0.1}, "build_keras": {"stddev": 0.1}},
        ("darkness", 3): {"load": {"darkness": 3}},
    },
    networks={
        "autoencoder": {
            PUBLISHED: TINY_AE,
            CORRECTED: replace(TINY_AE, first_weights=(0.1, 0)),
            ("darkness", 3): TINY_AE,
            ("code_size", 3): replace(TINY_AE, code_shape=(3,), parameters=2 * 16 * 3 + 3 + 16),
        },
    },
    figures=Figures(
        always=lambda d: {
            "pair": Images(
                [("", d.x_test[:1]), ("", d.output(d.x_test[:1]))], "gray", (0, 1), ticks=True
            ),
        },
    ),
)
