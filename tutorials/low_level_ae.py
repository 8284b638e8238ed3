"""One autoencoder from raw variables, another from Keras layers, and the code in between.

Article: "Implementing a Simple Auto-Encoder in Tensorflow", E. Barp.
It shows what an autoencoder must do (compress, replicate, encode, decode), first as a class on
TensorFlow variables, then in a few lines of Keras whose parts are found by layer name.
Networks: "class" 784-128-784, ReLU code, sum of sigmoid cross entropies (what is left of the
damaged listing, `tf.reduce_sum(`, and the prose say so), RMSProp 0.005;
"layers" 784-256-128-784, linear code, sigmoid output, Adam 0.001. Both stand here in both styles.

What the article explains of TensorFlow 1, and what stands here in its place: a placeholder is the
argument of a function, `Session.run` a call of one that `tf.function` compiled, feeding Z a call of
`decode(z)`, `minimize` a `GradientTape` and `optimizer.apply`; and a `tf.Variable` begins with its
value, without an `init_op`.
"""

# %% settings
# `settings.corrected`, of --variant corrected, is for what the errata below correct.
from dataclasses import dataclass

from ae import cli, datasets, figures
from ae.datasets.batches import Shuffled
from ae.lesson import Erratum, Lesson, Settings, Style
from ae.measures.recognition import BASIC_CLAIMS, test_error
from ae.metrics import LastBatch
from ae.networks import codec
from ae.optimizers import RMSpropTF1
from ae.runs.snapshots import Examples

import keras
import numpy as np
import tensorflow as tf
from keras import layers

D = 784  # input dimension: 28 x 28 pixels
d = 128  # encoding dimension


@dataclass(frozen=True, kw_only=True)
class LowLevelSettings(Settings):
    """The article's constants: its class's, then those of its Keras layers."""

    num_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.005
    layers_batch_size: int = 32
    layers_learning_rate: float = 0.001
    jit_compile: bool = True  # by XLA, which makes dense layers faster, convolutions slower


PRESETS = {
    "article": LowLevelSettings(),
    "quick": LowLevelSettings(num_epochs=3),
    "smoke": LowLevelSettings(num_epochs=1, num_train=512, num_test=128),
}


# %% data
def load(settings, data_dir):
    """Loads MNIST as rows of 784 pixels in [0, 1], with labels from 0 to 9.

    `x_train` (55000, 784), `y_train` (55000,), `x_test` (10000, 784) and `y_test` (10000,):
    TensorFlow 1's `read_data_sets` set the other 5,000 digits aside. The article does not say
    how many it took.
    """
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def permuted(data, settings):
    """Permutes the digits at each epoch and drops those that do not fill the last batch."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed, drop_remainder=True)


def shuffled(data, settings):
    """Permutes the digits at each epoch, as `Model.fit` does."""
    return Shuffled(len(data.x_train), settings.layers_batch_size, settings.seed)


# %% low-level: network
class Autoencoder(tf.Module):
    """z = relu(x W1 + b1), x_hat = sigmoid(z W2 + b2): the article's class."""

    def __init__(self, settings):
        super().__init__()
        dtype = keras.config.floatx()
        scale = np.sqrt(2 / (D + d)) if settings.corrected else 1.0  # erratum: W1 and W2
        self.W1 = tf.Variable(tf.random.normal([D, d], stddev=scale, dtype=dtype))
        self.b1 = tf.Variable(tf.zeros([d], dtype))
        self.W2 = tf.Variable(tf.random.normal([d, D], stddev=scale, dtype=dtype))
        self.b2 = tf.Variable(tf.zeros([D], dtype))
        self.weights = [self.W1, self.b1, self.W2, self.b2]

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        return tf.nn.relu(x @ self.W1 + self.b1)

    def logits(self, z):
        """Maps codes to the log-odds of white pixels (batch, 784)."""
        return z @ self.W2 + self.b2

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        return tf.nn.sigmoid(self.logits(z))

    def reconstruct(self, x):
        """Maps digits to their reconstructions, both (batch, 784)."""
        return self.decode(self.encode(x))


