"""Two penalties and a limit try to keep most units of a code inactive; not all of them succeed.

Article   A. Géron, "Hands-On Machine Learning", 3rd edition, chapter 17; a paragraph by M. Stewart
Networks  l1 and kl: 784-100-300-100-784, a code of 300 sigmoids; k_sparse: 784-1568-784, linear
Training  mean squared error plus penalty; Nadam 0.001 as in Keras 2; 10 epochs of 1719 x 32 images
Result    loss of epoch 10: l1 0.0111 +- 0.0001, kl 0.0100 +- 0.0002, k_sparse 0.0094 (3 runs each)
          (published: 0.0111 and 0.0098); six minutes per style on two cores, five for k_sparse

    python -m tutorials sparse_ae --preset quick         three networks in both styles
    python -m tutorials sparse_ae --k 10                 k_sparse keeps ten numbers of a code
    python -m tutorials sparse_ae --variant corrected    kl without the second division by 32

What keeps most units of a code inactive?

    l1        a penalty: the sum of the code's numbers, which pulls each of them towards 0
    kl        a penalty: how far each unit's mean over the batch is from 0.1
    k_sparse  no penalty, but a limit: only the 40 largest numbers of a code stay

Look for the size of the batch in the penalties. Keras 2 divides every penalty of activations by it.
Keras 3 before 3.14 does not, so `ActivityRegularization(l1=1e-4)` is 32 times as strong there.
Look at the codes of kl: their mean is near 0.1, as wanted, but so are most of their numbers.
"""

# %% Setup
import sys
from collections import namedtuple

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.training.minibatches import Shuffled, gathered
from ae.training.optimizers import NadamKeras2

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

NUM_INPUT, NUM_HIDDEN = 784, 100  # pixels; units between pixels and code, in l1 and kl
CODE_UNITS = 300  # numbers in a code of l1 and kl, each between 0 and 1
WIDE_UNITS = 1568  # numbers in a code of k_sparse: twice as many as pixels
L1_WEIGHT = 1e-4  # of the code's numbers in the loss of l1
KL_WEIGHT = 5e-3  # of the divergences in the loss of kl; divided by 32, the size of a batch
TARGET = 0.1  # what kl wants the mean of each unit to be
K = 40  # our choice: numbers of a code that k_sparse keeps. Idea: Makhzani, Frey, arXiv:1312.5663
NUM_VAL = 5000  # the last training images validate, so that x_train has 55,000
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=10, batch_size=32, learning_rate=0.001, steps_per_call=191)

# %% Data
Data = namedtuple("Data", "x_train y_train x_val x_test y_test provenance")  # x (n, 784)


