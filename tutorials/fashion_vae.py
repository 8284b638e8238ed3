"""A variational autoencoder lays clothes out on a plane, from which new clothes can be drawn.

Article   Matthew Stewart, "Comprehensive Introduction to Autoencoders", part 3
Model     D. P. Kingma and M. Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114
Network   Conv 32-64-64-64, Dense 32, a mean and a spread of 2 numbers; Dense 12544, Conv 32, 1
Training  cross entropy + 5e-4 times a divergence; RMSprop 0.001 as in Keras 2.2; 20 epochs
Result    loss 0.3225 +- 0.0012 (published: 0.3227); 17 to 40 minutes a style on two cores

    python -m tutorials.fashion_vae --preset quick         both styles, two epochs of 10,000 images
    python -m tutorials.fashion_vae --style keras          one style, all 20 epochs
    python -m tutorials.fashion_vae --generate bag         also draw new bags
    python -m tutorials.fashion_vae --variant corrected    train on the evidence lower bound
    python -m tutorials errata fashion_vae                 what the article gets wrong, measured

The encoder gives each image a normal distribution of codes, q(z|x). The decoder gets a code drawn
from it, so codes near each other must decode to similar images. The divergence D(q(z|x) || p(z))
pulls each distribution towards p(z) = N(0, 1), so what lies between the codes decodes too.
The theory asks for the largest likelihood p(x), which no one can compute. But log p(x) is never
less than E[log p(x|z)] - D, the evidence lower bound. One drawn code per image estimates E.

Look for the two meanings of the encoder's second output `s`. Sampling takes it for log sigma, the
divergence for log sigma^2. In the figures, look for classes that share a place on the plane.
"""

# %% Setup
import sys
from typing import NamedTuple

from ae import cli, datasets, figures
from ae.lesson import Settings
from ae.training.minibatches import Shuffled
from ae.training.optimizers import RMSpropKeras2

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.stats import norm

LATENT_DIM = 2  # numbers in a code
FEATURE_SHAPE = (14, 14, 64)  # of the last convolution, and where the decoder begins
FEATURES = 14 * 14 * 64  # 12544
SAMPLING_POWER = 1  # sampling takes s for log(sigma^1); the divergence takes it for log(sigma^2)
KL_WEIGHT = 5e-4
EPSILON = 1e-7  # Keras keeps probabilities this far from 0 and 1
HELD_OUT = 10_000  # the last training images; they validate
SIDE = 20  # decoded codes across the manifold

SETTINGS = Settings(  # options such as --epochs override them
    num_epochs=20,
    batch_size=16,
    learning_rate=0.001,
    steps_per_call=64,  # minibatches in one compiled call, of 3750 an epoch; for speed alone
)


# %% Data
class Data(NamedTuple):
    """Clothes (n, 28, 28, 1) in [0, 1], with their classes 0 to 9."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    provenance: datasets.Provenance


def load(settings, data_dir, held_out=0):
    """Loads Fashion-MNIST; the last 10,000 of its 60,000 training images validate.

    The article trains on these too, so it holds out none: its author's notebook draws 9,600 images
    at random to validate on, then loads all 60,000 again to train on.
    """
    fashion = datasets.load_fashion_mnist(data_dir)
    kept = len(fashion.x_train) - held_out
    return Data(
        datasets.nhwc(fashion.x_train[:kept])[: settings.num_train],
        fashion.y_train[:kept][: settings.num_train],
        datasets.nhwc(fashion.x_train[-HELD_OUT:])[: settings.num_test],
        datasets.nhwc(fashion.x_test)[: settings.num_test],
        fashion.y_test[: settings.num_test],
        fashion.provenance,
    )


def minibatches(data, settings):
    """Shuffles the images at each epoch, as `Model.fit` does."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
def glorot(*shape):
    """Draws a kernel from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does."""
    pixels = np.prod(shape[:-2])  # 9 of a 3 x 3 kernel, 1 of a matrix
    limit = np.sqrt(6 / (pixels * (shape[-2] + shape[-1])))
    return tf.Variable(tf.random.uniform(shape, -limit, limit))


def dense(units_in, units_out):
    """Makes the matrix and the biases of a dense layer."""
    return glorot(units_in, units_out), tf.Variable(tf.zeros([units_out]))


def conv(channels_in, channels_out):
    """Makes the 3 x 3 kernel and the biases of a convolution."""
    return glorot(3, 3, channels_in, channels_out), tf.Variable(tf.zeros([channels_out]))


def conv_transpose(channels_in, channels_out):
    """Makes those of a transposed convolution, whose kernel TensorFlow stores as (3, 3, out, in)."""
    return glorot(3, 3, channels_out, channels_in), tf.Variable(tf.zeros([channels_out]))