class LayeredAutoencoder(tf.Module):
    """The network of the article's Keras half, on variables: linear, linear, sigmoid.

    Two linear layers are one linear map: the 256 units between add nothing to what it can learn.
    """

    def __init__(self, settings):
        super().__init__()
        self.W1, self.b1 = self.dense(D, 256)
        self.W2, self.b2 = self.dense(256, d)
        self.W3, self.b3 = self.dense(d, D)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3]

    @staticmethod
    def dense(fan_in, fan_out):
        """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
        dtype = keras.config.floatx()
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = tf.random.uniform([fan_in, fan_out], -limit, limit, dtype)
        return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out], dtype))

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        h = x @ self.W1 + self.b1  # (batch, 256)
        return h @ self.W2 + self.b2  # (batch, 128)

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        return tf.nn.sigmoid(z @ self.W3 + self.b3)

    def reconstruct(self, x):
        """Maps digits to their reconstructions, both (batch, 784)."""
        return self.decode(self.encode(x))


# %% low-level: loss
def sum_of_cross_entropies(x, logits):
    """Sums -x log p - (1 - x) log(1 - p), p = sigmoid(logits), over pixels and batch."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))


def doubled_sigmoid_cross_entropy(x, x_hat):
    """Averages the same with p = sigmoid(x_hat), though x_hat is a sigmoid's value already.

    p therefore stays between 1/2 and 0.73, and the loss of a black pixel is never below log 2: the
    article's double sigmoid.
    """
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_hat))


def mean_cross_entropy(x, x_hat):
    """Averages -x log x_hat - (1 - x) log(1 - x_hat), what the article meant."""
    return tf.reduce_mean(keras.losses.binary_crossentropy(x, x_hat))


# %% low-level: step
def train_class_low_level(network, data, settings, run):
    """Trains the class on batches of 64 permuted digits.

    RMSProp: v <- 0.9 v + 0.1 g^2, at first 1, as in TensorFlow 1; w <- w - lr g / sqrt(v + 1e-10);
    g = dL/dw.
    """

    def loss_of(x):
        return sum_of_cross_entropies(x, network.logits(network.encode(x)))

    optimizer = RMSpropTF1(settings.learning_rate)
    order = permuted(data, settings)
    fit_low_level(network.weights, optimizer, loss_of, order, data, settings, run)


def train_layers_low_level(network, data, settings, run):
    """Trains the layers on batches of 32 shuffled digits.

    Adam: m <- 0.9 m + 0.1 g, v <- 0.999 v + 0.001 g^2, and in step t
    w <- w - lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-8); g = dL/dw.
    """
    # erratum: the loss of the Keras half
    loss = mean_cross_entropy if settings.corrected else doubled_sigmoid_cross_entropy

    def loss_of(x):
        return loss(x, network.reconstruct(x))

    optimizer = keras.optimizers.Adam(settings.layers_learning_rate, epsilon=1e-8)  # TF 1's epsilon
    order = shuffled(data, settings)
    fit_low_level(network.weights, optimizer, loss_of, order, data, settings, run)


def fit_low_level(weights, optimizer, loss_of, order, data, settings, run):
    """Steps against the gradient of `loss_of(batch)`."""
    optimizer.build(weights)

    @tf.function
    def train_step(x):
        with tf.GradientTape() as tape:
            loss = loss_of(x)
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    # For each epoch, for each minibatch x: train_step(x). `run.fit` takes many steps in one call.
    jit_compile = settings.jit_compile
    run.fit(train_step, order, data.x_train, optimizer=optimizer, jit_compile=jit_compile)