def load(settings, data_dir):
    """Loads Fashion-MNIST as rows of 784 pixels in [0, 1], and its classes."""
    full = datasets.load_fashion_mnist(data_dir)
    last = max(len(full.x_train) - NUM_VAL, len(full.x_train) * 5 // 6)  # of few, a sixth
    train, test = slice(min(last, settings.num_train or last)), slice(settings.num_test)
    images = full.x_train[train], full.x_train[last:][test], full.x_test[test]
    x_train, x_val, x_test = (datasets.nhwc(x).reshape(-1, NUM_INPUT) for x in images)
    return Data(x_train, full.y_train[train], x_val, x_test, full.y_test[test], full.provenance)


# %% Low-level: loss
# Both styles take these penalties; the mean squared error is added in training.
def l1_penalty(z):
    """Sums L1_WEIGHT |z_j| over the code; averages over the batch."""
    return L1_WEIGHT * tf.reduce_mean(tf.reduce_sum(tf.abs(z), axis=1))


def kl_penalty(z):
    """Sums KL_WEIGHT (p log(p / q) + (1 - p) log((1 - p) / (1 - q))) over the units.

    p is TARGET, q a unit's mean over the batch. Keras 2 divides this by the size of the batch too.
    """
    z = gathered(z)  # the whole batch, if --strategy shares it among devices
    q = tf.reduce_mean(z, axis=0)  # (300,)
    pairs = (TARGET, q), (1 - TARGET, 1 - q)  # clipped as in Keras, so that no log is infinite
    divergences = [p * tf.math.log(p / tf.maximum(q, 1e-7)) for p, q in pairs]
    return KL_WEIGHT * tf.reduce_sum(tf.add_n(divergences)) / tf.cast(tf.shape(z)[0], z.dtype)


# %% Low-level: network
def layer(fan_in, fan_out):
    """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    kernel = tf.random.uniform([fan_in, fan_out], -limit, limit)
    return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out]))


class Autoencoder(tf.Module):
    """The network of l1 and kl: four layers."""

    def __init__(self):
        super().__init__()
        self.encoder = [*layer(NUM_INPUT, NUM_HIDDEN), *layer(NUM_HIDDEN, CODE_UNITS)]
        self.decoder = [*layer(CODE_UNITS, NUM_HIDDEN), *layer(NUM_HIDDEN, NUM_INPUT)]
        self.weights = [*self.encoder, *self.decoder]

    def encode(self, x):
        """Maps images (batch, 784) to codes (batch, 300)."""
        W1, b1, W2, b2 = self.encoder
        return tf.nn.sigmoid(tf.nn.relu(x @ W1 + b1) @ W2 + b2)

    def decode(self, z):
        """Maps codes (batch, 300) to images (batch, 784)."""
        W3, b3, W4, b4 = self.decoder
        return tf.nn.relu(z @ W3 + b3) @ W4 + b4  # linear: a pixel may be below 0 or above 1


def keep_largest(h, k):
    """Sets all but the k largest numbers of each row to 0; gradients reach only those."""
    kth_largest = tf.math.top_k(h, k).values[:, -1:]  # (batch, 1)
    return tf.where(h >= kth_largest, h, tf.zeros_like(h))


class KSparseAutoencoder(tf.Module):
    """The network of k_sparse: two linear layers, and `keep_largest` between them."""

    def __init__(self, k=K):
        super().__init__()
        self.weights = [*layer(NUM_INPUT, WIDE_UNITS), *layer(WIDE_UNITS, NUM_INPUT)]
        self.k = k

    def encode(self, x):
        """Maps images (batch, 784) to codes (batch, 1568) with k numbers that are not 0."""
        W1, b1 = self.weights[:2]
        return keep_largest(x @ W1 + b1, self.k)

    def decode(self, z):
        """Maps codes (batch, 1568) to images (batch, 784)."""
        W2, b2 = self.weights[2:]
        return z @ W2 + b2


# %% Low-level: training
def train_low_level(network, data, settings, run, penalty=lambda z: 0.0):
    """Minimizes mean squared error plus penalty with Nadam, which is Adam that looks ahead."""
    optimizer = NadamKeras2(settings.learning_rate)
    optimizer.build(network.weights)
    images = tf.constant(data.x_train)
    order = Shuffled(len(images), settings.batch_size, settings.seed)  # as `fit` shuffles

    def loss_of(x):
        z = network.encode(x)
        return tf.reduce_mean(tf.square(x - network.decode(z))) + penalty(z)

    def train_step(x):
        with tf.GradientTape() as tape:
            loss = loss_of(x)
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 32): which images make up each minibatch
        losses = tf.TensorArray(images.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(images, rows[i])))
        return losses.stack()

    test_step = tf.function(loss_of, reduce_retracing=True)
    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 191 at a time
            run.log(train_steps(rows))
        run.validate(test_step, data.x_val, batch_size=settings.batch_size)


def train_l1(network, data, settings, run):
    """Trains with the penalty of the code's numbers."""
    train_low_level(network, data, settings, run, l1_penalty)


def train_kl(network, data, settings, run, penalty=kl_penalty):
    """Trains with the penalty of the units' means."""
    train_low_level(network, data, settings, run, penalty)


# %% Keras: network
@keras.saving.register_keras_serializable(package="sparse_ae")  # so that a saved model loads
class L1(layers.Layer):
    """Adds a penalty to the model's losses, the same with every release of Keras."""

    penalty = staticmethod(l1_penalty)

    def call(self, z):
        """Takes and returns codes (batch, 300)."""
        self.add_loss(self.penalty(z))
        return z


@keras.saving.register_keras_serializable(package="sparse_ae")
class KL(L1):
    """Adds the penalty of the units' means."""

    penalty = staticmethod(kl_penalty)


@keras.saving.register_keras_serializable(package="sparse_ae")
class KeepLargest(layers.Layer):
    """Calls `keep_largest`."""

    def __init__(self, k, **kwargs):
        super().__init__(**kwargs)
        self.k = k

    def call(self, h):
        """Takes and returns codes (batch, 1568)."""
        return keep_largest(h, self.k)


def build_l1(penalty_layer=L1, code_units=CODE_UNITS):
    """Builds the network with a layer that adds the penalty."""
    x = keras.Input([NUM_INPUT], name="image")
    h = layers.Dense(NUM_HIDDEN, activation="relu")(x)
    z = layers.Dense(code_units, activation="sigmoid")(h)
    encoder = keras.Model(x, penalty_layer()(z), name="encoder")
    z = keras.Input([code_units], name="code")
    h = layers.Dense(NUM_HIDDEN, activation="relu")(z)
    decoder = keras.Model(z, layers.Dense(NUM_INPUT)(h), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="sparse_ae")


def build_kl(penalty_layer=KL):
    """Builds the same network with the other penalty."""
    return build_l1(penalty_layer)


def build_k_sparse(k=K):
    """Builds two linear layers with `KeepLargest` between them."""
    x = keras.Input([NUM_INPUT], name="image")
    encoder = keras.Model(x, KeepLargest(k)(layers.Dense(WIDE_UNITS)(x)), name="encoder")
    z = keras.Input([WIDE_UNITS], name="code")
    decoder = keras.Model(z, layers.Dense(NUM_INPUT)(z), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="sparse_ae")


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles the model, whose layers add the penalty, and fits it to the same minibatches."""
    optimizer = NadamKeras2(settings.learning_rate)
    order = Shuffled(len(data.x_train), settings.batch_size, settings.seed)
    autoencoder.compile(optimizer, "mse", **settings.compiled)
    autoencoder.fit(
        run.dataset(order, data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        validation_data=(data.x_val, data.x_val),
        validation_batch_size=settings.batch_size,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots ten test images above their reconstructions, and the sorted codes of three."""
    x = data.x_test[:10]
    z = encode(x)
    rows = {"original": x.reshape(-1, 28, 28), "reconstructed": decode(z).reshape(-1, 28, 28)}
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    falling = np.sort(np.abs(z[:3]))[:, ::-1]  # each code, from its largest number
    axis.plot(range(1, z.shape[1] + 1), falling.T, label=["image 1", "image 2", "image 3"])
    axis.set(xlabel="units, from the most active", ylabel="activation $|z_j|$", xscale="log")
    axis.legend()
    return {"reconstructions": figures.strip(rows), "codes": figure}


# %% Run
# `cli.main` calls `load`, builds, trains and draws; `encode` and `decode` take NumPy arrays.
NETWORKS = {
    name: {"low-level": (network, train), "keras": (build, train_keras)}
    for name, network, train, build in [
        ("l1", Autoencoder, train_l1, build_l1),
        ("kl", Autoencoder, train_kl, build_kl),
        ("k_sparse", KSparseAutoencoder, train_low_level, build_k_sparse),
    ]
}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
