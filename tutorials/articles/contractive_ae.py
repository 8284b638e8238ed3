"""What Rifai et al. say about `contractive_ae`, what others get wrong, and how both are measured.

Rifai, Vincent, Muller, Glorot and Bengio, "Contractive Auto-Encoders: Explicit Invariance During
Feature Extraction", ICML 2011, table 1, on networks of 1000 units for MNIST:

                                  error of a classifier   norm of the Jacobian   saturated units
    contractive                          1.14 %                 0.73e-4              86.36 %
    denoising, Gaussian noise            1.18 %                 0.86e-4              17.77 %
    weight decay                         1.68 %                 5.00e-4              12.97 %
    plain                                1.78 %                 17.5e-4              49.90 %

We found the table in a thesis that copies it. The copy does not say what the norm is divided by, so
we compare ratios, nor when a unit counts as saturated.

Batches of 20, the learning rate 0.1, CONTRACTION 0.1 and the first weights are the defaults of a
module by two of the authors (`cae.py`, Dauphin and Rifai, 2012), whose gradient of the penalty
lacks a factor of 2. 15 epochs come from `dA.py` of lisa-lab/DeepLearningTutorials. NOISE 0.5 is
that of Vincent et al. (JMLR 11, 2010) for natural images. After five epochs on 10,000 digits, more
noise gave fewer errors of a classifier, from 0.2 to 0.7. WEIGHT_DECAY is ours: we extrapolated it
from 1e-4 and 3e-4, on the 5,000 digits that the lesson does not use, to reconstruct as well as the
contractive network. It came within 13 %.
"""

import functools
import itertools
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from ae import equations, figures
from ae.lesson import OWN_IMAGES, Claim, Erratum, Exercise, Option, Settings, Step
from ae.lessons import load
from ae.networks import Network, codec, style_of
from ae.proof import judges
from ae.proof.digits import BASIC_CLAIMS, test_error
from ae.proof.judges import Hashable
from ae.runs import saved
from ae.training.minibatches import Shuffled, dataset
from ae.training.run import Run
from tutorials.contractive_ae import CONTRACTION, NUM_HIDDEN, ContractiveDense, contraction

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.initializers import GlorotUniform

ORDER = 8
LINK = "https://mlanthology.org/icml/2011/rifai2011icml-contractive/"
TABLE = ("plain", "weight_decay", "denoising", "contractive")  # from the last row to the first
OPTIONS = {
    "images": OWN_IMAGES,
    "floored": Option(False, "round the contractive penalty down to a whole number", True),
}
PRESETS = {
    "quick": {"num_epochs": 5, "num_train": 10_000},
    "smoke": {"num_epochs": 1, "num_train": 500, "num_test": 128},
}
CAPTIONS = {
    "reconstructions": "Ten test digits over what the network makes of them, and the same digits "
    "with noise over what it makes of those. Look for how much of the noise it repeats.",
    "filters": "The weights of 64 units as pictures: a unit adds the pixels where its picture is "
    "bright and subtracts those where it is dark. Each is scaled from black to white by itself.",
    "singular-values": "How much the code stretches small changes of a digit, from the direction "
    "that it stretches most to the one that it stretches least. Look for how soon the curve falls.",
    "shift": "How far noise moves a digit, and how far it moves the digit's code. The lower the "
    "code's curve, the less the code minds noise.",
}

SATURATED = 0.05  # how near to 0 or 1 a number of the code is that we call saturated
CLASSIFIER_EPOCHS, CLASSIFIER_BATCH_SIZE = 10, 128
SIDE = 8  # pictures of weights across and down
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 400, 784)  # of the singular values that the figure shows
DEVIATIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the noise in the figure


# The penalty of the tutorial


def floored_contraction(h, W):
    """Rounds the mean of the sums down, as an integer division does, and weighs it then."""
    return CONTRACTION * tf.floor(contraction(h, W) / CONTRACTION)


@keras.saving.register_keras_serializable(package="contractive_ae")
class FlooredDense(ContractiveDense):
    """Adds that penalty."""

    penalty = staticmethod(floored_contraction)


