"""A convolutional autoencoder removes salt and pepper from pictures of clothes.

Article   "Comprehensive Introduction to Autoencoders", Matthew Stewart, part 1, Denoising
Network   Conv 64-32-16 with pooling, a code of 4 x 4 x 16, Conv 16-32-64 with up-sampling, Conv 1
Training  mean squared error; Adam 0.001; 20 epochs of 30 minibatches of 2048
Result    training loss of epoch 20: 0.0167 +- 0.0004, standard deviation of 3 runs (none published)

    python -m tutorials conv_denoiser                       both styles, 10 minutes each on 2 cores
    python -m tutorials conv_denoiser --noise gaussian      white noise instead
    python -m tutorials conv_denoiser --variant corrected   fresh noise each epoch, held-out images
    python -m tutorials errata conv_denoiser                what the article gets wrong, measured

Look for what disappears with the noise, such as the print of the second garment: a code has only
256 numbers. A 3 x 3 median filter, which needs no training, comes nearer to the clean images.
"""

# %% Setup
import sys
from collections import namedtuple
from functools import partial

from ae import cli, datasets, figures, metrics  # first: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.operations import pooled_relu, upsampled_conv2d
from ae.training.minibatches import Shuffled

import keras
import numpy as np
import tensorflow as tf
from imgaug import augmenters
from keras import layers

SALT_AND_PEPPER = partial(augmenters.SaltAndPepper, 0.1)  # replaces a tenth of the pixels
PATIENCE = 10  # epochs without a better validation loss; the last weights stay, not the best
# Garments in the article's figures, by split and number in Keras's Fashion-MNIST:
SHOWN = (("test", 6616), ("test", 6329), ("train", 32595), ("test", 9830), ("train", 5469))
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=20, batch_size=2048, learning_rate=0.001, steps_per_call=1)

# %% Data
PAIRS = "x_train x_train_noisy x_val x_val_noisy x_test x_test_noisy x_shown x_shown_noisy"
Data = namedtuple("Data", f"{PAIRS} provenance")  # images (n, 28, 28, 1); clean ones in [0, 1]


def load(settings, data_dir, held_out=0, noise=SALT_AND_PEPPER):
    """Loads Fashion-MNIST with noise; validates on `held_out` training images or on test images."""
    fashion = datasets.load_fashion_mnist(data_dir)
    x_train = datasets.nhwc(fashion.x_train[: -held_out or None])[: settings.num_train]
    x_test = datasets.nhwc(fashion.x_test)[: settings.num_test]
    augmenter = augmenters.Sequential([noise(seed=settings.seed)])

    def with_noise(x):  # imgaug's noise is for values up to 255, so scale up and down again
        return augmenter.augment_images(x * 255) / 255

    x_train_noisy, x_test_noisy = with_noise(x_train), with_noise(x_test)
    x_val = datasets.nhwc(fashion.x_train[-held_out:])[: settings.num_test] if held_out else x_test
    x_val_noisy = with_noise(x_val) if held_out else x_test_noisy  # the article: test images
    x_shown = datasets.nhwc([getattr(fashion, f"x_{s}").take(i, 0, mode="wrap") for s, i in SHOWN])
    pairs = x_train, x_train_noisy, x_val, x_val_noisy, x_test, x_test_noisy
    return Data(*pairs, x_shown, with_noise(x_shown), fashion.provenance)


def drawn_once(data, settings, epoch):
    """Returns the noisy training images of an epoch: in the article, the same at each."""
    return data.x_train_noisy


