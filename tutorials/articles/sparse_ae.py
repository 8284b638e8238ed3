"""What the book and the article of `sparse_ae` say, what they get wrong, how it is measured.

The book is A. Géron's "Hands-On Machine Learning with Scikit-Learn, Keras, and TensorFlow", 3rd
edition. Its notebook of chapter 17 printed the published losses with the seed 42 and TensorFlow 2.8
or later, whose Keras is 2. The article is Matthew Stewart's "Comprehensive Introduction to
Autoencoders". It has a paragraph about sparse autoencoders, and no code.
"""

import functools
import itertools

from ae import datasets, equations, figures
from ae.lesson import OWN_IMAGES, Claim, Erratum, Exercise, Option, Step
from ae.metrics import rmse
from ae.networks import codec
from ae.proof import judges
from ae.runs.records import trained
from ae.training import interrupts
from ae.training.minibatches import Shuffled, dataset, gathered
from ae.training.optimizers import NadamKeras2
from tutorials.sparse_ae import (
    KL,
    TARGET,
    WIDE_UNITS,
    K,
    build_k_sparse,
    build_kl,
    build_l1,
    kl_penalty,
)

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.optimize import minimize

ORDER = 7
LINK = (
    "https://github.com/ageron/handson-ml3/blob/"
    "main/17_autoencoders_gans_and_diffusion_models.ipynb"
)
OPTIONS = {
    "images": OWN_IMAGES,
    "k": Option(K, "numbers of a code that k_sparse keeps", True, bounds=(1, WIDE_UNITS)),
    "filters": Option(False, "draw what 196 sparse units learn of digits; minutes", False),
    "over_training": Option(False, "draw how many units are active over five epochs", False),
}
PRESETS = {
    "quick": {"num_epochs": 1},
    "smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128},
}
CAPTIONS = {
    "reconstructions": "Ten test images over what the network makes of them.",
    "codes": "The codes of the first three test images, each sorted from its largest number. "
    "Look for how soon a curve falls to 0: the units right of there are not active.",
    "filters": "For each of 196 units, the digit of length 1 that activates it most. Look for "
    "strokes: each unit answers to one.",
    "active-units": "Which share of a code is active, epoch by epoch, while five networks "
    "are trained on 10,000 images.",
}
FIGURES_BY = {"article": ("reconstructions",)}
PUBLISHED = {
    network: {loss: (f"{network}_{loss}",) for loss in ("loss", "val_loss")}
    for network in ("l1", "kl")
}

ACTIVE = 0.1  # of a code's largest number: what an active one exceeds
COMPARED = slice(10_000)  # training images, as many as test images, whose error is compared
TRAINED, EPOCHS = slice(10_000), 5  # images and epochs of the figure of active units
# UFLDL, the tutorial of Ng and others, exercise "Vectorization": the first 10,000 digits of MNIST
FILTERS, DIGITS, ITERATIONS = 196, 10_000, 400
MEAN_TARGET, WEIGHT_DECAY, SPARSITY_WEIGHT = 0.1, 3e-3, 3.0  # its rho, lambda and beta

# The corrected variant


def undivided_kl_penalty(z):
    """Takes the penalty without its second division by the size of the batch."""
    return kl_penalty(z) * tf.cast(tf.shape(gathered(z))[0], z.dtype)


@keras.saving.register_keras_serializable(package="sparse_ae")
class UndividedKL(KL):
    """Adds that penalty."""

    penalty = staticmethod(undivided_kl_penalty)


ARGUMENTS = {
    ("variant", "corrected"): {
        "train_kl": {"penalty": undivided_kl_penalty},
        "build_kl": {"penalty_layer": UndividedKL},
    },
}
PASSED_ON = {"k": {"KSparseAutoencoder": "k", "build_k_sparse": "k"}}


# The same networks without a penalty or a limit


def free():
    """Builds l1 and kl without their penalties."""
    return build_l1(layers.Identity)


def wide():
    """Builds the same network with a code of 1568 numbers."""
    return build_l1(layers.Identity, WIDE_UNITS)


def unlimited():
    """Builds k_sparse so that it keeps all 1568 numbers of a code."""
    return build_k_sparse(WIDE_UNITS)


def without(network, data, settings):
    """Trains the network's own counterpart, which its code tells."""
    units = codec(network).encode(data.x_test[:1]).shape[1]
    return train_without(unlimited if units == WIDE_UNITS else free, data, settings)