ARGUMENTS = {
    ("floored", True): {
        "train_contractive": {"penalty": floored_contraction},
        "build_contractive": {"layer": FlooredDense},
    },
}


# Measures


def kernel(network: Network) -> np.ndarray:
    """Returns W (784, 1000)."""
    return network.weights[0].numpy()


def jacobian_norm(network: Network, data: Any, settings: Settings) -> float:
    """Averages the Frobenius norm of the code's Jacobian over the test digits."""
    h = codec(network).encode(data.x_test)
    return float(np.mean(np.sqrt((h * (1 - h)) ** 2 @ np.sum(kernel(network) ** 2, axis=0))))


def saturated(network: Network, data: Any, settings: Settings) -> float:
    """Returns the share of the codes' numbers that are below 0.05 or above 0.95."""
    h = codec(network).encode(data.x_test)
    return float(np.mean((h < SATURATED) | (h > 1 - SATURATED)))


def classifier_error(network: Network, data: Any, settings: Settings) -> float:
    """Trains a classifier that starts from the encoder; returns its share of wrong test digits.

    The classifier is 784-1000-10, and all of it is trained, as in the paper. The paper chooses
    learning rates and the number of epochs on validation digits. We take Adam and ten epochs.
    """
    return _classifier_error(network, Hashable(*data[:4]))


@functools.lru_cache(maxsize=8)  # a run compares four networks in two styles
def _classifier_error(network: Network, examples: Hashable) -> float:
    x_train, y_train, x_test, y_test = examples.arrays
    hidden = layers.Dense(NUM_HIDDEN, "sigmoid")
    scores = layers.Dense(10, "softmax", kernel_initializer=GlorotUniform(1))
    x = keras.Input(x_train.shape[1:])
    classifier = keras.Model(x, scores(hidden(x)))
    hidden.set_weights([w.numpy() for w in network.weights[:2]])
    classifier.compile("adam", "sparse_categorical_crossentropy")
    order = Shuffled(len(x_train), CLASSIFIER_BATCH_SIZE, seed=0)
    batches = dataset(order, x_train, y_train)
    judges.fit(classifier, batches, order.steps_per_epoch, CLASSIFIER_EPOCHS)
    labels = classifier.predict(x_test, batch_size=500, verbose=0).argmax(axis=-1)
    return float(np.mean(labels != y_test))


def twin(name: str, network: Network, data: Any, settings: Settings) -> Network:
    """Trains the network of this name in the style of `network`, from the same first weights."""
    return _twin(name, style_of(network), Hashable(data.x_train), settings)


@functools.lru_cache(maxsize=6)  # a run needs three in two styles
def _twin(name: str, style: str, digits: Hashable, settings: Settings) -> Network:
    lesson = load("contractive_ae")
    network = saved.build(lesson, name, style, settings)
    run = Run(f"claims: {name}", settings.num_epochs, settings.steps_per_call)
    (x_train,) = digits.arrays
    lesson.networks[name][style].train(network, SimpleNamespace(x_train=x_train), settings, run)
    return network


def beside(name: str, measure: Callable, network: Network, data: Any, settings: Settings) -> float:
    """Divides what is measured of a network by what is measured of its twin."""
    other = twin(name, network, data, settings)
    return measure(network, data, settings) / measure(other, data, settings)


def distance_from_plain(network: Network, data: Any, settings: Settings) -> float:
    """Divides |W - W_plain| by |W_plain|, where W_plain is trained without a penalty."""
    plain = kernel(twin("plain", network, data, settings))
    return float(np.linalg.norm(kernel(network) - plain) / np.linalg.norm(plain))


# Figures


def stretches(network: Network, x: np.ndarray) -> np.ndarray:
    """Averages the singular values (784,) of the code's Jacobian over digits, largest first."""
    h, W = codec(network).encode(x).astype("float64"), kernel(network)
    found = []
    for slopes in h * (1 - h):
        jacobian = W * slopes  # (784, 1000), transposed
        squares = np.linalg.eigvalsh(jacobian @ jacobian.T)[::-1]  # much faster than `svd`
        found.append(np.sqrt(np.maximum(squares, 0)))
    return np.mean(found, axis=0)