def minibatches(data, settings):
    """Shuffles the images at each epoch, as `fit` does; the last of 30 minibatches is smaller."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
def conv(m, n):
    """Draws a 3 x 3 kernel from U(-l, l), l = sqrt(6 / (9 m + 9 n)), as Keras does; b = 0."""
    limit = np.sqrt(6 / (9 * m + 9 * n))
    return tf.Variable(tf.random.uniform([3, 3, m, n], -limit, limit)), tf.Variable(tf.zeros([n]))


def upsample(x):
    """Repeats every pixel twice down and twice across."""
    return tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)


class Denoiser(tf.Module):
    """Three convolutions down to the code, three up, and one to make an image."""

    def __init__(self, output=tf.nn.sigmoid):
        super().__init__()
        self.down = [conv(1, 64), conv(64, 32), conv(32, 16)]
        self.up = [conv(16, 16), conv(16, 32), conv(32, 64), conv(64, 1)]
        self.weights = [w for layer in (*self.down, *self.up) for w in layer]
        self.output = output

    def encode(self, x):
        """Maps images (batch, 28, 28, 1) to codes (batch, 4, 4, 16)."""
        for W, b in self.down:  # max_pool(relu(conv2d(x, W) + b)), pooling first to save work
            x = pooled_relu(tf.nn.conv2d(x, W, 1, "SAME"), b)  # to 14 x 14, 7 x 7 and 4 x 4
        return x

    def decode(self, z):
        """Maps codes (batch, 4, 4, 16) to images (batch, 28, 28, 1)."""
        (W4, b4), (W5, b5), (W6, b6), (W7, b7) = self.up
        h = tf.nn.relu(tf.nn.conv2d(z, W4, 1, "SAME") + b4)  # (4, 4, 16)
        h = tf.nn.relu(tf.nn.conv2d(upsample(h), W5, 1, "SAME") + b5)  # (8, 8, 32)
        h = tf.nn.relu(tf.nn.conv2d(upsample(h), W6, 1, "VALID") + b6)  # 16 x 16 to (14, 14, 64)
        return self.output(upsampled_conv2d(h, W7) + b7)  # conv2d(upsample(h), W7), in less memory


# %% Low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch; x is the clean image."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% Low-level: training
def train_low_level(network, data, settings, run, noisy=drawn_once):
    """Repeats Adam's step t:  w <- w - lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-7).

    First m <- 0.9 m + 0.1 dL/dw and v <- 0.999 v + 0.001 (dL/dw)^2. Both start at 0.
    """
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.weights)
    order, x = minibatches(data, settings), tf.constant(data.x_train)

    def loss_of(noisy, clean):
        return mean_squared_error(clean, network.decode(network.encode(noisy)))

    def train_step(noisy, clean):
        with tf.GradientTape() as tape:
            loss = loss_of(noisy, clean)
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(x_noisy, rows):  # rows (steps, 2048): which images make up each minibatch
        losses = tf.TensorArray(x.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            pair = tf.gather(x_noisy, rows[i]), tf.gather(x, rows[i])
            losses = losses.write(i, run.step(train_step, *pair))
        return losses.stack()

    test_step = tf.function(loss_of, reduce_retracing=True)
    for epoch in run.epochs(optimizer, patience=PATIENCE):  # shows progress, saves and resumes
        x_noisy = tf.constant(noisy(data, settings, epoch))
        for rows in run.chunks(order.epoch(epoch)):  # one at a time, as each takes a second
            run.log(train_steps(x_noisy, rows))
        run.validate(test_step, data.x_val_noisy, data.x_val, batch_size=settings.batch_size)


# %% Keras: network
def build_keras(output="sigmoid"):
    """Builds an encoder and a decoder of the same layers, and a model that joins them."""
    relu_same = {"activation": "relu", "padding": "same"}
    x = keras.Input([28, 28, 1])
    h = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(64, 3, **relu_same)(x))  # (14, 14, 64)
    h = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(32, 3, **relu_same)(h))  # (7, 7, 32)
    z = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(16, 3, **relu_same)(h))  # (4, 4, 16)
    encoder = keras.Model(x, z, name="encoder")
    z = keras.Input([4, 4, 16])
    h = layers.UpSampling2D(2)(layers.Conv2D(16, 3, **relu_same)(z))  # (8, 8, 16)
    h = layers.UpSampling2D(2)(layers.Conv2D(32, 3, **relu_same)(h))  # (16, 16, 32)
    h = layers.UpSampling2D(2)(layers.Conv2D(64, 3, activation="relu")(h))  # 14 to (28, 28, 64)
    x_hat = layers.Conv2D(1, 3, padding="same", activation=output)(h)
    decoder = keras.Model(z, x_hat, name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="autoencoder")


# %% Keras: training
def train_keras(autoencoder, data, settings, run, noisy=drawn_once):
    """Compiles the model and fits it to the minibatches of the low-level style."""
    # "mse" is the mean squared error; `compiled` holds steps_per_execution and jit_compile: speed.
    autoencoder.compile(keras.optimizers.Adam(settings.learning_rate), "mse", **settings.compiled)
    autoencoder.fit(
        run.dataset(minibatches(data, settings), partial(noisy, data, settings), data.x_train),
        epochs=settings.num_epochs,
        validation_data=(data.x_val_noisy, data.x_val),
        validation_batch_size=settings.batch_size,
        callbacks=run.callbacks(patience=PATIENCE),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots garments clean, noisy and cleaned, each in its full range of greys, and their codes."""
    noisy, codes = data.x_shown_noisy, encode(data.x_shown_noisy)
    rows = {"noisy": noisy, "median filter": metrics.median_filter(noisy), "output": decode(codes)}
    strip = figures.cleaned(data.x_shown, rows, size=2)  # with decibels
    return {"clean-noisy-output": strip, "latent-maps": figures.feature_maps(noisy, codes)}


# %% Run
# `cli.main` calls `load`, builds, trains and draws. Options pass arguments: see tutorials/articles.
STYLES = {"low-level": (Denoiser, train_low_level), "keras": (build_keras, train_keras)}
NETWORKS = {"autoencoder": STYLES}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
