"""A contractive autoencoder learns codes that hardly change when a digit changes a little.

Article   Rifai, Vincent, Muller, Glorot and Bengio, "Contractive Auto-Encoders", ICML 2011; one
          paragraph of "Comprehensive Introduction to Autoencoders", Matthew Stewart
Networks  784-1000-784, tied weights, sigmoids: plain, weight_decay, denoising and contractive
Training  cross entropy plus a penalty; gradient descent, rate 0.1; 15 epochs of 2750 x 20 digits
Result    loss of epoch 15, with the penalty: plain 50.1, weight_decay 59.6, denoising 77.4 and
          contractive 59.5, in three runs (none published); two minutes each on two cores

    python -m tutorials contractive_ae --preset quick     four networks in both styles, briefly
    python -m tutorials contractive_ae --style keras      all 15 epochs in one style
    python -m tutorials contractive_ae --floored          a bug: a rounded penalty has no gradient
    python -m tutorials errata contractive_ae             what others get wrong, and its effect

A code of 1000 numbers could copy the 784 pixels and learn nothing. What keeps it from that?

    plain          no penalty and no noise
    weight_decay   a penalty: a factor times the sum of all squared weights
    denoising      the network gets a noisy digit and must return the clean one
    contractive    a penalty: a factor times the sum of all squared derivatives dh_j / dx_i

Look for the slope h (1 - h) in `contraction`. A unit near 0 or near 1 has almost none, so it costs
little, even with large weights. The figures "singular-values" and "shift" show the contraction.
"""

# %% Setup
import sys

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.training.minibatches import Shuffled

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

NUM_INPUT = 784  # 28 x 28 pixels
NUM_HIDDEN = 1000  # numbers in a code, each between 0 and 1
LIMIT = 4 * np.sqrt(6 / (NUM_INPUT + NUM_HIDDEN))  # of the first weights: Glorot's, times 4
WEIGHT_DECAY = 2**-10  # of the squared weights in the loss of weight_decay; float32 keeps it whole
NOISE = 0.5  # standard deviation of the noise on a pixel
CONTRACTION = 0.1  # of the squared derivatives in the loss of contractive
EPSILON = 1e-7  # keeps x_hat this far from 0 and 1, so that no logarithm is infinite
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=15, batch_size=20, learning_rate=0.1, steps_per_call=250)


# %% Data
def load(settings, data_dir):
    """Loads MNIST as rows of 784 pixels in [0, 1]: x_train (55000, 784), x_test (10000, 784)."""
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def minibatches(data, settings):
    """Shuffles the digits at each epoch: 2750 minibatches of 20."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
class Autoencoder(tf.Module):
    """Two layers that share one matrix: h = sigmoid(x W + b), x_hat = sigmoid(h W' + c)."""

    def __init__(self):
        super().__init__()
        self.W = tf.Variable(tf.random.uniform([NUM_INPUT, NUM_HIDDEN], -LIMIT, LIMIT))
        self.b = tf.Variable(tf.zeros([NUM_HIDDEN]))
        self.c = tf.Variable(tf.zeros([NUM_INPUT]))
        self.weights = [self.W, self.b, self.c]

    def corrupt(self, x):
        """Returns what training encodes: here the digits themselves."""
        return x

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 1000)."""
        return tf.nn.sigmoid(x @ self.W + self.b)

    def decode(self, h):
        """Maps codes (batch, 1000) to digits (batch, 784)."""
        return tf.nn.sigmoid(tf.matmul(h, self.W, transpose_b=True) + self.c)


class DenoisingAutoencoder(Autoencoder):
    """The same network, for training with noise."""

    def __init__(self, seed=0):
        super().__init__()
        self.noise = tf.random.Generator.from_seed(seed)

    def corrupt(self, x):
        """Returns noisy digits."""
        return x + NOISE * self.noise.normal(tf.shape(x), dtype=x.dtype)


# %% Low-level: loss
@keras.saving.register_keras_serializable(package="contractive_ae")  # so that a saved model loads
def cross_entropy(x, x_hat):
    """Sums -x log x_hat - (1 - x) log(1 - x_hat) over the pixels; averages over the batch."""
    x_hat = tf.clip_by_value(x_hat, EPSILON, 1 - EPSILON)
    of_pixels = -x * tf.math.log(x_hat) - (1 - x) * tf.math.log(1 - x_hat)
    return tf.reduce_mean(tf.reduce_sum(of_pixels, axis=1))


def weight_decay(h, W):
    """Returns WEIGHT_DECAY times the sum of W_ij^2, the penalty of ridge regression."""
    return WEIGHT_DECAY * tf.reduce_sum(W**2)


def contraction(h, W):
    """Averages CONTRACTION times the sum of (dh_j / dx_i)^2 over the batch.

    The derivative of h_j = sigmoid(sum_i x_i W_ij + b_j) is h_j (1 - h_j) W_ij. So the squared
    weights can be summed over i first, and no Jacobian (batch, 1000, 784) is made.
    """
    slopes, squares = h * (1 - h), tf.reduce_sum(W**2, axis=0)  # (batch, 1000) and (1000,)
    return CONTRACTION * tf.reduce_mean(tf.reduce_sum(slopes**2 * squares, axis=1))


# %% Low-level: training
def train_low_level(network, data, settings, run, penalty=lambda h, W: 0.0):
    """Repeats  w <- w - lr dL/dw  where L is the cross entropy plus the penalty."""
    optimizer = keras.optimizers.SGD(settings.learning_rate)
    optimizer.build(network.weights)
    order, digits = minibatches(data, settings), tf.constant(data.x_train)

    def train_step(x):
        with tf.GradientTape() as tape:
            h = network.encode(network.corrupt(x))
            loss = cross_entropy(x, network.decode(h)) + penalty(h, network.W)
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    # In short: for row in order.epoch(epoch): train_step(digits[row]). It is compiled for speed.
    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 20): which digits make up each minibatch
        losses = tf.TensorArray(digits.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(digits, rows[i])))
        return losses.stack()

    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 250 at a time
            run.log(train_steps(rows))


def train_weight_decay(network, data, settings, run):
    """Trains with the penalty of the weights."""
    train_low_level(network, data, settings, run, weight_decay)


def train_contractive(network, data, settings, run, penalty=contraction):
    """Trains with the penalty of the derivatives."""
    train_low_level(network, data, settings, run, penalty)


# %% Keras: network
@keras.saving.register_keras_serializable(package="contractive_ae")
class ContractiveDense(layers.Dense):
    """Adds the penalty of its derivatives to the model's losses."""

    penalty = staticmethod(contraction)

    def call(self, x):
        """Maps digits (batch, 784) to codes (batch, 1000)."""
        h = super().call(x)
        self.add_loss(self.penalty(h, self.kernel))
        return h