def shift(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Divides how far noise moves rows by how far a row is from the next one, both on average."""
    moved, apart = clean - noisy, clean - np.roll(clean, 1, axis=0)
    return np.linalg.norm(moved, axis=1).mean() / np.linalg.norm(apart, axis=1).mean()


def draw(network, data, settings, report):
    """Draws weights, singular values of the Jacobian, and how far noise moves codes."""
    weights = kernel(network)[:, : SIDE**2]
    scaled = (weights - weights.min(axis=0)) / np.ptp(weights, axis=0)
    filters = figures.manifold(scaled.T.reshape(-1, 28, 28), SIDE)
    report.figure("filters", filters, CAPTIONS["filters"])

    values = stretches(network, data.x_test[:3])[np.array(RANKS) - 1]
    labels = {
        "xlabel": "direction",
        "ylabel": "mean of 3 digits",
        "xscale": "log",
        "yscale": "log",
        "ylim": (0.001, 10),  # one scale for all networks
    }
    drawn = figures.curves({"singular values of dh / dx": values}, RANKS, **labels)
    report.figure("singular-values", drawn, CAPTIONS["singular-values"])

    x, encode = data.x_test[:1000], codec(network).encode
    noise = np.random.default_rng(settings.seed).normal(size=x.shape).astype("float32")
    moved = {"digit": [], "code": []}
    for deviation in DEVIATIONS:
        noisy = x + np.float32(deviation) * noise
        moved["digit"].append(shift(x, noisy))
        moved["code"].append(shift(encode(x), encode(noisy)))
    labels = {
        "xlabel": "standard deviation of the noise",
        "ylabel": "distance moved / distance between digits",
        "ylim": (0, 1.5),
    }
    report.figure("shift", figures.curves(moved, DEVIATIONS, **labels), CAPTIONS["shift"])


# Claims


def of_neighbours(sentence: str, quantity: str, measure: Callable) -> list[Claim]:
    """Claims of each network of the table that its number is below that of the next row."""
    return [
        Claim(
            sentence.format(name, other),
            quantity=quantity.format(other),
            measure=partial(beside, other, measure),
            at_most=1,
            why="The table says which is below which. How far depends on unknown settings.",
            network=name,
        )
        for other, name in itertools.pairwise(TABLE)
    ]


CLAIMS = [
    *BASIC_CLAIMS[1:],  # a code of 1000 numbers does not compress a digit of 784
    *of_neighbours(
        "Rifai: The code of {} changes less with the digit than that of {}.",
        "Norm of the Jacobian, over that of {}",
        jacobian_norm,
    ),
    *of_neighbours(
        "Rifai: A classifier that starts from {} errs less than one that starts from {}.",
        "Its share of wrong test digits, over that of {}",
        classifier_error,
    ),
    Claim(
        "Rifai: Most units of contractive are saturated.",
        quantity="Share of the codes' numbers below 0.05 or above 0.95",
        measure=saturated,
        at_least=0.5,
        why="Most is more than half. The paper has 86 %; what it calls saturated we do not know.",
        network="contractive",
    ),
    *[
        Claim(
            f"Rifai: Few units of {name} are saturated.",
            quantity="Share of the codes' numbers below 0.05 or above 0.95",
            measure=saturated,
            at_most=0.5,
            why=f"Few is less than half. The paper has {percent} %.",
            network=name,
        )
        for name, percent in (("weight_decay", 13), ("denoising", 18))
    ],
    Claim(
        "Stewart: The contractive penalty is a neural form of ridge regression.",
        quantity="Norm of the Jacobian, over that of weight decay",
        measure=partial(beside, "weight_decay", jacobian_norm),
        at_least=0.8,
        why="Ridge regression decays weights. If both penalties did the same, both norms would be "
        "about equal where both networks reconstruct equally well. The bound, a fifth, is ours.",
        network="contractive",
    ),
    Claim(
        "Ours: Both reconstruct equally well.",
        quantity="Test error, over that of weight decay",
        measure=partial(beside, "weight_decay", test_error),
        at_least=0.9,
        at_most=1.1,
        why="WEIGHT_DECAY was extrapolated for this from runs on other digits. The bound is ours.",
        network="contractive",
    ),
]

# Errata

ERRATA = [
    Erratum(
        quote="self.L_jacob = T.sum(J ** 2) // self.n_batchsize",
        problem="The contractive autoencoder of the Theano tutorials (lisa-lab, cA.py, for Python "
        "3) divides as one divides whole numbers. This rounds the penalty down. A rounded number "
        "has no gradient.",
        effect="Training ignores the penalty, whatever its weight, and ends with the weights of a "
        "plain autoencoder. Earlier versions of the file divide by /, and are correct.",
        fix="Both variants divide by the size of the batch. --floored rounds down.",
        measures={
            "distance of W from that of plain, over the size of that": distance_from_plain,
            "mean norm of the code's Jacobian on test digits": jacobian_norm,
        },
        change=("floored", True),
        network="contractive",
    ),
    Erratum(
        quote="numpy.mean(c_array[0]), ' jacobian norm ', numpy.mean(numpy.sqrt(c_array[1]))",
        problem="c_array has a row for each minibatch, with its cost and its squared norm. So "
        "c_array[0] is the first minibatch and c_array[1] the second one.",
        effect="The tutorial prints the mean of the first minibatch's two numbers as the cost, and "
        "the mean of the square roots of the second one's as the norm.",
        fix="Both variants report the mean loss of all minibatches.",
    ),
    Erratum(
        quote="This can be thought of as a neural form of ridge regression.",
        problem="Ridge regression penalises the squared weights, as weight_decay does. The squared "
        "derivatives are the squared weights only if the encoder is linear. A sigmoid's derivative "
        "has the factor h (1 - h).",
        effect="The contractive penalty is also small where weights are large and units saturated. "
        "A claim measures how the two differ.",
        fix="Both variants have one network with each penalty.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer",
        low_level=("tf.random.uniform([NUM_INPUT, NUM_HIDDEN]",),
        keras=("keras.initializers.RandomUniform(",),
        equation=r"W_{ij} \sim U(-l, l), \quad l = 4 \sqrt{\frac{6}{784 + 1000}}",
    ),
    Step(
        "code",
        low_level=("x @ self.W + self.b",),
        keras=("encoder = keras.Model(x, dense(x)", 'return layer(NUM_HIDDEN, "sigmoid"'),
        equation=r"h = \mathrm{sigmoid}(x W + b)",
    ),
    Step(
        "tied weights",
        low_level=("self.c = tf.Variable(", "tf.matmul(h, self.W, transpose_b=True)"),
        keras=("self.bias = self.add_weight(", "ops.transpose(self.dense.kernel)"),
        equation=r"\hat{x} = \mathrm{sigmoid}(h W^\top + c)",
    ),
    Step(
        "noise",
        low_level=("x + NOISE * self.noise.normal(",),
        keras=("layers.GaussianNoise(noise",),
        equation=r"\tilde{x} = x + 0.5 \, \epsilon, \quad \epsilon \sim N(0, 1)",
    ),
    Step(
        "loss",
        low_level=("-x * tf.math.log(x_hat)", "tf.reduce_sum(of_pixels", "loss = cross_entropy(x"),
        keras=("autoencoder.compile(optimizer, cross_entropy",),
        equation=r"L = -\frac{1}{n} \sum_{i=1}^{n} \sum_{j=1}^{784} "
        r"(x_{ij} \log \hat{x}_{ij} + (1 - x_{ij}) \log(1 - \hat{x}_{ij})) + \Omega",
    ),
    Step(
        "weight decay",
        low_level=("return WEIGHT_DECAY * tf.reduce_sum(",),
        keras=("keras.regularizers.L2(WEIGHT_DECAY)",),
        equation=r"\Omega = 2^{-10} \sum_{i=1}^{784} \sum_{j=1}^{1000} W_{ij}^2",
    ),
    Step(
        "Jacobian penalty",
        low_level=("slopes, squares = h * (1 - h)", "return CONTRACTION * tf.reduce_mean("),
        keras=("staticmethod(contraction)", "self.add_loss(self.penalty(h, self.kernel))"),
        equation=r"\frac{\partial h_j}{\partial x_i} = h_j (1 - h_j) W_{ij}, \quad "
        r"\left\lVert \frac{\partial h}{\partial x} \right\rVert^2 "
        r"= \sum_{j=1}^{1000} (h_j (1 - h_j))^2 \sum_{i=1}^{784} W_{ij}^2, \quad "
        r"\Omega = \frac{0.1}{n} \sum_{i=1}^{n} "
        r"\left\lVert \frac{\partial h}{\partial x} \right\rVert_{x = x_i}^2",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()",),
        keras=("autoencoder.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("optimizer = keras.optimizers.SGD(", "optimizer.apply("),
        keras=("optimizer = keras.optimizers.SGD(", "autoencoder.fit("),
        equation=r"w \leftarrow w - \mathrm{lr} \, g",
    ),
    Step(
        "loop",
        low_level=(
            "= minibatches(data, settings)",
            "for i in tf.range(",
            "in run.epochs(",
            "in run.chunks(",
        ),
        keras=("run.dataset(minibatches(", "epochs=settings.num_epochs"),
    ),
]
DIFFERS = {
    "network": "Encoder and decoder share one matrix. The low-level network owns it as `W`, and "
    "both methods read it. In Keras a layer owns its weights: the encoder's `Dense` has the "
    "matrix, and `TransposedDense` holds that layer and reads its kernel. The rest is for saving: "
    "without `TiedAutoencoder`, a loaded model would have two matrices.",
    "training": "The low-level step shows noise and penalty: it encodes `network.corrupt(x)`, and "
    "adds `penalty(h, network.W)` to the loss. In Keras both belong to layers, and `fit` collects "
    "them. There are three ways: `GaussianNoise` works in training only, the `L2` of a kernel is "
    "added by its layer, and `ContractiveDense` calls `add_loss`. `compile` names only the cross "
    "entropy, but the printed loss has the penalty.",
}
EXERCISES = [
    Exercise(
        task="Round the contractive penalty down to a whole number, as a tutorial does by mistake. "
        "Predict the norm of the code's Jacobian, which the penalty should keep small.",
        options=("--floored",),
        answer="The mean norm on test digits grows from {before:.1f} to {after:.1f}, which is that "
        "of the plain network. A rounded number stays the same when a weight changes a little, so "
        "its gradient is 0. The loss still prints a penalty, but no update makes it smaller.",
        measure=jacobian_norm,
        network="contractive",
    ),
    Exercise(
        task="Take minibatches of 200 digits in place of 20. Their gradients have less noise. "
        "Predict whether this makes the loss of `plain` smaller or larger after five epochs.",
        options=("--batch-size", "200"),
        answer="It is larger: {after:.1f} in place of {before:.1f}. Five epochs have 250 updates "
        "now, and they had 2500. Each has the same learning rate, so it is not ten times as long. "
        "Less noise does not make up for that here.",
        network="plain",
    ),
    Exercise(
        task="The loss of `denoising` has no penalty. Does training still make its code less "
        "sensitive to small changes? Train for one epoch in place of five. Predict both norms of "
        "the Jacobian: before training, it is 23.8.",
        options=("--epochs", "1"),
        answer="Yes. The norm is {after:.1f} after one epoch and {before:.1f} after five. The "
        "network must make the same clean digit of many noisy ones. That is easier with a code "
        "that hardly changes with the noise, so noise contracts too.",
        measure=jacobian_norm,
        network="denoising",
    ),
]