# %% keras: network
def build_class(settings):
    """Builds the class's network; its decoder holds a model "logits", which training needs."""
    scale = np.sqrt(2 / (D + d)) if settings.corrected else 1.0  # erratum: W1 and W2

    def normal():
        return keras.initializers.RandomNormal(stddev=scale)

    x = keras.Input([D], name="digit")
    code = layers.Dense(d, activation="relu", kernel_initializer=normal())(x)
    encoder = keras.Model(x, code, name="encoder")

    full = {"dtype": keras.config.floatx()}  # whatever --mixed-precision does to the other layers
    z = keras.Input([d], name="code")
    logits = keras.Model(z, layers.Dense(D, kernel_initializer=normal(), **full)(z), name="logits")
    decoder = keras.Model(z, layers.Activation("sigmoid", **full)(logits(z)), name="decoder")

    return keras.Model(x, decoder(encoder(x)), name="low_level_ae_class")


def build_layers(settings):
    """Stacks the article's three layers, in its `Sequential`, and takes the stack apart."""
    stack = keras.Sequential(
        [
            keras.Input([D], name="digit"),
            layers.Dense(256),
            layers.Dense(d, name="bottleneck"),
            layers.Dense(D, activation="sigmoid", dtype=keras.config.floatx()),
        ]
    )
    return take_apart(stack)


def take_apart(autoencoder):
    """Takes encoder and decoder out of a stack by the name of its bottleneck layer.

    The article does so after training; the layers are shared, so that either order will do.

    Args:
        autoencoder: a `Sequential` with a layer named "bottleneck".

    Returns:
        A functional model of sub-models named "encoder" and "decoder" on the same weights.
    """
    bottleneck = autoencoder.get_layer("bottleneck")
    encoder = keras.Model(autoencoder.inputs[0], bottleneck.output, name="encoder")
    z = x_hat = keras.Input(bottleneck.output.shape[1:], name="code")
    for layer in autoencoder.layers[autoencoder.layers.index(bottleneck) + 1 :]:
        x_hat = layer(x_hat)
    decoder = keras.Model(z, x_hat, name="decoder")
    x = keras.Input(encoder.input_shape[1:], name="digit")
    return keras.Model(x, decoder(encoder(x)), name="low_level_ae_layers")


# %% keras: loss
@keras.saving.register_keras_serializable(package="low_level_ae")
def sum_loss(x, logits):
    """The class's loss, in the form that `compile` takes."""
    return sum_of_cross_entropies(x, logits)


@keras.saving.register_keras_serializable(package="low_level_ae")
def doubled_sigmoid_loss(x, x_hat):
    """The article's `tf.losses.sigmoid_cross_entropy` on an output that is a sigmoid already."""
    return doubled_sigmoid_cross_entropy(x, x_hat)


# %% keras: fit
def train_class(autoencoder, data, settings, run):
    """Fits a model that ends at the logits and shares all its layers with the autoencoder."""
    encoder, decoder = autoencoder.get_layer("encoder"), autoencoder.get_layer("decoder")
    x = autoencoder.inputs[0]
    to_logits = keras.Model(x, decoder.get_layer("logits")(encoder(x)))
    optimizer = RMSpropTF1(settings.learning_rate)
    fit_keras(to_logits, optimizer, sum_loss, permuted(data, settings), data, settings, run)


def train_layers(autoencoder, data, settings, run):
    """Fits the stack."""
    # erratum: the loss of the Keras half
    loss = "binary_crossentropy" if settings.corrected else doubled_sigmoid_loss
    optimizer = keras.optimizers.Adam(settings.layers_learning_rate, epsilon=1e-8)
    fit_keras(autoencoder, optimizer, loss, shuffled(data, settings), data, settings, run)


