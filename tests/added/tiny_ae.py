"""A tiny autoencoder repeats pictures of sixteen random pixels.

Article   none; this lesson stands for one more, which adds two files and changes no other
Network   16-4-16, linear
Training  mean squared error; SGD with momentum; minibatches of 8
"""

# %% Setup
import sys
from typing import NamedTuple

from ae import cli, datasets
from ae.lesson import Settings
from ae.training.minibatches import Shuffled

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

SETTINGS = Settings(num_epochs=4, batch_size=8, learning_rate=0.1)


# %% Data
class Data(NamedTuple):
    """Pictures (n, 16) in [0, 1]."""

    x_train: np.ndarray
    x_test: np.ndarray
    provenance: datasets.Provenance


def load(settings, data_dir, darkness=2):
    """Draws random pictures."""
    pixels = np.random.default_rng(0).random((52, 16), "float32") ** darkness
    x_train = pixels[12:][: settings.num_train]
    return Data(x_train, pixels[:12], datasets.Provenance("random numbers", "0" * 64))


def minibatches(data, settings):
    """Shuffles the pictures at each epoch."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
class Autoencoder(tf.Module):
    """z = x W1 + b1, x_hat = z W2 + b2."""

    def __init__(self, stddev=0.2, units=4):
        super().__init__()
        self.W1 = tf.Variable(tf.random.normal([16, units], stddev=stddev))
        self.b1 = tf.Variable(tf.zeros([units]))
        self.W2 = tf.Variable(tf.random.normal([units, 16], stddev=stddev))
        self.b2 = tf.Variable(tf.zeros([16]))
        self.weights = [self.W1, self.b1, self.W2, self.b2]

    def encode(self, x):
        """Maps pictures (batch, 16) to codes (batch, 4)."""
        return x @ self.W1 + self.b1

    def decode(self, z):
        """Maps codes (batch, 4) to pictures (batch, 16)."""
        return z @ self.W2 + self.b2


# %% Low-level: training
def train_low_level(network, data, settings, run):
    """Steps against the gradient, with momentum."""
    optimizer = keras.optimizers.SGD(settings.learning_rate, momentum=0.9)
    optimizer.build(network.weights)
    pictures = tf.constant(data.x_train)
    order = minibatches(data, settings)

    def train_step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(x - network.decode(network.encode(x))))
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):
        losses = tf.TensorArray(pictures.dtype, len(rows))
        for i in tf.range(len(rows)):
            losses = losses.write(i, run.step(train_step, tf.gather(pictures, rows[i])))
        return losses.stack()

    for epoch in run.epochs(optimizer):
        for rows in run.chunks(order.epoch(epoch)):
            run.log(train_steps(rows))


# %% Keras: network
def build_keras(stddev=0.2, units=4):
    """Stacks the same two layers."""
    normal = keras.initializers.RandomNormal(stddev=stddev)
    x = keras.Input([16])
    encoder = keras.Model(x, layers.Dense(units, kernel_initializer=normal)(x), name="encoder")
    z = keras.Input([units])
    decoder = keras.Model(z, layers.Dense(16, kernel_initializer=normal)(z), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="autoencoder")


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles and fits."""
    autoencoder.compile(
        keras.optimizers.SGD(settings.learning_rate, momentum=0.9),
        loss="mean_squared_error",
        **settings.compiled,
    )
    autoencoder.fit(
        run.dataset(minibatches(data, settings), data.x_train),
        epochs=settings.num_epochs,
        callbacks=run.callbacks(),
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Draws a picture over its reconstruction."""
    figure, axes = plt.subplots(2, 1)
    for axis, x in zip(axes, (data.x_test[:1], decode(encode(data.x_test[:1]))), strict=True):
        axis.imshow(x.reshape(4, 4), cmap="gray", vmin=0, vmax=1)
    return {"pair": figure}


# %% Run
NETWORKS = {
    "autoencoder": {
        "low-level": (Autoencoder, train_low_level),
        "keras": (build_keras, train_keras),
    }
}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
