"""A dense autoencoder reconstructs MNIST digits from 128 numbers.

Article: "Building an Autoencoder for Generative Models", Patrick D. Smith (Excella), published on
dev.to by kayis, 29 January 2019.
It shows a network that squeezes its input through a narrow layer and so learns features without
labels, and says that its encoder can then initialise a classifier. No distribution of codes comes
with it, from which new digits could be drawn; `fashion_vae` adds one.
Network: layers of 784, 256 and 128 units take 784 pixels to the code, layers of 128, 256 and 784
take the code back; ReLU throughout; mean squared error; RMSProp 0.001.
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
import itertools
from dataclasses import dataclass, replace

from ae import cli, datasets, figures
from ae.datasets.batches import NextBatch
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Lesson, Settings, Style, option
from ae.measures import judges
from ae.measures.recognition import (
    BASIC_CLAIMS,
    drawn_and_recognised,
    error_beside_pca,
    linear_code_angle,
    linear_unit_angle,
    test_error,
)
from ae.metrics import LastBatch
from ae.networks import codec
from ae.optimizers import RMSpropTF1
from ae.runs.snapshots import Examples

import keras
import numpy as np
import tensorflow as tf
from keras import layers

INPUT_DIM = 784  # 28 x 28 pixels
ENCODER_UNITS = (784, 256, 128)
DECODER_UNITS = (128, 256, 784)
STEPS_PER_EPOCH = 100  # the article counts 1000 steps and no epochs; ten rounds make them readable


@dataclass(frozen=True, kw_only=True)
class DenseSettings(Settings):
    """The article's constants."""

    num_epochs: int = 10  # rounds of 100 steps
    batch_size: int = 256
    learning_rate: float = 0.001
    jit_compile: bool = True  # by XLA, which makes dense layers faster, convolutions slower
    classifier: bool = option(False, "compare a classifier on the trained encoder with a new one")
    label_counts: tuple[int, ...] = (100, 1000, 55_000)  # labelled digits for the classifier


PRESETS = {
    "article": DenseSettings(),
    "quick": DenseSettings(label_counts=(100, 1000, 10_000)),
    "smoke": DenseSettings(num_epochs=1, num_train=512, num_test=128, label_counts=(100, 200)),
}


# %% data
def load(settings, data_dir):
    """Loads MNIST as rows of 784 pixels in [0, 1], with labels from 0 to 9.

    `x_train` (55000, 784), `y_train` (55000,), `x_test` (10000, 784) and `y_test` (10000,):
    TensorFlow 1's `read_data_sets` set the other 5,000 digits aside.
    """
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def batches(data, settings):
    """Draws the minibatches as `mnist.train.next_batch(256)` did."""
    return NextBatch(len(data.x_train), settings.batch_size, STEPS_PER_EPOCH, settings.seed)