def fit_keras(model, optimizer, loss, order, data, settings, run):
    """Compiles and fits; the batches are those of the low-level style."""
    model.compile(
        optimizer,
        loss,
        metrics=[LastBatch(loss)],
        steps_per_execution=run.steps_at_once(order, settings.jit_compile),
        jit_compile=settings.jit_compile,
    )
    # In short, for the layers: fit(x, x, batch_size=32, epochs=10). What stands here instead gives
    # both styles the same minibatches, and lets an interrupted run go on.
    model.fit(
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
    """Draws test digits over their reconstructions, once whole and once through the code.

    The article's picture is lost; that these are the first ten is our choice.
    """
    encode, decode, reconstruct = codec(network)
    digits = data.x_test[:10]
    rows = {
        "original": digits,
        "reconstructed": reconstruct(digits),
        "decode(z)": decode(encode(digits)),
    }
    images = {title: x.reshape(-1, 28, 28) for title, x in rows.items()}
    shows = "ten test digits over their reconstructions, whole and through the code"
    report.figure("reconstructions", figures.strip(images), shows)


def examples(data):
    """Chooses ten test digits to follow through the training."""
    return Examples(data.x_test[:10])


# %% published
# The article prints no number, only a picture of digits and their reconstructions.


# %% claims
# The article's marks of a good autoencoder: it compresses, replicates, encodes and decodes. That
# reconstructions are recognisable is asked of every lesson on digits.
CLAIMS = BASIC_CLAIMS


# %% errata
# Erratum(where, what stands there, what follows, what the variants do, {what measures it})
def dead_units(network, data, settings):
    """Counts the numbers of the code that are zero for every test digit."""
    return np.sum(codec(network).encode(data.x_test).max(axis=0) == 0)


def greys(network, data, settings):
    """Returns the share of reconstructed pixels between 0.1 and 0.9."""
    x_hat = codec(network).reconstruct(data.x_test)
    return np.mean((x_hat > 0.1) & (x_hat < 0.9))


ERRATA = (
    Erratum("W1 and W2 of the class",
            "are drawn from N(0, 1), under a loss that is a sum over 64 x 784 pixels",
            "more than half of the ReLU units fire for no test digit, in TensorFlow 1 as well",
            "weights of variance 2 / (784 + 128); the sum, which alone stops few units, stays",
            {"units of 128 that no test digit excites": dead_units,
             "mean squared error of the class on test digits": test_error},
            network="class"),
    Erratum("the loss of the Keras half",
            "applies sigmoid cross entropy to the output of a sigmoid",
            "no loss below 0.656 is possible on these digits, and greys turn black or white",
            "cross entropy of the output itself",
            {"share of reconstructed pixels between 0.1 and 0.9": greys,
             "mean squared error of the layers on test digits": test_error},
            network="layers"),
    Erratum("get_encode_tensor", "asks for a layer named 'encode'",
            "ValueError: the layer was named 'bottleneck'", "both variants ask for 'bottleneck'"),
    Erratum("get_bottleneck_tensor", "is called and nowhere defined",
            "NameError: the function is get_encode_tensor",
            "both variants take the code by the layer's name"),
    Erratum("the session of the class",
            "is created and then replaced by the default one, unless our copy has lost a line",
            "outside a `with` there is no default one",
            "both variants have variables, which begin initialised"),
    Erratum("the loss of the class", "is justified by black and white images",
            "of the pixels that are not black nearly half are greys, from 0.1 to 0.9; cross "
            "entropy suits them as well, but is not the error of a binary classification",
            "both variants have cross entropy"),
    Erratum("the introduction", "calls autoencoders a pillar of generative adversarial networks",
            "such a pair is a generator and a discriminator, and in the plain one neither encodes",
            "both variants are autoencoders"),
    Erratum("the session of the Keras half", "is looked for in `self`, outside any class",
            "NameError; nor is it the default session, and a new one has no trained weights",
            "both variants call the models, which need no session"),
    Erratum("the batches", "set `batch_size` and count with `bs`", "NameError",
            "both variants count with the batch size"),
)  # fmt: skip

# %% main
LESSON = Lesson(
    name="low_level_ae",
    doc=__doc__,
    presets=PRESETS,
    load=load,
    networks={
        "class": {
            "low-level": Style(Autoencoder, train_class_low_level),
            "keras": Style(build_class, train_class),
        },
        "layers": {
            "low-level": Style(LayeredAutoencoder, train_layers_low_level),
            "keras": Style(build_layers, train_layers),
        },
    },
    draw=draw,
    examples=examples,
    claims=CLAIMS,
    errata=ERRATA,
)

if __name__ == "__main__":
    cli.main(LESSON)