def train_without(build, data, settings):
    """Trains such a network as the lesson trains its own; equal data train it once."""
    return _train_without(build, judges.Hashable(data.x_train), settings)


@functools.lru_cache(maxsize=3)
def _train_without(build, images, settings):
    (x,) = images.arrays
    network, order = compiled(build, settings), Shuffled(len(x), settings.batch_size, settings.seed)
    judges.fit(network, dataset(order, x), order.steps_per_epoch, settings.num_epochs)
    return network


def compiled(build, settings):
    """Builds a network from the run's seed and compiles it as the lesson does."""
    keras.utils.set_random_seed(settings.seed)
    network = build()
    optimizer = NadamKeras2(settings.learning_rate)
    network.compile(optimizer, "mse", jit_compile=settings.jit_compile)
    return network


# More figures


def appendix(data, settings, report):
    """Draws filters of digits and the share of active units, if the options ask for them."""
    if settings.filters:
        tiles = digit_filters(settings).reshape(-1, 28, 28)
        report.figure(
            "filters",
            figures.manifold(tiles, round(len(tiles) ** 0.5)),
            CAPTIONS["filters"],
            f"784-196-784, {ITERATIONS} iterations of L-BFGS",
        )
    if settings.over_training:
        lines = active_over_training(data, settings)
        labels = {"xlabel": "epoch", "ylabel": "share of active units", "yscale": "log"}
        report.figure(
            "active-units",
            figures.curves(lines, range(EPOCHS + 1), **labels),
            CAPTIONS["active-units"],
            trained("five networks", "keras", EPOCHS),
        )


def active_over_training(data, settings):
    """Trains five networks on 10,000 images; returns their shares of active units, from epoch 0."""
    builders = {
        "300 units": free,
        "1568 units": wide,
        "l1": build_l1,
        "kl": build_kl,
        "k_sparse": functools.partial(build_k_sparse, settings.k),
    }
    x, lines = data.x_train[TRAINED], {}
    order = Shuffled(len(x), settings.batch_size, settings.seed)
    for name, build in builders.items():
        network = compiled(build, settings)
        lines[name] = [active(network, data, settings)]
        for epoch in range(EPOCHS):
            batches = dataset(order, x, epochs=functools.partial(itertools.count, epoch))
            judges.fit(network, batches, order.steps_per_epoch)
            lines[name].append(active(network, data, settings))
    return lines


def digit_filters(settings):
    """Learns filters (196, 784) as UFLDL does; scales each by its largest number.

    The network is 784-196-784, both layers sigmoids. A filter is the weights of a unit: no other
    image of their length activates it as much. L-BFGS takes all digits at once.
    """
    number = min(DIGITS, settings.num_train or DIGITS)
    digits = datasets.nhwc(datasets.load_mnist().x_train[:number]).reshape(number, -1)
    kernel = train_filters(digits, FILTERS, ITERATIONS, settings.seed)
    return (kernel / np.abs(kernel).max(axis=0)).T


@interrupts.postponed()
def train_filters(x, units, iterations, seed):
    """Minimizes `sparse_cost` with L-BFGS; returns the encoder's kernel (pixels, units)."""
    pixels = x.shape[1]
    limit = np.sqrt(6 / (pixels + units + 1))
    kernels = np.random.default_rng(seed).uniform(-limit, limit, 2 * pixels * units)
    start = np.concatenate([kernels, np.zeros(units + pixels)])
    images = tf.constant(x)

    @tf.function
    def value_and_gradient(parameters):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            cost = sparse_cost(images, parameters, units)
        return cost, tape.gradient(cost, parameters)

    def as_float64(parameters):
        interrupts.deliver()
        found = value_and_gradient(tf.constant(parameters, images.dtype))
        return [part.numpy().astype("float64") for part in found]

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 0, "gtol": 0}
    found = minimize(as_float64, start, method="L-BFGS-B", jac=True, options=options)
    return found.x[: pixels * units].reshape(pixels, units)