class VAE(tf.Module):
    """The encoder gives a distribution of codes, the decoder an image of a code.

    The codes of an image have the distribution N(z_mean, sigma^2) in each of two dimensions. So
    that sigma is positive, the encoder computes a logarithm s = log(sigma^power). The article
    calls it z_log_sigma and samples as this says, with power 1. But it computes the divergence as
    if power were 2, the usual choice.
    """

    def __init__(self, seed=0, power=SAMPLING_POWER):
        super().__init__()
        self.power = power
        self.W1, self.b1 = conv(1, 32)
        self.W2, self.b2 = conv(32, 64)
        self.W3, self.b3 = conv(64, 64)
        self.W4, self.b4 = conv(64, 64)
        self.W5, self.b5 = dense(FEATURES, 32)
        self.W_mean, self.b_mean = dense(32, LATENT_DIM)
        self.W_s, self.b_s = dense(32, LATENT_DIM)
        self.W6, self.b6 = dense(LATENT_DIM, FEATURES)
        self.W7, self.b7 = conv_transpose(64, 32)
        self.W8, self.b8 = conv(32, 1)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3, self.W4, self.b4]
        self.weights += [self.W5, self.b5, self.W_mean, self.b_mean, self.W_s, self.b_s]
        self.weights += [self.W6, self.b6, self.W7, self.b7, self.W8, self.b8]
        self.noise = tf.random.Generator.from_seed(seed)

    def encode(self, x):
        """Maps images (batch, 28, 28, 1) to z_mean and s, both (batch, 2)."""
        h = tf.nn.relu(tf.nn.conv2d(x, self.W1, 1, "SAME") + self.b1)  # (batch, 28, 28, 32)
        h = tf.nn.relu(tf.nn.conv2d(h, self.W2, 2, "SAME") + self.b2)  # (batch, 14, 14, 64)
        h = tf.nn.relu(tf.nn.conv2d(h, self.W3, 1, "SAME") + self.b3)
        h = tf.nn.relu(tf.nn.conv2d(h, self.W4, 1, "SAME") + self.b4)
        h = tf.reshape(h, [-1, FEATURES])  # (batch, 12544)
        h = tf.nn.relu(h @ self.W5 + self.b5)  # (batch, 32)
        return h @ self.W_mean + self.b_mean, h @ self.W_s + self.b_s

    def sample(self, z_mean, s):
        """Draws codes z = z_mean + sigma epsilon (batch, 2), with epsilon from N(0, 1).

        A draw has no gradient. Written so, it has one by z_mean and s: the reparameterisation trick.
        """
        epsilon = self.noise.normal(tf.shape(z_mean), dtype=z_mean.dtype)
        return z_mean + tf.exp(s / self.power) * epsilon  # the article: exp(s)

    def decode(self, z):
        """Maps codes (batch, 2) to images (batch, 28, 28, 1)."""
        h = tf.nn.relu(z @ self.W6 + self.b6)  # (batch, 12544)
        h = tf.reshape(h, [-1, *FEATURE_SHAPE])
        shape = tf.stack([tf.shape(z)[0], 28, 28, 32])
        h = tf.nn.relu(tf.nn.conv2d_transpose(h, self.W7, shape, 2, "SAME") + self.b7)
        return tf.nn.sigmoid(tf.nn.conv2d(h, self.W8, 1, "SAME") + self.b8)


# %% Low-level: loss
def cross_entropy(x, x_hat):
    """Averages -x log x_hat - (1 - x) log(1 - x_hat) over pixels and batch."""
    x_hat = tf.clip_by_value(x_hat, EPSILON, 1 - EPSILON)
    return -tf.reduce_mean(x * tf.math.log(x_hat) + (1 - x) * tf.math.log(1 - x_hat))


def kl_divergence(z_mean, s):
    """Returns D = -1/2 sum(1 + s - z_mean^2 - exp(s)) of each image, (batch,), never negative.

    It says in nats how far N(z_mean, sigma^2) is from N(0, 1), if s is log sigma^2.
    """
    return -0.5 * tf.reduce_sum(1 + s - tf.square(z_mean) - tf.exp(s), axis=-1)


# %% Low-level: training
def train_low_level(network, data, settings, run, kl_weight=KL_WEIGHT):
    """Repeats  v <- 0.9 v + 0.1 g^2,  w <- w - lr g / (sqrt(v) + 1e-7)  with g = dL/dw.

    v starts at 0, so the first step is about 3 lr for every weight, whatever the gradient.
    The loss L is the cross entropy plus kl_weight times the mean D. The article writes 5e-4 times
    the mean of D's terms; with two dimensions that is 5e-4 D.
    """
    optimizer = RMSpropKeras2(settings.learning_rate)
    optimizer.build(network.weights)
    order = minibatches(data, settings)
    images = tf.constant(data.x_train)

    def loss_of(x):
        z_mean, s = network.encode(x)
        x_hat = network.decode(network.sample(z_mean, s))
        return cross_entropy(x, x_hat) + kl_weight * tf.reduce_mean(kl_divergence(z_mean, s))

    def train_step(x):
        with tf.GradientTape() as tape:
            loss = loss_of(x)
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 16): which images make up each minibatch
        losses = tf.TensorArray(images.dtype, len(rows))
        for i in tf.range(len(rows)):  # AutoGraph compiles this loop, so Python is not in the way
            losses = losses.write(i, train_step(tf.gather(images, rows[i])))
        return losses.stack()

    test_step = tf.function(loss_of, reduce_retracing=True)
    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 64 minibatches at a time
            run.log(train_steps(rows))
        run.validate(test_step, data.x_val, batch_size=500)


