"""What the article of `sigmoid_ae` says, what it gets wrong, and how both are measured."""

from functools import partial

from ae import equations, figures
from ae.lesson import ONLY_NETWORK, OWN_IMAGES, Claim, Erratum, Exercise, Option, Step
from ae.metrics import background_noise, reconstruct_by_pca
from ae.networks import codec
from ae.proof import variants
from ae.proof.digits import (
    BASIC_CLAIMS,
    CODE_SIZE,
    error_beside_pca,
    separation_gained,
    squared_error,
    test_error,
    two_d_encoders,
)
from ae.proof.judges import Hashable, train_deep_autoencoder
from ae.runs.records import trained
from tutorials.sigmoid_ae import EXAMPLES_TO_SHOW

import numpy as np
import tensorflow as tf

ORDER = 2
LINK = (
    "https://github.com/aymericdamien/TensorFlow-Examples/blob/"
    "eec79c9de7f5ff175da1e9478410c92c386dabff/notebooks/3_NeuralNetworks/autoencoder.ipynb"
)
OPTIONS = {
    "images": OWN_IMAGES,
    "code_size": CODE_SIZE,
    "two_d": Option(False, "draw digits in two dimensions: PCA beside an autoencoder", False),
    "two_d_epochs": Option(20, "", False),  # for that autoencoder, which the article does not train
    "thirty": Option(
        False, "train Hinton's network with a code of 30, and compare with PCA", False
    ),
    "thirty_epochs": Option(50, "", False),  # for this one
}
PRESETS = {
    "quick": {"num_epochs": 10, "two_d": True, "two_d_epochs": 5},
    "smoke": {
        "num_epochs": 1,
        "two_d_epochs": 1,
        "thirty_epochs": 1,
        "num_train": 768,
        "num_test": 128,
    },
}
CAPTIONS = {
    "strip": "Ten test digits over what the network makes of them. Look for the noise around the "
    "digits, in the article's colours: yellow is white.",
    "two-d": "500 test digits of each class on two planes: two principal components, and the two "
    "units of a trained network's code. Look for classes that lie apart on one plane only.",
    "thirty": "Ten test digits over what 30 trained units keep of them, and what 30 principal "
    "components keep.",
}
FIGURES_BY = {"article": ("strip",)}

# The article shows only the picture. The notebook that it copies printed the cost of each epoch's
# last minibatch, in two complete runs (data/published/sigmoid_ae.csv).
PRINTED_LOSS = "last_batch_loss"
PUBLISHED = {ONLY_NETWORK: {"last_batch_loss": ("run_2016", "run_2017")}}


def epoch_line(epoch, logs):
    """Writes what the article's code prints after an epoch."""
    return f"Epoch: {epoch:04d} cost= {logs['last_batch_loss']:.9f}"


# The corrected variant


