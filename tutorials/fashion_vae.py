"""A variational autoencoder places clothes on a plane and makes new clothes.

Article   "Comprehensive Introduction to Autoencoders", Matthew Stewart, after arXiv:1312.6114
Network   Conv 32-64-64-64, Dense 32, z_mean 2 and s 2; Dense 12544, transposed Conv 32, Conv 1
Training  cross entropy + 5e-4 times a divergence; RMSprop 0.001 as in Keras 2.2; 20 epochs
Result    training loss of epoch 20: 0.3225 +- 0.0011, mean +- standard deviation of 8 recorded runs
          (published: 0.3227); 17 to 40 minutes per style on two cores

    python -m tutorials fashion_vae --preset quick         both styles, two epochs of 10,000 images
    python -m tutorials fashion_vae --generate bag         all 20 epochs; also shows new bags
    python -m tutorials fashion_vae --variant corrected    train on the evidence lower bound
    python -m tutorials errata fashion_vae                 what the article gets wrong, measured

The encoder gives each image a normal distribution of codes, q(z|x). The decoder p(x|z) gets a code
drawn from it, so codes near each other must decode to similar images. The divergence D pulls q(z|x)
towards p(z) = N(0, 1), so the codes in between decode to clothes too. Training should raise
log p(x), but p(x) averages p(x|z) over all z, which takes too long. So it raises a number that
log p(x) is never below: E[log p(x|z)] - D, the evidence lower bound. One z per image estimates E.

Look for the two meanings of the encoder's second output `s`: sampling takes it for log sigma, the
divergence for log sigma^2. Where s < 0, the noise is smaller than the divergence assumes: 0.14
instead of 0.37 at s = -2. In the figures, look for classes that share a place on the plane.
"""

# %% Setup
import sys
from collections import namedtuple

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.training.minibatches import Shuffled
from ae.training.optimizers import RMSpropKeras2

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from scipy.stats import norm

LATENT_DIM = 2  # numbers in a code; with n, no plane is drawn and the loss has 2 / n times D
FEATURES = 14 * 14 * 64  # 12544, of the encoder's last convolution and of the decoder's Dense
SAMPLING_POWER = 1  # sampling computes sigma = exp(s / 1); the divergence means exp(s / 2)
KL_WEIGHT = 5e-4  # of D in the loss; `cross_entropy` explains why the lower bound has 1 / 784
EPSILON = 1e-7  # Keras keeps x_hat this far from 0 and 1, so that no logarithm is infinite
NUM_VAL = 10_000  # the last training images validate. The article trains on them too, so val_loss
# says little about new images.
SIDE = 20  # decoded codes across and down the manifold
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=20, batch_size=16, learning_rate=0.001, steps_per_call=64)

# %% Data
Data = namedtuple("Data", "x_train y_train x_val x_test y_test class_names provenance")


def load(settings, data_dir, held_out=0):
    """Loads images (n, 28, 28, 1) in [0, 1] and classes; sets the last `held_out` aside."""
    full = datasets.load_fashion_mnist(data_dir)
    last = len(full.x_train) - held_out
    train, test = slice(min(last, settings.num_train or last)), slice(settings.num_test)
    images = full.x_train[train], full.x_train[-NUM_VAL:][test], full.x_test[test]
    x_train, x_val, x_test = map(datasets.nhwc, images)
    return Data(x_train, full.y_train[train], x_val, x_test, full.y_test[test], *full[-2:])