def sparse_cost(x, parameters, units):
    """Computes half the squared error of an image, plus weight decay and divergences of the means.

    The parameters are W1 (pixels, units), W2 (units, pixels), b1 and b2 in one row.
    """
    pixels = x.shape[1]
    W1, W2, b1, b2 = tf.split(parameters, [pixels * units, units * pixels, units, pixels])
    W1, W2 = tf.reshape(W1, [pixels, units]), tf.reshape(W2, [units, pixels])
    z = tf.nn.sigmoid(x @ W1 + b1)
    errors = tf.reduce_sum(tf.square(x - tf.nn.sigmoid(z @ W2 + b2)), axis=1)
    decay = tf.reduce_sum(tf.square(W1)) + tf.reduce_sum(tf.square(W2))
    p, q = MEAN_TARGET, tf.reduce_mean(z, axis=0)
    divergences = p * tf.math.log(p / q) + (1 - p) * tf.math.log((1 - p) / (1 - q))
    cost = tf.reduce_mean(errors) / 2 + WEIGHT_DECAY / 2 * decay
    return cost + SPARSITY_WEIGHT * tf.reduce_sum(divergences)


# Measures


def active(network, data, settings):
    """Returns the share of the numbers of a test image's code above a tenth of its largest."""
    return active_share(codec(network).encode(data.x_test))


def active_share(z):
    """Returns the share of numbers in codes (n, units) above a tenth of the largest of their code.

    It is 1 if all numbers of a code are equal, and 1 / units if all but one are 0.
    """
    size = np.abs(z)
    return float(np.mean(size > ACTIVE * size.max(axis=1, keepdims=True)))


def active_beside(network, data, settings):
    """Divides the share of active units by that of the same network without penalty or limit."""
    other = without(network, data, settings)
    return active(network, data, settings) / active(other, data, settings)


def active_of_wide(network, data, settings):
    """Returns the share of active units in a code of 1568 sigmoids without a penalty."""
    return active(train_without(wide, data, settings), data, settings)


def test_error(network, data, settings):
    """Returns the mean squared error of reconstructed test images."""
    return rmse(data.x_test, codec(network).reconstruct(data.x_test)) ** 2


def gap(network, data):
    """Divides the error on test images by that on training images."""
    x = data.x_train[COMPARED]
    return test_error(network, data, None) / rmse(x, codec(network).reconstruct(x)) ** 2


def gap_beside(network, data, settings):
    """Subtracts the gap of the same network without penalty or limit."""
    return gap(network, data) - gap(without(network, data, settings), data)


def unit_means(network, data):
    """Returns the mean of each unit (units,) over the test images."""
    return codec(network).encode(data.x_test).mean(axis=0)


def from_target(network, data, settings):
    """Returns how far the mean of all numbers in the codes is from TARGET."""
    return abs(unit_means(network, data).mean() - TARGET)


def near_target(network, data, settings):
    """Returns the share of units whose mean is within a half of TARGET."""
    return np.mean(np.abs(unit_means(network, data) - TARGET) < TARGET / 2)


def batch_ratio(network, data, settings):
    """Divides the penalty that Keras adds for 32 equal images by that for one of them.

    It is 1 if the installed Keras divides the penalty by the size of the batch, and 32 if not.
    """
    penalties = []
    for size in (1, 32):
        layer = layers.ActivityRegularization(l1=1.0)
        layer(np.ones([size, 4], "float32"))
        penalties.append(float(sum(layer.losses)))
    return penalties[1] / penalties[0]


# Claims

CLAIMS = [
    Claim(
        "Only a small fraction of the neurons fires.",
        quantity="Share of a code's numbers above a tenth of its largest",
        measure=active,
        at_most=0.2,
        why="The bound is ours: twice the tenth that the book aims at. Normal noise gives 0.76.",
    ),
    Claim(
        "Géron: The code has a sparsity of about 10 %.",
        quantity="Distance of the code's mean from 0.1",
        measure=from_target,
        at_most=0.05,
        why="The bound is ours: within a half of the target.",
        network="kl",
    ),
    Claim(
        "Ours: A penalty or a limit makes the code sparse.",
        quantity="Share of active numbers, over that of the same network without it",
        measure=active_beside,
        at_most=0.5,
        why="At a half, most of the units that would be active are not.",
    ),
    Claim(
        "Ours: A code twice as wide as the image is not sparse by itself.",
        quantity="Share of active numbers in a code of 1568 sigmoids without a penalty",
        measure=active_of_wide,
        at_least=0.5,
        why="A code is dense if most of its numbers are active.",
        of_network=False,
    ),
    Claim(
        "It is a form of regularization, to reduce the propensity to overfit.",
        quantity="Error on test over training images, less that of the network without it",
        measure=gap_beside,
        at_most=0,
        why="A network that overfits less has a test error nearer to its training error.",
    ),
    Claim(
        "Keras: The value of an activity regularizer is divided by the size of the batch.",
        quantity="Penalty of 32 equal images over that of one",
        measure=batch_ratio,
        at_most=1.01,
        why="The documentation says so. Releases of Keras 3 before 3.14 give 32.",
        of_network=False,
    ),
]