def glorot(fan_in, fan_out):
    """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    kernel = tf.random.uniform([fan_in, fan_out], -limit, limit)
    return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out]))


ARGUMENTS = {
    # `dict()` gives a Keras layer no initializers, so it takes its own: Glorot's weights, b = 0.
    ("variant", "corrected"): {"Autoencoder": {"init": glorot}, "build_keras": {"init": dict}},
}
PASSED_ON = {"code_size": {"Autoencoder": "code_units", "build_keras": "code_units"}}


# Other figures: Hinton's network, trained end to end (`ae.proof.judges.train_deep_autoencoder`)


WHY_NOISE = (
    "The noise comes from the first weights, drawn from N(0, 1): they put most units where a "
    "sigmoid is flat, and hardly any gradient passes back. Small first weights remove it."
)


def appendix(data, settings, report, networks):
    """Draws both variants beside each other, and the figures that --two-d and --thirty ask for."""
    variants.draw("sigmoid_ae", networks, ONLY_NETWORK, data, settings, report, WHY_NOISE)
    if settings.two_d:
        draw_two_d(data, settings, report)
    if settings.thirty:
        draw_thirty(data, settings, report)


def draw_two_d(data, settings, report):
    """Draws Hinton's comparison: two principal components and two learned units.

    It shows 500 test digits of each class, as the paper does; the article says 500 in all.
    """
    classes = range(data.y_test.max() + 1)
    shown = np.concatenate([np.flatnonzero(data.y_test == label)[:500] for label in classes])
    codes = {
        name: encode(data.x_test[shown])
        for name, encode in two_d_encoders(data, settings, settings.two_d_epochs).items()
    }
    planes = figures.planes(codes, data.y_test[shown], classes, shared=False)
    of = trained("784-1000-500-250-2", "keras", settings.two_d_epochs)
    report.figure("two-d", planes, CAPTIONS["two-d"], of)


def draw_thirty(data, settings, report):
    """Draws test digits over their reconstructions from 30 learned units and 30 components.

    The paper's test digits have a squared error of 3.00, and 13.87 with principal components.
    """
    made = from_thirty(data, settings)
    errors = {name: squared_error(data, x_hat) for name, x_hat in made.items()}
    report.result("squared_errors_of_thirty", errors)
    rows = {"original": data.x_test, **made}
    strip = figures.strip({k: v[:EXAMPLES_TO_SHOW].reshape(-1, 28, 28) for k, v in rows.items()})
    of = trained("784-1000-500-250-30", "keras", settings.thirty_epochs)
    report.figure("thirty", strip, CAPTIONS["thirty"], of)


def from_thirty(data, settings):
    """Reconstructs the test digits from codes of 30 numbers, learned and by PCA; (n, 784) each."""
    chosen = settings.thirty_epochs, settings.batch_size, settings.seed, settings.jit_compile
    autoencoder = train_deep_autoencoder(Hashable(data.x_train), 30, *chosen)
    return {
        "learned": autoencoder.predict(data.x_test, batch_size=500, verbose=0),
        "PCA": reconstruct_by_pca(data.x_train, data.x_test, 30),
    }


# Claims


def noise(network, data, settings):
    """Returns the deviation of reconstructed pixels that are black in every training digit."""
    return background_noise(data.x_train, codec(network).reconstruct(data.x_test))


def derivative(network, data, settings):
    """Returns the mean of s (1 - s), the derivative of the sigmoid, over the codes."""
    z = codec(network).encode(data.x_test)
    return np.mean(z * (1 - z))


CLAIMS = [
    *BASIC_CLAIMS,
    Claim(
        "Ours: Reconstructions are better than PCA's.",
        quantity="Test error over that of as many principal components",
        measure=error_beside_pca,
        at_most=1,
        why="The article says that an autoencoder does better than PCA, but of codes in two "
        "dimensions.",
    ),
    Claim(
        "Some noise is added to the image.",
        quantity="Deviation of reconstructed pixels that are black in every digit",
        measure=noise,
        at_least=0.02,
        why="The bound is ours: the eye sees differences of two percent, about five grey levels.",
    ),
    Claim(
        "Sigmoids have a good derivative for backpropagation.",
        quantity="Its mean over the code",
        measure=derivative,
        at_least=0.125,
        why="The bound is ours: half of the largest possible value, 1/4.",
    ),
    Claim(
        "Two learned units separate digits better than PCA.",
        quantity="Accuracy gained by ten neighbours",
        measure=partial(separation_gained, 5),  # after 5 epochs
        at_least=0.1,
        why="This is three standard errors of a difference on 500 digits, the article's number. "
        "The measure asks about more digits.",
        of_network=False,
    ),
]

# Errata

ERRATA = [
    Erratum(
        quote="tf.Variable(tf.random_normal([n_input, n_hidden_1]))",
        problem="Weights and biases drawn from N(0, 1) saturate most sigmoids.",
        effect="Saturated units hardly learn, and leave the noise that the article sees.",
        fix="The corrected variant uses Glorot's uniform weights and zero biases.",
        measures={
            "mean squared error on test digits": test_error,
            "mean derivative of the code's sigmoids": derivative,
            "deviation of reconstructed pixels that are black in every digit": noise,
        },
    ),
    Erratum(
        quote="earning_rate = 0.01",
        problem="The first letter is missing. Our copy of the article may be at fault.",
        effect="The optimizer's line fails with a NameError.",
        fix="Both variants say learning_rate.",
    ),
    Erratum(
        quote="autoencoders, based on Restricted Boltzmann Machines, ... are the building blocks "
        "of Deep Belief Networks",
        problem="Deep belief networks consist of restricted Boltzmann machines. Hinton's paper "
        "pretrains an autoencoder with such machines; the article's code does not.",
        fix="Both variants train all layers at once, as the code does.",
    ),
    Erratum(
        quote="in the `optimizer` variable we have our gradient",
        problem="The variable holds the operation that computes gradients and updates the weights.",
        fix="The low-level style computes the gradients first and then applies them.",
    ),
    Erratum(
        quote="layer_1 in the encoder is the layer_2 in the decoder and vice-versa",
        problem="Only their sizes correspond: one leads from 784 numbers to 256, the other back. "
        "Each layer has weights of its own.",
        fix="Both variants have four layers, each with its own weights.",
    ),
    Erratum(
        quote="the two-dimensional reduction for 500 digits of the MNIST",
        problem="The paper's caption says 500 digits of each class.",
        fix="--two-d draws 500 of each class.",
    ),
    Erratum(
        quote="the face of our actor, that consists of 2000 dimensional data",
        problem="Earlier the same face has 65536 dimensions. 2000 is the width of the first hidden "
        "layer in the paper's diagram, and 30 is its code.",
        fix="Only the text is wrong.",
    ),
    Erratum(
        quote="According to a 1982 study by C.J. Stone, the time to fit a model, at best, is",
        problem="Stone gives the best rate at which the error of an estimate can fall with m "
        "points, m^(-p / (2p + d)). The number of points needed grows exponentially with d, not "
        "the time.",
        fix="Only the text is wrong.",
    ),
]

# The page's texts

STEPS = [
    Step(
        "initializer",
        low_level=("tf.random.normal(",),
        keras=("keras.initializers.RandomNormal(",),
        equation=r"W_{ij} \sim N(0, 1), \quad b_j \sim N(0, 1)",
    ),
    Step(
        "layer",
        low_level=("x @ self.W1", "h @ self.W2", "z @ self.W3", "h @ self.W4"),
        keras=("layers.Dense(units",),
        equation=r"h' = \sigma(h W + b), \quad \sigma(a) = \frac{1}{1 + e^{-a}}",
    ),
    Step(
        "encoder",
        low_level=("def encode(",),
        keras=("encoder = keras.Model(",),
        equation=r"z = \sigma(\sigma(x W_1 + b_1) W_2 + b_2)",
    ),
    Step(
        "decoder",
        low_level=("def decode(",),
        keras=("decoder = keras.Model(",),
        equation=r"\hat{x} = \sigma(\sigma(z W_3 + b_3) W_4 + b_4)",
    ),
    Step(
        "loss",
        low_level=("def mean_squared_error", "tf.reduce_mean(", "loss = mean_squared_error("),
        keras=('"mse", metrics',),
        equation=equations.MEAN_SQUARED_ERROR,
    ),
    Step(
        "gradient",
        low_level=("tf.GradientTape()", "tape.gradient("),
        keras=("autoencoder.fit(",),
        equation=r"g = \frac{\partial L}{\partial w}, \quad \sigma'(a) = \sigma(a) (1 - \sigma(a))",
    ),
    Step(
        "update",
        low_level=("RMSpropTF1(", "optimizer.apply("),
        keras=("RMSpropTF1(", "autoencoder.fit("),
        equation=equations.RMSPROP_TF1,
    ),
    Step(
        "compiled function",
        low_level=("@tf.function(", "in tf.range("),
        keras=("autoencoder.compile(", "**settings.compiled"),
    ),
    Step(
        "minibatches",
        low_level=("order = minibatches(", "tf.gather(digits"),
        keras=("run.dataset(",),
    ),
    Step(
        "loop",
        low_level=("for i in tf.range(", "for epoch in run.epochs(", "for rows in run.chunks("),
        keras=("epochs=settings.num_epochs",),
    ),
]
DIFFERS = {
    "network": "The low-level style writes every product `h W + b`. It calls `init` once for each "
    "pair W and b, and lists all variables in `weights`, for the gradient and the optimizer. In "
    "Keras each `Dense` layer makes and owns its W and b, and the model finds them. Keras takes "
    "the law of the first weights as an argument. Each layer needs initializers of its own there, "
    "because one that is used twice gives the same numbers.",
    "training": "`compile` trains nothing. It keeps the optimizer, the loss, a metric, and how "
    "many steps one compiled call takes. From these `fit` makes what the low-level style writes as "
    "`train_step` and `train_steps`: the tape, the gradients, the update and the loop in the "
    "graph. `fit` also loops over the epochs.",
}
EXERCISES = [
    Exercise(
        "Start from Glorot's smaller weights. Look at the pixels around the digits, which are "
        "black in every training digit. How much noise is left there?",
        ("--variant", "corrected"),
        "The standard deviation of these pixels goes from {before:.3f} to {after:.3f}, less than "
        "one of 255 grey levels. Nothing else has changed: the network, the loss and the optimizer "
        "are the same. With small weights the sums are near 0, where a sigmoid is steep. So "
        "gradients reach every layer, and the network learns to leave the background black.",
        measure=noise,
    ),
    Exercise(
        "Give a code 16 numbers instead of 128. The network can keep less of each digit. Is the "
        "loss larger?",
        ("--code-size", "16"),
        "No, it is smaller: {after:.3f} instead of {before:.3f}. A unit of the decoder's first "
        "layer now sums 16 products instead of 128, so its sum is nearer to 0. There the sigmoid "
        "is less flat and lets more gradient pass. With these first weights, a wider code does "
        "harm.",
    ),
    Exercise(
        "Make the learning rate ten times larger. Large steps might free the units whose sigmoids "
        "are flat. Do they?",
        ("--learning-rate", "0.1"),
        "They do not: the loss after the last step is {after:.3f}, not {before:.3f}. In the "
        "network trained without this change, most derivatives of one minibatch's loss are below "
        "`1e-5`. There the `1e-10` in RMSProp's root keeps a step small, whatever the learning "
        "rate. What these units lack is good first weights, not larger steps.",
    ),
]
