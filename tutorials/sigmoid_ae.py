"""A sigmoid autoencoder compresses MNIST digits to 128 numbers and back.

Article: an introduction to autoencoders in Medium's "Deep Learning", after Hinton and Salakhutdinov
(Science 313, 2006) and Nikhil Buduma; its code is that of aymericdamien/TensorFlow-Examples.
It says that a network trained to repeat its input learns the key features, and shows from Hinton's
paper that two such features separate the digits better than two principal components.
Network: 784-256-128-256-784, sigmoid throughout; mean squared error; RMSProp 0.01.
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
from dataclasses import dataclass
from functools import partial

from ae import cli, datasets, figures
from ae.datasets.batches import NextBatch
from ae.lesson import ONLY_NETWORK, Claim, Erratum, Lesson, Settings, Style, option
from ae.measures.recognition import (
    BASIC_CLAIMS,
    error_beside_pca,
    separation_gained,
    test_error,
    two_d_encoders,
)
from ae.metrics import LastBatch, background_noise
from ae.networks import codec
from ae.optimizers import RMSpropTF1
from ae.runs.snapshots import Examples

import keras
import numpy as np
import tensorflow as tf
from keras import layers

NUM_INPUT = 784  # 28 x 28 pixels
NUM_HIDDEN_1 = 256
NUM_HIDDEN_2 = 128
EXAMPLES_TO_SHOW = 10


@dataclass(frozen=True, kw_only=True)
class SigmoidSettings(Settings):
    """The article's constants."""

    num_epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 0.01
    jit_compile: bool = True  # by XLA, which makes dense layers faster, convolutions slower
    two_d: bool = option(False, "draw digits in two dimensions: PCA beside an autoencoder")
    two_d_epochs: int = 20  # of that autoencoder, which is none of the article's


PRESETS = {
    "article": SigmoidSettings(),
    "quick": SigmoidSettings(num_epochs=10, two_d=True, two_d_epochs=5),
    "smoke": SigmoidSettings(num_epochs=1, two_d_epochs=1, num_train=768, num_test=128),
}