# %% Keras: network
@keras.saving.register_keras_serializable(package="fashion_vae")  # so that a saved model loads
class Sampling(layers.Layer):
    """Draws codes z = z_mean + sigma epsilon, with sigma = exp(s / power), as `VAE.sample` does."""

    def __init__(self, power=SAMPLING_POWER, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.power, self.seed = power, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        z_mean, s = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=s.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(s / self.power) * epsilon

    def get_config(self):
        return {**super().get_config(), "power": self.power, "seed": self.seed}


def build_keras(seed=0, power=SAMPLING_POWER, kl_weight=KL_WEIGHT):
    """Stacks the same layers; the loss is a layer too, as in the article."""
    relu = {"activation": "relu", "padding": "same"}

    x = keras.Input([28, 28, 1], name="image")
    h = layers.Conv2D(32, 3, **relu)(x)
    h = layers.Conv2D(64, 3, strides=2, **relu)(h)  # (14, 14, 64)
    h = layers.Conv2D(64, 3, **relu)(h)
    h = layers.Conv2D(64, 3, **relu)(h)
    h = layers.Dense(32, activation="relu")(layers.Flatten()(h))
    z_mean = layers.Dense(LATENT_DIM, name="z_mean")(h)
    s = layers.Dense(LATENT_DIM, name="z_log_sigma")(h)  # the article's name
    encoder = keras.Model(x, (z_mean, s), name="encoder")

    z = keras.Input([LATENT_DIM], name="code")
    h = layers.Reshape(FEATURE_SHAPE)(layers.Dense(FEATURES, activation="relu")(z))
    h = layers.Conv2DTranspose(32, 3, strides=2, **relu)(h)  # (28, 28, 32)
    image = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(h)
    decoder = keras.Model(z, image, name="decoder")

    z_mean, s = encoder(x)
    x_hat = decoder(Sampling(power, seed)([z_mean, s]))
    x_hat = VariationalLoss(kl_weight)([x, x_hat, z_mean, s])
    return keras.Model(x, x_hat, name="fashion_vae")


# %% Keras: loss
@keras.saving.register_keras_serializable(package="fashion_vae")
class VariationalLoss(layers.Layer):
    """Adds cross entropy and weighted divergence to the model's losses; passes x_hat on."""

    def __init__(self, kl_weight=KL_WEIGHT, **kwargs):
        super().__init__(**kwargs)
        self.kl_weight = kl_weight

    def call(self, inputs):
        x, x_hat, z_mean, s = inputs
        # Keras 3 computes the cross entropy of a sigmoid's output from the logits before the
        # sigmoid, unclipped. Keras 2 clipped. What is clipped here is no sigmoid's output any more.
        clipped = ops.clip(x_hat, EPSILON, 1 - EPSILON)
        reconstruction_loss = ops.mean(keras.losses.binary_crossentropy(x, clipped))
        divergence = -0.5 * ops.sum(1 + s - ops.square(z_mean) - ops.exp(s), axis=-1)  # (batch,)
        self.add_loss(reconstruction_loss + self.kl_weight * ops.mean(divergence))
        return x_hat

    def get_config(self):
        return {**super().get_config(), "kl_weight": self.kl_weight}


# %% Keras: training
def train_keras(vae, data, settings, run):
    """Compiles without a loss, which is in the model, and fits on the same minibatches."""
    vae.compile(
        optimizer=RMSpropKeras2(settings.learning_rate),
        steps_per_execution=settings.steps_per_call,
        jit_compile=settings.jit_compile,
    )
    vae.fit(
        run.dataset(minibatches(data, settings), data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        validation_data=(data.x_val, data.x_val),
        validation_batch_size=500,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def manifold_codes():
    """Lays 20 x 20 codes out, row by row, at quantiles 0.05 to 0.95 of N(0, 1)."""
    grid = norm.ppf(np.linspace(0.05, 0.95, SIDE)).astype("float32")
    rows, columns = np.meshgrid(grid, grid, indexing="ij")
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


def draw(encode, decode, data):
    """Draws the article's manifold and plane of codes, and ten reconstructed images."""
    z_mean, _ = encode(data.x_train)
    images = data.x_test[:10]
    rows = {"original": images, "reconstructed": decode(encode(images)[0])}
    return {
        "manifold": figures.manifold(decode(manifold_codes()), SIDE),
        "latent": figures.scatter({"": z_mean}, data.y_train, cmap="brg"),
        "reconstructions": figures.strip({k: v[..., 0] for k, v in rows.items()}),
    }


# %% Run
# `cli.main` calls the functions above. It loads the data once. Then, for each style, it builds the
# network, trains it, and draws it with its `encode` and `decode`, which take NumPy arrays.
NETWORKS = {
    "autoencoder": {
        "low-level": (VAE, train_low_level),
        "keras": (build_keras, train_keras),
    }
}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