# %% low-level: network
class Autoencoder(tf.Module):
    """h' = relu(h W + b), six times over."""

    def __init__(self, settings):
        super().__init__()
        widths = (INPUT_DIM, *ENCODER_UNITS, *DECODER_UNITS)
        pairs = [self.dense(m, n) for m, n in itertools.pairwise(widths)]
        self.encoder, self.decoder = pairs[: len(ENCODER_UNITS)], pairs[len(ENCODER_UNITS) :]
        self.weights = tf.nest.flatten(pairs)
        # erratum: the output layer
        self.output_activation = tf.nn.sigmoid if settings.corrected else tf.nn.relu

    @staticmethod
    def dense(fan_in, fan_out):
        """Draws W and b from U(-l, l), l = sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.

        A bias counts as fan_out inputs and outputs, as in `xavier_initializer`.
        """
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = tf.random.uniform([fan_in, fan_out], -limit, limit, dtype)
        limit = np.sqrt(6 / (fan_out + fan_out))
        bias = tf.random.uniform([fan_out], -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(bias)

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        for kernel, bias in self.encoder:
            x = tf.nn.relu(x @ kernel + bias)  # (batch, 784), (batch, 256), (batch, 128)
        return x

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        for kernel, bias in self.decoder[:-1]:
            z = tf.nn.relu(z @ kernel + bias)  # (batch, 128), (batch, 256)
        kernel, bias = self.decoder[-1]
        return self.output_activation(z @ kernel + bias)  # (batch, 784)

    def reconstruct(self, x):
        """Maps digits to their reconstructions, both (batch, 784)."""
        return self.decode(self.encode(x))


# %% low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% low-level: step
def train_low_level(network, data, settings, run):
    """Takes 1000 steps of w <- w - lr g / sqrt(v + 1e-10).

    g = dL/dw; v <- 0.9 v + 0.1 g^2, which TensorFlow 1 begins with 1 (`ae.optimizers`).
    """
    optimizer = RMSpropTF1(settings.learning_rate)
    optimizer.build(network.weights)

    @tf.function
    def train_step(x):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(x, network.reconstruct(x))
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    # For each epoch, for each minibatch x: train_step(x). `run.fit` takes many steps in one call.
    run.fit(
        train_step,
        batches(data, settings),
        data.x_train,
        optimizer=optimizer,
        jit_compile=settings.jit_compile,
    )


# %% keras: network
def build_keras(settings):
    """Stacks the same six layers as encoder, decoder and the model that joins them."""
    glorot = {"kernel_initializer": "glorot_uniform", "bias_initializer": "glorot_uniform"}

    x = h = keras.Input([INPUT_DIM], name="digit")
    for units in ENCODER_UNITS:
        h = layers.Dense(units, activation="relu", **glorot)(h)
    encoder = keras.Model(x, h, name="encoder")

    z = h = keras.Input([ENCODER_UNITS[-1]], name="code")
    for units in DECODER_UNITS[:-1]:
        h = layers.Dense(units, activation="relu", **glorot)(h)
    output = "sigmoid" if settings.corrected else "relu"  # erratum: the output layer
    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers
    x_hat = layers.Dense(DECODER_UNITS[-1], activation=output, **glorot, **full)(h)
    decoder = keras.Model(z, x_hat, name="decoder")

    return keras.Model(x, decoder(encoder(x)), name="dense_ae")


# %% keras: loss
LOSS = "mean_squared_error"


# %% keras: fit
def train_keras(autoencoder, data, settings, run):
    """Compiles and fits; the batches are those of the low-level style."""
    order = batches(data, settings)
    autoencoder.compile(
        optimizer=RMSpropTF1(settings.learning_rate),
        loss=LOSS,
        metrics=[LastBatch(LOSS)],
        steps_per_execution=run.steps_at_once(order, settings.jit_compile),
        jit_compile=settings.jit_compile,
    )
    # In short: fit(x, x, batch_size=256, steps_per_epoch=100, epochs=10). What stands here instead
    # gives both styles the same minibatches, and lets an interrupted run go on.
    autoencoder.fit(
        run.feed(order, data.x_train),
        epochs=settings.num_epochs,
        initial_epoch=run.epochs_done,
        callbacks=run.callbacks(),
        shuffle=False,  # run.feed() shuffles
        verbose=0,
    )


# %% figures
# codec(network) gives either style's encode, decode and reconstruct, on NumPy arrays.
def draw(network, data, settings, report):
    """Draws the article's 4 x 4 canvases, and on request its closing idea, the classifier.

    The article draws 16 test digits that `next_batch` shuffled; these are the first 16. Greys run
    from 0 to 1; the article's, from a canvas's least value to its greatest.
    """
    digits = data.x_test[:16]
    reconstructions = codec(network).reconstruct(digits)
    images, reconstructed = (x.reshape(-1, 28, 28) for x in (digits, reconstructions))
    canvases = figures.canvases(images, reconstructed, side=4)
    report.figure("digits", canvases, "16 test digits and their reconstructions")
    if settings.classifier:
        accuracies = compare_classifiers(network, data, settings)
        report.result("classifier_accuracy", accuracies)
        axes = {"xlabel": "labelled digits", "ylabel": "test accuracy", "xscale": "log"}
        curves = figures.curves(accuracies, settings.label_counts, **axes)
        report.figure("classifier", curves, "accuracy of classifiers over the number of labels")


def compare_classifiers(network, data, settings):
    """Trains a classifier on the trained encoder and the same from scratch, on few to all labels.

    Returns:
        Test accuracies in the order of `settings.label_counts`, by how the encoder began.
    """
    accuracies = {"trained encoder": [], "from scratch": []}
    for count in settings.label_counts:
        for start, results in accuracies.items():
            keras.utils.set_random_seed(settings.seed)
            encoder = build_keras(settings).get_layer("encoder")
            if start == "trained encoder":
                # The network's first arrays are the encoder's, in either style.
                encoder.set_weights([w.numpy() for w in network.weights[: len(encoder.weights)]])
            scores = layers.Dense(10, activation="softmax")(encoder.output)
            classifier = keras.Model(encoder.input, scores)
            classifier.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            steps = max(300 if count < 1000 else 1000, 5 * count // 64)  # for either to settle
            examples = tf.data.Dataset.from_tensor_slices((data.x_train, data.y_train))
            examples = examples.take(count).cache().shuffle(count, settings.seed).repeat()
            judges.fit(classifier, examples.batch(64), steps)
            scored = classifier.evaluate(data.x_test, data.y_test, verbose=0, return_dict=True)
            results.append(scored["accuracy"])
    return accuracies


def examples(data):
    """Chooses ten test digits to follow through the training."""
    return Examples(data.x_test[:10])


# %% published
# The article prints no number, only a picture of 16 digits and their reconstructions.


# %% claims
# Claim(what is claimed, what measures it, the bound, the reason for it)
def gain(count):
    """Measures what the trained encoder adds to a classifier's accuracy with few labels."""

    def measure(network, data, settings):
        scores = compare_classifiers(network, data, replace(settings, label_counts=(count,)))
        return scores["trained encoder"][0] - scores["from scratch"][0]

    return measure


ALMOST = "unrelated directions of 784 pixels stand at nearly 90 degrees; Adam leaves a few"
TWO_ERRORS = "two standard errors of a difference of accuracies, 80 to 90 % of 10,000 digits"
CLAIMS = (
    *BASIC_CLAIMS,
    Claim("almost identical to PCA: test error over that of 128 components", error_beside_pca,
          at_most=1.1, reason="almost: a tenth; a curved manifold should come nearer still"),
    Claim("it learned the distribution: share of random codes that are a digit for sure",
          drawn_and_recognised, at_least=0.5,
          reason="more often than not, as is asked of new clothes in fashion_vae"),
    # The next two are Stewart's (part 1, conv_denoiser): of a linear network, on these digits.
    Claim("a linear code spans the principal components: largest angle, degrees",
          linear_code_angle, at_most=5, reason=ALMOST, of_network=False),
    Claim("each number of a linear code is one principal component: mean angle, degrees",
          linear_unit_angle, at_most=5, reason=ALMOST, of_network=False),
    Claim("the encoder initialises a classifier: accuracy gained with 100 labels",
          gain(100), at_least=0.01, reason=TWO_ERRORS),
    Claim("the same with 1,000 labels", gain(1000), at_least=0.01, reason=TWO_ERRORS),
    Claim("the same with all labels", gain(55_000), at_least=0.004,
          reason="two standard errors of a difference of accuracies near 98 % of 10,000 digits"),
)  # fmt: skip


# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
def black_pixels(network, data, settings):
    """Counts the pixels that test digits light by a grey level and no reconstructed one does."""
    grey = 0.5 / 255  # what rounds to a level above black
    lit = [x.max(axis=0) > grey for x in (data.x_test, codec(network).reconstruct(data.x_test))]
    return np.sum(lit[0] & ~lit[1])


ERRATA = (
    Erratum("the reconstruction loop", "passes the function `decoder` to `sess.run`",
            "TypeError: a function cannot be fetched",
            "both variants evaluate the output, x_prime"),
    Erratum("the output layer", "ends in a ReLU",
            "a pixel whose ReLU never fires has no gradient of its own, and may stay black",
            "the output is a sigmoid, whose range is that of the pixels",
            {"pixels that test digits light and reconstructed ones never do": black_pixels,
             "mean squared error on test digits": test_error}),
    Erratum("a comment in the training loop",
            "speaks of 30,000 steps and of displaying each 1000th",
            "the settings beside it say 1000 steps, displayed each",
            "both variants take 1000 steps"),
    Erratum("the network's description",
            "calls the layers convolutional, and lets the decoder squash its input",
            "they are dense, and it is the encoder that squashes",
            "both variants are dense and squash in the encoder"),
    Erratum("the decoder", "is to be the encoder's architecture reversed",
            "reversed it would be 256-784-784; the code's begins with a layer from 128 to 128",
            "both variants have the code's, 128-256-784"),
    Erratum("input_layer", "is named and described as the network's input",
            "it is trained: 784 ReLU units, with 615,440 of the network's parameters",
            "both variants have its six layers"),
    Erratum("the information bottleneck", "is said to keep the network from overfitting",
            "without one it could copy its input: no error, on any image, and a code of no use",
            "both variants have a code of 128 numbers"),
    Erratum("the introduction of the example",
            "announces a comparison with a variational autoencoder, on the same task",
            "the article has none",
            "neither has one; claims of fashion_vae hold its codes against a plain autoencoder's"),
    Erratum("the comparison with PCA", "has autoencoders handle `non-nonlinear` manifolds",
            "nonlinear ones are meant: to linear ones PCA is restricted",
            "both variants have nonlinear layers"),
    Erratum("the conclusion", "says that digits were reconstructed from a learned distribution",
            "each is decoded from its own code; no distribution of codes is learned",
            "both variants reconstruct; a claim measures what random codes decode to"),
    Erratum("the reconstruction loss", "is said to have a regularization term",
            "the code's is the squared error alone", "both variants have the squared error alone"),
    Erratum("the training loop", "is said to compute loss and accuracy",
            "no accuracy is computed, nor would one mean much of pixels",
            "both variants compute the loss"),
    Erratum("the plots", "call `plt`, which nothing imports", "NameError",
            "both variants draw the two canvases"),
    Erratum("the print statement", "is Python 2", "SyntaxError in Python 3",
            "both variants print the same line, for each hundredth step"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="dense_ae",
    doc=__doc__,
    presets=PRESETS,
    load=load,
    networks={
        ONLY_NETWORK: {
            "low-level": Style(Autoencoder, train_low_level),
            "keras": Style(build_keras, train_keras),
        }
    },
    draw=draw,
    examples=examples,
    claims=CLAIMS,
    errata=ERRATA,
    measure="last_batch_loss",
    epoch_line=lambda epoch, logs: (
        f"Step {epoch * STEPS_PER_EPOCH}: Loss: {logs['last_batch_loss']:f}"
    ),
)

if __name__ == "__main__":
    cli.main(LESSON)
