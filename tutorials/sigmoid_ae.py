"""A sigmoid autoencoder squeezes MNIST digits through 128 numbers.

Article   "Deep Learning" on Medium, after Hinton and Salakhutdinov, Science 313 (2006)
Code      aymericdamien/TensorFlow-Examples, notebooks/3_NeuralNetworks/autoencoder.ipynb
Network   784-256-128-256-784, a sigmoid after every layer
Training  mean squared error; RMSProp 0.01 as in TensorFlow 1; 20 epochs of 214 minibatches of 256
Result    last minibatch's loss 0.102 +- 0.009, mean +- standard deviation of 12 recorded runs
          (published: 0.100 and 0.096); a minute per style on two cores

    python -m tutorials sigmoid_ae                        both styles; figures go to runs/sigmoid_ae
    python -m tutorials sigmoid_ae --style keras          one style
    python -m tutorials sigmoid_ae --variant corrected    start from Glorot's smaller weights
    python -m tutorials errata sigmoid_ae                 what the article gets wrong, measured

Look for the noise around the reconstructed digits. It comes from the first weights, drawn from
N(0, 1). A unit sums its inputs times hundreds of such weights, so most sums are far from 0. There
a sigmoid is flat, so almost no gradient passes back.
"""

# %% Setup
import sys

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.metrics import LastBatch
from ae.training.minibatches import NextBatch
from ae.training.optimizers import RMSpropTF1

import keras
import tensorflow as tf
from keras import layers

NUM_INPUT = 784  # 28 x 28 pixels
NUM_HIDDEN_1 = 256
NUM_HIDDEN_2 = 128  # numbers in a code, each between 0 and 1
EXAMPLES_TO_SHOW = 10

SETTINGS = Settings(  # options such as --epochs override them
    num_epochs=20,
    batch_size=256,
    learning_rate=0.01,
    steps_per_call=53,  # minibatches in one compiled call (Keras: steps_per_execution); speed only
    jit_compile=True,  # compile with XLA; for speed only
)


# %% Data
def load(settings, data_dir):
    """Loads MNIST as TensorFlow 1's tutorials did: rows of 784 pixels in [0, 1].

    x_train (55000, 784), x_test (10000, 784), and their labels. TensorFlow 1 sets the first 5,000
    training digits aside for validation; this article does not use them.
    """
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def minibatches(data, settings):
    """Chooses the digits of each minibatch as TensorFlow 1's `mnist.train.next_batch` does.

    `NextBatch` shuffles all digits, uses each once, then shuffles again. A minibatch that reaches
    the end takes its missing digits from the new order. An epoch is 214 minibatches: 214 x 256 =
    54,784 digits of 55,000.
    """
    steps_per_epoch = max(1, len(data.x_train) // settings.batch_size)
    return NextBatch(len(data.x_train), settings.batch_size, steps_per_epoch, settings.seed)


# %% Low-level: network
def random_normal(fan_in, fan_out):
    """Draws the weights and biases of a layer from N(0, 1), as the article does."""
    kernel = tf.random.normal([fan_in, fan_out])
    bias = tf.random.normal([fan_out])
    return tf.Variable(kernel), tf.Variable(bias)


class Autoencoder(tf.Module):
    """Four layers, each h' = sigmoid(h W + b)."""

    def __init__(self, init=random_normal, code_units=NUM_HIDDEN_2):
        super().__init__()
        self.W1, self.b1 = init(NUM_INPUT, NUM_HIDDEN_1)
        self.W2, self.b2 = init(NUM_HIDDEN_1, code_units)
        self.W3, self.b3 = init(code_units, NUM_HIDDEN_1)
        self.W4, self.b4 = init(NUM_HIDDEN_1, NUM_INPUT)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3, self.W4, self.b4]

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        h = tf.nn.sigmoid(x @ self.W1 + self.b1)  # (batch, 784) -> (batch, 256)
        return tf.nn.sigmoid(h @ self.W2 + self.b2)  # (batch, 128)

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        h = tf.nn.sigmoid(z @ self.W3 + self.b3)  # (batch, 128) -> (batch, 256)
        return tf.nn.sigmoid(h @ self.W4 + self.b4)  # (batch, 784)


# %% Low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% Low-level: training
def train_low_level(network, data, settings, run):
    """Repeats  v <- 0.9 v + 0.1 g^2,  w <- w - lr g / sqrt(v + 1e-10)  with g = dL/dw.

    TensorFlow 1 starts v at 1, so the first steps are about lr g where |g| is far below 3. Keras 3
    starts v at 0 and adds 1e-7 instead of 1e-10, so its first step is about 3 lr where |g| is far
    above 1e-3, and about 3000 lr g where |g| is far below. See `ae/training/optimizers.py`.
    """
    optimizer = RMSpropTF1(settings.learning_rate)
    optimizer.build(network.weights)
    order = minibatches(data, settings)
    digits = tf.constant(data.x_train)

    def train_step(x):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(x, network.decode(network.encode(x)))
        gradients = tape.gradient(loss, network.weights)
        optimizer.apply(gradients, network.weights)
        return loss

    # In short: for row in order.epoch(epoch): train_step(digits[row]). It is compiled for speed.
    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 256): which digits make up each minibatch
        losses = tf.TensorArray(digits.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(digits, rows[i])))
        return losses.stack()

    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 53 at a time, then the 2 left
            run.log(train_steps(rows))  # logs every loss; the article prints only an epoch's last


# %% Keras: network
def random_normal_keras():
    """Makes new initializers for each layer, because one used twice repeats its numbers."""
    return {
        "kernel_initializer": keras.initializers.RandomNormal(stddev=1.0),
        "bias_initializer": keras.initializers.RandomNormal(stddev=1.0),
    }


def build_keras(init=random_normal_keras, code_units=NUM_HIDDEN_2):
    """Builds an encoder and a decoder of the same four layers, and a model that joins them."""

    def dense(units):
        return layers.Dense(units, activation="sigmoid", **init())

    x = keras.Input([NUM_INPUT])
    encoder = keras.Model(x, dense(code_units)(dense(NUM_HIDDEN_1)(x)), name="encoder")
    z = keras.Input([code_units])
    decoder = keras.Model(z, dense(NUM_INPUT)(dense(NUM_HIDDEN_1)(z)), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="autoencoder")


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles the model and fits it to the minibatches of the low-level style."""
    # "mse" is the mean squared error; `LastBatch` keeps that of the last minibatch, as the article
    # prints it; `compiled` holds steps_per_execution and jit_compile, for speed only.
    autoencoder.compile(
        RMSpropTF1(settings.learning_rate), "mse", metrics=[LastBatch("mse")], **settings.compiled
    )
    autoencoder.fit(
        run.dataset(minibatches(data, settings), data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots the article's figure: the first ten test digits above their reconstructions."""
    digits = data.x_test[:EXAMPLES_TO_SHOW]
    rows = {"original": digits, "reconstructed": decode(encode(digits))}
    rows = {name: images.reshape(-1, 28, 28) for name, images in rows.items()}
    return {"strip": figures.strip(rows, cmap="viridis")}  # the article's colours


# %% Run
# `cli.main` calls `load` once. For each style it builds the network, calls its train function
# (which calls `minibatches`), then `draw`; its `encode` and `decode` take and return NumPy arrays.
# Options pass `init` and `code_units`: see ARGUMENTS and PASSED_ON in tutorials/articles.
STYLES = {"low-level": (Autoencoder, train_low_level), "keras": (build_keras, train_keras)}
NETWORKS = {"autoencoder": STYLES}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