# Errata

ERRATA = [
    Erratum(
        quote="A sparse autoencoder, counterintuitively, has a larger latent dimension than the "
        "input or output dimensions",
        problem="A sparse autoencoder has a penalty or a limit that keeps most numbers of a code "
        "near zero. Its code may be larger or smaller than the input.",
        effect="Without the limit, most of the 1568 numbers are active.",
        fix="Both variants have a penalty or a limit. --k 1568 takes the limit away.",
        measures={"share of a code's numbers above a tenth of its largest": active},
        change=("k", WIDE_UNITS),
        network="k_sparse",
    ),
    Erratum(
        quote="kld_reg = KLDivergenceRegularizer(weight=5e-3, target=0.1)",
        problem="Keras divides what a regularizer of activations returns by the size of the batch. "
        "This one compares means over the batch, which the size has divided already.",
        effect="At batches of 32, the weight is 1/32 of what the code says, and another one at "
        "another size.",
        fix="The corrected variant does not divide again.",
        measures={
            "distance of the code's mean from 0.1": from_target,
            "share of units with a mean between 0.05 and 0.15": near_target,
            "share of the numbers of kl's codes above a tenth of the largest": active,
            "mean squared error on test images": test_error,
        },
        network="kl",
    ),
    Erratum(
        quote="tf.keras.layers.ActivityRegularization(l1=1e-4)",
        problem="The same line means another penalty in another Keras: Keras 2 divides it by the "
        "size of the batch, Keras 3 only from release 3.14 on.",
        effect="From Keras 3.0 to 3.13, a batch of 32 is penalised 32 times as much.",
        fix="Both variants compute the penalty themselves.",
    ),
    Erratum(
        quote='compile(loss="mse", optimizer="nadam")',
        problem="Nadam's momentum rises from 0.45 towards 0.9. In TensorFlow 2.8 it is at 0.87 "
        "after all 17,190 steps of the notebook. In Keras 3 it is there after 69.",
        effect="With the Nadam of Keras 3, the loss of the first epoch is 6 to 8 % lower.",
        fix="Both variants use the Nadam of Keras 2.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "penalty of l1",
        low_level=("return L1_WEIGHT * tf.reduce_mean(",),
        keras=("staticmethod(l1_penalty)",),
        equation=r"\Omega = \frac{10^{-4}}{n} \sum_{i=1}^{n} \sum_{j=1}^{300} \lvert z_{ij} \rvert",
    ),
    Step(
        "penalty of kl",
        low_level=("q = tf.reduce_mean(z", "p * tf.math.log(p", "return KL_WEIGHT *"),
        keras=("staticmethod(kl_penalty)",),
        equation=r"\Omega = \frac{0.005}{n} \sum_{j=1}^{300} \left( p \log \frac{p}{q_j} "
        r"+ (1 - p) \log \frac{1 - p}{1 - q_j} \right), \quad "
        r"p = 0.1, \quad q_j = \frac{1}{n} \sum_{i=1}^{n} z_{ij}",
    ),
    Step(
        "code",
        low_level=("tf.nn.sigmoid(tf.nn.relu(x @ W1",),
        keras=('layers.Dense(NUM_HIDDEN, activation="relu")(x)', "layers.Dense(code_units"),
        equation=r"z = \mathrm{sigmoid}(\mathrm{relu}(x W_1 + b_1) W_2 + b_2)",
    ),
    Step(
        "output",
        low_level=("tf.nn.relu(z @ W3",),
        keras=('layers.Dense(NUM_HIDDEN, activation="relu")(z)', "layers.Dense(NUM_INPUT)(h)"),
        equation=r"\hat{x} = \mathrm{relu}(z W_3 + b_3) W_4 + b_4",
    ),
    Step(
        "limit of k_sparse",
        low_level=("tf.math.top_k(h, k)", "tf.where(h >=", "keep_largest(x @ W1"),
        keras=("return keep_largest(h, self.k)", "KeepLargest(k)("),
        equation=r"h = x W_1 + b_1, \quad z_j = h_j \; \mathrm{if} \; h_j \geq h_{(k)}, \quad "
        r"z_j = 0 \; \mathrm{otherwise}",
    ),
    Step(
        "output of k_sparse",
        low_level=("return z @ W2 + b2",),
        keras=("layers.Dense(NUM_INPUT)(z)",),
        equation=r"\hat{x} = z W_2 + b_2",
    ),
    Step(
        "loss",
        low_level=("tf.reduce_mean(tf.square(x -",),
        keras=("self.add_loss(self.penalty(z))", 'optimizer, "mse"'),
        equation=r"L = \frac{1}{784 n} \sum_{i=1}^{n} \sum_{j=1}^{784} (x_{ij} - \hat{x}_{ij})^2 "
        r"+ \Omega",
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "loss = loss_of(x)"),
        keras=("autoencoder.fit(",),
        equation=equations.GRADIENT,
    ),
    Step(
        "update",
        low_level=("optimizer = NadamKeras2(", "optimizer.apply("),
        keras=("optimizer = NadamKeras2(", "autoencoder.fit("),
        equation=r"m \leftarrow 0.9 m + 0.1 g, \quad v \leftarrow 0.999 v + 0.001 g^2, \quad "
        r"u_t = 0.9 \left( 1 - \frac{1}{2} \cdot 0.96^{0.004 t} \right), \quad "
        r"\hat{m} = \frac{u_{t+1} \, m}{1 - u_1 \cdots u_{t+1}} "
        r"+ \frac{(1 - u_t) \, g}{1 - u_1 \cdots u_t}, \quad "
        r"\hat{v} = \frac{v}{1 - 0.999^t}, \quad "
        r"w \leftarrow w - \mathrm{lr} \, \frac{\hat{m}}{\sqrt{\hat{v}} + 10^{-7}}",
    ),
    Step(
        "loop",
        low_level=("order = Shuffled(", "for i in tf.range(", "in run.epochs(", "in run.chunks("),
        keras=("order = Shuffled(", "run.dataset(order", "epochs=settings.num_epochs"),
    ),
]
DIFFERS = {
    "network": "The low-level networks know of no penalty. They own their weights and turn `x` "
    "into `z` and `z` into `x_hat`. In Keras the penalty is part of the network: `L1` and `KL` are "
    "layers without weights, which return the code unchanged and call `add_loss` on the way. "
    "`KeepLargest` changes the code, so it is in both networks: a call in one style, a layer in "
    "the other.",
    "training": "The low-level loop gets the penalty as an argument and adds it in `loss_of`. So "
    "three functions train three networks. In Keras one function does. `compile` takes `mse` "
    "alone, and `fit` adds what the layers gave to `add_loss`, for training and validation images. "
    "The printed losses of both styles have the penalty.",
}
EXERCISES = [
    Exercise(
        task="Let `k_sparse` keep 4 numbers of a code, a tenth of the usual 40. Predict how many "
        "times as large its loss is after the epoch: ten times, or less?",
        options=("--k", "4"),
        answer="Less: it goes from {before:.4f} to {after:.4f}. The 40 numbers are not equally "
        "useful, and `keep_largest` drops the smallest of them. Which 4 of the 1568 units stay is "
        "information too, and the decoder gets it.",
        network="k_sparse",
    ),
    Exercise(
        task="The published penalty of `kl` is divided by the size of the batch twice. The "
        "corrected variant divides once, so the penalty is 32 times as strong. Predict whether a "
        "smaller share of the numbers exceeds a tenth of the largest number of their code.",
        options=("--variant", "corrected"),
        answer="No, the share grows, from {before:.0%} to {after:.0%}. The penalty sees only the "
        "mean of each unit. A unit that gives 0.1 for every image has no penalty at all. So a "
        "stronger penalty makes the means right, but not the codes sparse.",
        measure=active,
        network="kl",
    ),
    Exercise(
        task="Take minibatches of 320 images in place of 32. This one change does two things: "
        "there are 172 updates in place of 1719, and the penalty of `kl` is a tenth as strong. "
        "Predict how far the mean of its codes is from the target, 0.1.",
        options=("--batch-size", "320"),
        answer="The distance grows from {before:.3f} to {after:.3f}. Before training, a sigmoid "
        "unit gives about 0.5. It takes many updates to bring that down to 0.1, and now there are "
        "fewer and weaker ones.",
        measure=from_target,
        network="kl",
    ),
]