class AroundDense:
    """Lets Keras save and load what is made around a `Dense` layer."""

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"dense": keras.saving.serialize_keras_object(self.dense), **self.others}

    @classmethod
    def from_config(cls, config):
        """Calls the constructor."""
        return cls(**config | {"dense": keras.saving.deserialize_keras_object(config["dense"])})


@keras.saving.register_keras_serializable(package="contractive_ae")
class TransposedDense(AroundDense, layers.Layer):
    """Decodes with the transposed kernel of the encoder's `Dense`, and a bias of its own."""

    def __init__(self, dense):
        super().__init__()
        self.dense, self.others = dense, {}
        self.bias = self.add_weight(shape=[NUM_INPUT], initializer="zeros", name="bias")

    def call(self, h):
        """Maps codes (batch, 1000) to digits (batch, 784)."""
        return ops.sigmoid(ops.matmul(h, ops.transpose(self.dense.kernel)) + self.bias)


@keras.saving.register_keras_serializable(package="contractive_ae")
class TiedAutoencoder(AroundDense, keras.Model):
    """Builds encoder and decoder around one `Dense` layer, also when Keras loads the model.

    Keras would load a functional model with a kernel for the encoder and another for the decoder.
    """

    def __init__(self, dense, noise=0.0, seed=None):
        x = keras.Input([NUM_INPUT])
        encoder = keras.Model(x, dense(x), name="encoder")
        h = keras.Input([NUM_HIDDEN])
        decoder = keras.Model(h, TransposedDense(dense)(h), name="decoder")
        corrupted = layers.GaussianNoise(noise, seed)(x) if noise else x  # noise in training only
        super().__init__(x, decoder(encoder(corrupted)), name="contractive_ae")
        self.dense, self.others = dense, {"noise": noise, "seed": seed}


def hidden(layer=layers.Dense, **arguments):
    """Makes the hidden layer; it draws its weights as `Autoencoder` does."""
    init = keras.initializers.RandomUniform(-LIMIT, LIMIT)
    return layer(NUM_HIDDEN, "sigmoid", kernel_initializer=init, **arguments)


def build_plain():
    """Builds a network that nothing keeps from copying."""
    return TiedAutoencoder(hidden())


def build_weight_decay():
    """Builds a network with the penalty of the weights."""
    return TiedAutoencoder(hidden(kernel_regularizer=keras.regularizers.L2(WEIGHT_DECAY)))


def build_denoising(seed=0):
    """Builds a network for training with noise."""
    return TiedAutoencoder(hidden(), NOISE, seed)


def build_contractive(layer=ContractiveDense):
    """Builds a network with the penalty of the derivatives."""
    return TiedAutoencoder(hidden(layer))


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles the model and fits it to the minibatches of the low-level style."""
    # The layers add the penalties. `compiled` holds steps_per_execution and jit_compile, for speed.
    optimizer = keras.optimizers.SGD(settings.learning_rate)
    autoencoder.compile(optimizer, cross_entropy, **settings.compiled)
    autoencoder.fit(
        run.dataset(minibatches(data, settings), data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots ten test digits, clean and noisy, and what the network makes of both."""
    x = data.x_test[:10]
    noisy = x + np.random.default_rng(0).normal(scale=NOISE, size=x.shape).astype("float32")
    rows = {"x": x, "x_hat": decode(encode(x)), "noisy x": noisy}
    rows["its x_hat"] = decode(encode(noisy))
    return {"reconstructions": figures.strip({k: v.reshape(-1, 28, 28) for k, v in rows.items()})}


# %% Run
# `cli.main` builds, trains and draws each network in both styles; for `draw`, `encode` and `decode`
# work on NumPy arrays. `--floored` passes `penalty` and `layer`: see the article's ARGUMENTS.
NETWORKS = {
    name: {"low-level": (network, train), "keras": (build, train_keras)}
    for name, network, train, build in [
        ("plain", Autoencoder, train_low_level, build_plain),
        ("weight_decay", Autoencoder, train_weight_decay, build_weight_decay),
        ("denoising", DenoisingAutoencoder, train_low_level, build_denoising),
        ("contractive", Autoencoder, train_contractive, build_contractive),
    ]
}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