# %% data
def load(settings, data_dir):
    """Loads MNIST as rows of 784 pixels in [0, 1], with labels from 0 to 9.

    `x_train` (55000, 784), `y_train` (55000,), `x_test` (10000, 784) and `y_test` (10000,):
    TensorFlow 1's `read_data_sets` set the other 5,000 digits aside.
    """
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def batches(data, settings):
    """Draws the minibatches as `mnist.train.next_batch(256)` did; 214 of them make an epoch."""
    steps_per_epoch = max(1, len(data.x_train) // settings.batch_size)
    return NextBatch(len(data.x_train), settings.batch_size, steps_per_epoch, settings.seed)


# %% low-level: network
class Autoencoder(tf.Module):
    """h' = sigmoid(h W + b), four times over; W and b ~ N(0, 1)."""

    def __init__(self, settings):
        super().__init__()
        # erratum: the weights and biases
        initialise = self.glorot if settings.corrected else self.random_normal
        self.encoder_h1, self.encoder_b1 = initialise(NUM_INPUT, NUM_HIDDEN_1)
        self.encoder_h2, self.encoder_b2 = initialise(NUM_HIDDEN_1, NUM_HIDDEN_2)
        self.decoder_h1, self.decoder_b1 = initialise(NUM_HIDDEN_2, NUM_HIDDEN_1)
        self.decoder_h2, self.decoder_b2 = initialise(NUM_HIDDEN_1, NUM_INPUT)
        self.weights = [
            *(self.encoder_h1, self.encoder_b1, self.encoder_h2, self.encoder_b2),
            *(self.decoder_h1, self.decoder_b1, self.decoder_h2, self.decoder_b2),
        ]

    @staticmethod
    def random_normal(fan_in, fan_out):
        """Draws W and b from N(0, 1), so that most units begin saturated.

        Far from 0 the sigmoid s is flat: its derivative s (1 - s) is nearly 0, and next to nothing
        of a gradient passes through the unit.
        """
        dtype = keras.config.floatx()
        kernel = tf.random.normal([fan_in, fan_out], dtype=dtype)
        bias = tf.random.normal([fan_out], dtype=dtype)
        return tf.Variable(kernel), tf.Variable(bias)

    @staticmethod
    def glorot(fan_in, fan_out):
        """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = tf.random.uniform([fan_in, fan_out], -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out], dtype))

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        h = tf.nn.sigmoid(tf.matmul(x, self.encoder_h1) + self.encoder_b1)  # (batch, 256)
        return tf.nn.sigmoid(tf.matmul(h, self.encoder_h2) + self.encoder_b2)  # (batch, 128)

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        h = tf.nn.sigmoid(tf.matmul(z, self.decoder_h1) + self.decoder_b1)  # (batch, 256)
        return tf.nn.sigmoid(tf.matmul(h, self.decoder_h2) + self.decoder_b2)  # (batch, 784)

    def reconstruct(self, x):
        """Maps digits to their reconstructions, both (batch, 784)."""
        return self.decode(self.encode(x))


# %% low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% low-level: step
def train_low_level(network, data, settings, run):
    """Repeats w <- w - lr g / sqrt(v + 1e-10), 214 steps an epoch.

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
    """Stacks the same four layers as encoder, decoder and the model that joins them."""
    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers

    def dense(units, **options):
        if not settings.corrected:
            options["kernel_initializer"] = keras.initializers.RandomNormal(stddev=1.0)
            options["bias_initializer"] = keras.initializers.RandomNormal(stddev=1.0)
        return layers.Dense(units, activation="sigmoid", **options)

    x = keras.Input([NUM_INPUT], name="digit")
    encoder = keras.Model(x, dense(NUM_HIDDEN_2)(dense(NUM_HIDDEN_1)(x)), name="encoder")

    z = keras.Input([NUM_HIDDEN_2], name="code")
    decoder = keras.Model(z, dense(NUM_INPUT, **full)(dense(NUM_HIDDEN_1)(z)), name="decoder")

    return keras.Model(x, decoder(encoder(x)), name="sigmoid_ae")


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
    # In short: fit(x, x, batch_size=256, epochs=20), which would end an epoch with a smaller batch.
    # What stands here gives both styles the same minibatches and lets an interrupted run go on.
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
    """Draws the article's strip: the first ten test digits over their reconstructions.

    Its colours run from 0 to 1 in every tile; the article's from a tile's least to its greatest.
    """
    digits = data.x_test[:EXAMPLES_TO_SHOW]
    rows = {"original": digits, "reconstructed": codec(network).reconstruct(digits)}
    images = {title: x.reshape(-1, 28, 28) for title, x in rows.items()}
    strip = figures.strip(images, cmap="viridis")
    report.figure("strip", strip, "ten test digits over their reconstructions")


def draw_two_d(data, settings, report):
    """Draws Hinton's comparison: two principal components and two learned units.

    As there, with 500 test digits of each class; the article says 500 in all. The units are the
    code of the paper's network, 784-1000-500-250-2 and mirrored, trained with ReLU units and Adam
    in place of its pretraining (`ae.measures.judges.train_two_d_encoder`).
    """
    if not settings.two_d:
        return
    shown = np.concatenate([np.flatnonzero(data.y_test == label)[:500] for label in range(10)])
    codes = {
        name: encode(data.x_test[shown])
        for name, encode in two_d_encoders(data, settings, settings.two_d_epochs).items()
    }
    scatter = figures.scatter(codes, data.y_test[shown], cmap="tab10", size=6)
    report.figure("two-d", scatter, "test digits by two principal components and two learned units")


def examples(data):
    """Chooses ten test digits to follow through the training."""
    return Examples(data.x_test[:10])


# %% published
# Not in the article, which shows only the picture, but in the notebook that it copies: the cost of
# each epoch's last minibatch, in two complete runs (data/published/sigmoid_ae.csv).
PUBLISHED = {ONLY_NETWORK: {"last_batch_loss": ("run_2016", "run_2017")}}


# %% claims
# Claim(what is claimed, what measures it, the bound, the reason for it)
def noise(network, data, settings):
    """Measures reconstructed test digits in the pixels that no training digit uses."""
    return background_noise(data.x_train, codec(network).reconstruct(data.x_test))


def derivative(network, data, settings):
    """Averages s (1 - s), the derivative of the sigmoid, over the code of the test digits."""
    z = codec(network).encode(data.x_test)
    return np.mean(z * (1 - z))


CLAIMS = (
    *BASIC_CLAIMS,
    Claim("reconstructions succeed: test error over that of 128 principal components",
          error_beside_pca, at_most=1, reason="the article's point is to do better than PCA"),
    Claim("some noise is added: deviation of reconstructed pixels that are black in every digit",
          noise, at_least=0.02, reason="the eye sees differences of two percent, five grey levels"),
    Claim("sigmoids have a good derivative for backpropagation: its mean over the code",
          derivative, at_least=0.125, reason="half of the largest that it can be, 1/4"),
    Claim("two learned units separate digits better than PCA: accuracy gained by ten neighbours",
          partial(separation_gained, 5), at_least=0.1, of_network=False,  # after 5 epochs
          reason="three standard errors of a difference on 500 digits, the article's number; more "
                 "digits are asked about"),
)  # fmt: skip

# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
ERRATA = (
    Erratum("the weights and biases", "are drawn from N(0, 1)",
            "saturated sigmoids hardly learn and leave the noise that the article sees",
            "Glorot's uniform weights, zero biases",
            {"mean squared error on test digits": test_error,
             "mean derivative of the code's sigmoids": derivative,
             "deviation of reconstructed pixels that are black in every digit": noise}),
    Erratum("the parameters", "begin with `earning_rate`", "NameError at the optimizer",
            "both variants say learning_rate"),
    Erratum("the introduction",
            "bases autoencoders on restricted Boltzmann machines, and deep belief nets on them",
            "these nets consist of such machines; Hinton's paper pretrains an autoencoder with "
            "them, and the code does without", "both variants train all layers at once"),
    Erratum("the variable `optimizer`", "is said to hold the gradient",
            "it holds the operation that computes gradients and updates the weights",
            "both variants keep gradients and optimizer apart"),
    Erratum("the face", "has 65536 dimensions, and in the description of the encoder 2000",
            "2000 are the units of the first hidden layer in the paper's diagram; 30 is its code",
            "both variants compress digits only"),
    Erratum("the picture from the paper", "is said to show 500 digits",
            "the paper's caption says 500 of each class", "--two-d draws 500 of each class"),
    Erratum("C. J. Stone's study of 1982", "is quoted for the time to fit a model",
            "it gives the best rate at which the error of an estimate can fall with m points, "
            "m^(-p / (2p + d)); what grows exponentially with d is the number of points needed",
            "both variants take the digits that there are"),
    Erratum("layer_1 of the encoder", "is said to be layer_2 of the decoder and vice versa",
            "only their widths are alike: each has weights of its own",
            "both variants have four layers of their own"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="sigmoid_ae",
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
    appendix=draw_two_d,
    measure="last_batch_loss",
    published=PUBLISHED,
    epoch_line=lambda epoch, logs: f"Epoch: {epoch:04d} cost= {logs['last_batch_loss']:.9f}",
)

if __name__ == "__main__":
    cli.main(LESSON)
