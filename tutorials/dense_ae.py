"""A dense autoencoder squeezes MNIST digits through 128 numbers.

Article   "Building an Autoencoder for Generative Models", Patrick D. Smith (Excella), dev.to (2019)
Network   784-784-256-128-128-256-784, a ReLU after every layer
Training  mean squared error; RMSProp 0.001 as in TensorFlow 1; 1000 steps of 256 digits
Result    last minibatch's loss 0.0193 +- 0.0010, mean +- standard deviation of 12 recorded runs
          (none published); 25 seconds per style on two cores

    python -m tutorials dense_ae                        both styles; figures go to runs/dense_ae
    python -m tutorials dense_ae --style keras          one style
    python -m tutorials dense_ae --variant corrected    end in a sigmoid instead of a ReLU
    python -m tutorials dense_ae --classifier           start a classifier from the trained encoder
    python -m tutorials errata dense_ae                 what the article gets wrong, measured

Look for black dots in the reconstructed strokes, about two per digit. There the last ReLU outputs
0. So no gradient passes back, and this digit cannot correct the pixel. A sigmoid leaves few dots.
"""

# %% Setup
import math
import sys

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.metrics import LastBatch
from ae.training.minibatches import NextBatch
from ae.training.optimizers import RMSpropTF1

import keras
import tensorflow as tf
from keras import layers

INPUT_DIM = 784  # 28 x 28 pixels
HIDDEN_UNITS = 256
CODE_UNITS = 128  # numbers in a code, each 0 or more
STEPS_PER_EPOCH = 100  # the article counts steps, not epochs; here 100 steps make an epoch

SETTINGS = Settings(  # options such as --epochs override them
    num_epochs=10,  # 10 x 100 steps, the article's 1000
    batch_size=256,
    learning_rate=0.001,
    steps_per_call=25,  # minibatches in one compiled call (Keras: steps_per_execution); speed only
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
    the end takes its missing digits from the new order. The 1000 steps use 256,000 digits: each of
    the 55,000 four or five times.
    """
    return NextBatch(len(data.x_train), settings.batch_size, STEPS_PER_EPOCH, settings.seed)


# %% Low-level: network
def xavier(fan_in, fan_out):
    """Draws W and b from U(-l, l), l = sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, 2010."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    kernel = tf.random.uniform([fan_in, fan_out], -limit, limit)
    limit = math.sqrt(6 / (fan_out + fan_out))  # TensorFlow 1 sets fan_in = fan_out for biases
    bias = tf.random.uniform([fan_out], -limit, limit)
    return tf.Variable(kernel), tf.Variable(bias)


class Autoencoder(tf.Module):
    """Six layers, each h' = relu(h W + b); `output` replaces the last ReLU."""

    def __init__(self, output=tf.nn.relu, code_units=CODE_UNITS):
        super().__init__()
        self.W1, self.b1 = xavier(INPUT_DIM, INPUT_DIM)
        self.W2, self.b2 = xavier(INPUT_DIM, HIDDEN_UNITS)
        self.W3, self.b3 = xavier(HIDDEN_UNITS, code_units)
        self.W4, self.b4 = xavier(code_units, code_units)
        self.W5, self.b5 = xavier(code_units, HIDDEN_UNITS)
        self.W6, self.b6 = xavier(HIDDEN_UNITS, INPUT_DIM)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3]
        self.weights += [self.W4, self.b4, self.W5, self.b5, self.W6, self.b6]
        self.output = output

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        h = tf.nn.relu(x @ self.W1 + self.b1)  # (batch, 784) -> (batch, 784)
        h = tf.nn.relu(h @ self.W2 + self.b2)  # (batch, 256)
        return tf.nn.relu(h @ self.W3 + self.b3)  # (batch, 128)

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        h = tf.nn.relu(z @ self.W4 + self.b4)  # (batch, 128) -> (batch, 128)
        h = tf.nn.relu(h @ self.W5 + self.b5)  # (batch, 256)
        return self.output(h @ self.W6 + self.b6)  # (batch, 784)


# %% Low-level: loss
def mean_squared_error(x, x_hat):
    """Averages (x - x_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(x - x_hat))


# %% Low-level: training
def train_low_level(network, data, settings, run):
    """Repeats  v <- 0.9 v + 0.1 g^2,  w <- w - lr g / sqrt(v + 1e-10)  with g = dL/dw.

    TensorFlow 1 starts v at 1, so the first steps are about lr g. Keras 3 starts v at 0 and adds
    1e-7 instead of 1e-10. So its first step is about 3 lr where |g| is far above 1e-3, and about
    3000 lr g where |g| is far below.
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

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 256): which digits make up each minibatch
        losses = tf.TensorArray(digits.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(digits, rows[i])))
        return losses.stack()

    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 25 at a time, four times
            run.log(train_steps(rows))  # logs every loss; the article prints only an epoch's last


# %% Keras: network
def build_keras(output="relu", code_units=CODE_UNITS):
    """Builds an encoder and a decoder of the same six layers, and a model that joins them."""

    def dense(units, activation="relu"):
        glorot = {"kernel_initializer": "glorot_uniform", "bias_initializer": "glorot_uniform"}
        return layers.Dense(units, activation=activation, **glorot)

    x = keras.Input([INPUT_DIM])
    h = dense(INPUT_DIM)(x)
    h = dense(HIDDEN_UNITS)(h)
    encoder = keras.Model(x, dense(code_units)(h), name="encoder")
    z = keras.Input([code_units])
    h = dense(code_units)(z)
    h = dense(HIDDEN_UNITS)(h)
    decoder = keras.Model(z, dense(INPUT_DIM, output)(h), name="decoder")
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
    """Plots the article's two canvases: the first 16 test digits beside their reconstructions."""
    digits = data.x_test[:16]
    images, reconstructed = (x.reshape(-1, 28, 28) for x in (digits, decode(encode(digits))))
    return {"digits": figures.canvases(images, reconstructed, side=4)}


# %% Run
# `cli.main` calls `load` once. For each style it builds the network, calls its train function
# (which calls `minibatches`), then `draw`. Its `encode` and `decode` take and return NumPy arrays.
# `--variant corrected` passes `output`, `--code-size` passes `code_units`: see ARGUMENTS and
# PASSED_ON in tutorials/articles/dense_ae.py.
STYLES = {"low-level": (Autoencoder, train_low_level), "keras": (build_keras, train_keras)}
NETWORKS = {"autoencoder": STYLES}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