def minibatches(data, settings):
    """Shuffles the images at each epoch, as `fit` does: 3750 minibatches of 16."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
def layer(*shape, biases=None):
    """Draws a kernel (in, out) or (3, 3, in, out) after Glorot and Bengio, as Keras does; b = 0."""
    limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))  # 6 / (fan_in + fan_out)
    kernel = tf.random.uniform(shape, -limit, limit)
    return tf.Variable(kernel), tf.Variable(tf.zeros([biases or shape[-1]]))


class VAE(tf.Module):
    """The encoder gives a distribution of codes, the decoder makes an image from a code.

    The codes of an image have the distribution N(z_mean, sigma^2). The encoder outputs a logarithm
    s, because sigma = exp(s / power) is positive for every s. The article calls s z_log_sigma and
    samples with power 1. But its divergence takes s for log sigma^2, which is power 2.
    """

    def __init__(self, seed=0, power=SAMPLING_POWER):
        super().__init__()
        self.encoder = [*layer(3, 3, 1, 32), *layer(3, 3, 32, 64), *layer(3, 3, 64, 64)]
        self.encoder += [*layer(3, 3, 64, 64), *layer(FEATURES, 32)]
        self.encoder += [*layer(32, LATENT_DIM), *layer(32, LATENT_DIM)]
        self.decoder = [*layer(LATENT_DIM, FEATURES)]  # next a transposed kernel: (3, 3, out, in)
        self.decoder += [*layer(3, 3, 32, 64, biases=32), *layer(3, 3, 32, 1)]
        self.weights = [*self.encoder, *self.decoder]
        self.noise = tf.random.Generator.from_seed(seed)
        self.power = power

    def encode(self, x):
        """Maps images (batch, 28, 28, 1) to z_mean and s, both (batch, 2)."""
        W1, b1, W2, b2, W3, b3, W4, b4, W5, b5, W_mean, b_mean, W_s, b_s = self.encoder
        h = tf.nn.relu(tf.nn.conv2d(x, W1, 1, "SAME") + b1)  # (batch, 28, 28, 32)
        h = tf.nn.relu(tf.nn.conv2d(h, W2, 2, "SAME") + b2)  # (batch, 14, 14, 64)
        h = tf.nn.relu(tf.nn.conv2d(h, W3, 1, "SAME") + b3)
        h = tf.nn.relu(tf.nn.conv2d(h, W4, 1, "SAME") + b4)
        h = tf.nn.relu(tf.reshape(h, [-1, FEATURES]) @ W5 + b5)  # (batch, 32)
        return h @ W_mean + b_mean, h @ W_s + b_s

    def sample(self, z_mean, s):
        """Draws codes (batch, 2); gradients reach z_mean and s: the reparameterization trick."""
        epsilon = self.noise.normal(tf.shape(z_mean), dtype=z_mean.dtype)
        return z_mean + tf.exp(s / self.power) * epsilon

    def decode(self, z):
        """Maps codes (batch, 2) to images (batch, 28, 28, 1)."""
        W6, b6, W7, b7, W8, b8 = self.decoder
        h = tf.reshape(tf.nn.relu(z @ W6 + b6), [-1, 14, 14, 64])
        shape = tf.stack([tf.shape(z)[0], 28, 28, 32])  # of the output
        h = tf.nn.relu(tf.nn.conv2d_transpose(h, W7, shape, 2, "SAME") + b7)  # (batch, 28, 28, 32)
        return tf.nn.sigmoid(tf.nn.conv2d(h, W8, 1, "SAME") + b8)


# %% Low-level: loss
def cross_entropy(x, x_hat):
    """Averages -x log x_hat - (1 - x) log(1 - x_hat) over pixels and batch.

    It stands for -log p(x|z) / 784: log p(x|z) sums over the 784 pixels, and this is a mean. The
    lower bound, divided by 784 too, has D / 784. That is 2.6 times as much as KL_WEIGHT times D.
    """
    x_hat = tf.clip_by_value(x_hat, EPSILON, 1 - EPSILON)
    return -tf.reduce_mean(x * tf.math.log(x_hat) + (1 - x) * tf.math.log(1 - x_hat))


def kl_divergence(z_mean, s):
    """Averages D = -1/2 sum(1 + s - z_mean^2 - exp(s)) over the batch; here s is log sigma^2."""
    return -tf.reduce_mean(1 + s - tf.square(z_mean) - tf.exp(s))  # 1/2 sum of two = their mean


# %% Low-level: training
def train_low_level(network, data, settings, run, kl_weight=KL_WEIGHT):
    """Repeats  v <- 0.9 v + 0.1 g^2,  w <- w - lr g / (sqrt(v) + 1e-7)  with g = dL/dw.

    L is the cross entropy plus kl_weight times the mean D. Keras 2.2 starts v at 0, so the first
    step is about 3 lr where |g| is far above 3e-7.
    """
    optimizer = RMSpropKeras2(settings.learning_rate)
    optimizer.build(network.weights)
    order, images = minibatches(data, settings), tf.constant(data.x_train)

    def loss_of(x):
        z_mean, s = network.encode(x)
        x_hat = network.decode(network.sample(z_mean, s))
        return cross_entropy(x, x_hat) + kl_weight * kl_divergence(z_mean, s)

    @tf.function  # a graph of its own: without this line, rounding differs from the recorded runs
    def train_step(x):
        with tf.GradientTape() as tape:
            loss = loss_of(x)
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 16): which images make up each minibatch
        losses = tf.TensorArray(images.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(images, rows[i])))
        return losses.stack()

    test_step = tf.function(loss_of, reduce_retracing=True)
    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 64 at a time, then the 38 left
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
        """Maps z_mean and s, both (batch, 2), to codes (batch, 2)."""
        z_mean, s = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=s.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(s / self.power) * epsilon


def build_keras(seed=0, power=SAMPLING_POWER, kl_weight=KL_WEIGHT):
    """Builds the same encoder and decoder; the loss is a layer too, as in the article."""
    relu_same = {"activation": "relu", "padding": "same"}
    x = keras.Input([28, 28, 1], name="image")
    h = layers.Conv2D(32, 3, **relu_same)(x)
    h = layers.Conv2D(64, 3, strides=2, **relu_same)(h)  # (14, 14, 64)
    h = layers.Conv2D(64, 3, **relu_same)(h)
    h = layers.Conv2D(64, 3, **relu_same)(h)
    h = layers.Dense(32, activation="relu")(layers.Flatten()(h))
    z_mean = layers.Dense(LATENT_DIM, name="z_mean")(h)
    s = layers.Dense(LATENT_DIM, name="z_log_sigma")(h)  # the article's name
    encoder = keras.Model(x, (z_mean, s), name="encoder")
    z = keras.Input([LATENT_DIM], name="code")
    h = layers.Reshape([14, 14, 64])(layers.Dense(FEATURES, activation="relu")(z))
    h = layers.Conv2DTranspose(32, 3, strides=2, **relu_same)(h)  # (28, 28, 32)
    image = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(h)
    decoder = keras.Model(z, image, name="decoder")
    z_mean, s = encoder(x)
    x_hat = decoder(Sampling(power, seed)([z_mean, s]))
    return keras.Model(x, VariationalLoss(kl_weight)([x, x_hat, z_mean, s]), name="fashion_vae")


# %% Keras: loss
@keras.saving.register_keras_serializable(package="fashion_vae")
class VariationalLoss(layers.Layer):
    """Adds cross entropy and weighted divergence to the model's losses; returns x_hat unchanged."""

    def __init__(self, kl_weight=KL_WEIGHT, **kwargs):
        super().__init__(**kwargs)
        self.kl_weight = kl_weight

    def call(self, inputs):
        """Takes x and x_hat, both (batch, 28, 28, 1), and z_mean and s, both (batch, 2)."""
        x, x_hat, z_mean, s = inputs
        # Keras 3 finds the sigmoid that made x_hat and computes the loss from its input, unclipped.
        # Keras 2 clipped x_hat. Clipping it here gives Keras 2's numbers and hides the sigmoid.
        clipped = ops.clip(x_hat, EPSILON, 1 - EPSILON)
        reconstruction_loss = ops.mean(keras.losses.binary_crossentropy(x, clipped))
        divergence = -ops.mean(1 + s - ops.square(z_mean) - ops.exp(s))
        self.add_loss(reconstruction_loss + self.kl_weight * divergence)
        return x_hat


# %% Keras: training
def train_keras(vae, data, settings, run):
    """Compiles without a loss, because the model adds it, and fits to the same minibatches."""
    # `compiled` holds steps_per_execution and jit_compile, for speed only.
    vae.compile(RMSpropKeras2(settings.learning_rate), **settings.compiled)
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
    """Returns codes (400, 2) at quantiles 0.05 to 0.95: z_1 grows to the right, z_2 downwards."""
    grid = norm.ppf(np.linspace(0.05, 0.95, SIDE)).astype("float32")
    return np.array([(z_1, z_2) for z_2 in grid for z_1 in grid])


def draw(encode, decode, data):
    """Plots the article's decoded grid, the plane of codes, and ten reconstructed images."""
    z_mean, _ = encode(data.x_train)
    images = data.x_test[:10]
    rows = {"original": images, "reconstructed": decode(encode(images)[0])}  # from z_mean
    strip = {"reconstructions": figures.strip({k: v[..., 0] for k, v in rows.items()})}
    if LATENT_DIM != 2:
        return strip
    places = manifold_codes()
    plane = {"manifold": figures.manifold(decode(places), SIDE, places)}
    plane["latent"] = figures.scatter(z_mean, data.y_train, cmap="brg")  # the article's colours
    return plane | strip


# %% Run
# `cli.main` calls `load` once. For each style it builds the network with the run's seed, calls its
# train function (which calls `minibatches`), then `draw`. Its `encode` and `decode` take and return
# NumPy arrays. `--variant corrected` passes power=2, kl_weight=1 / 784 and held_out=10_000: see
# ARGUMENTS in tutorials/articles/fashion_vae.py.
STYLES = {"low-level": (VAE, train_low_level), "keras": (build_keras, train_keras)}
NETWORKS = {"autoencoder": STYLES}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
