"""One autoencoder is made of raw variables, another of Keras layers.

Article   E. Barp, "Implementing a Simple Auto-Encoder in Tensorflow"
Networks  "class" 784-128-784, ReLU code; "layers" 784-256-128-784, linear code, sigmoid output
Training  10 epochs. Class: a sum of cross entropies, RMSProp 0.005 as in TensorFlow 1, batches of
          64. Layers: sigmoid cross entropy of a sigmoid's output, Adam 0.001, batches of 32
Result    training loss of epoch 10: class 11937 +- 253, layers 0.6582 +- 0.0000, mean +- standard
          deviation of 6 recorded runs (none published); one to two minutes per style on two cores

    python -m tutorials low_level_ae                        both networks in both styles
    python -m tutorials low_level_ae --style keras          one style
    python -m tutorials low_level_ae --variant corrected    smaller first weights, one sigmoid
    python -m tutorials errata low_level_ae                 what the article gets wrong, measured

Look for the blur that the class makes of most digits: more than half of its code is 0 for every
digit. The layers turn greys black or white, because their loss applies a second sigmoid.
"""

# %% Setup
import sys

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.metrics import LastBatch
from ae.training.minibatches import Shuffled
from ae.training.optimizers import RMSpropTF1

import keras
import numpy as np
import tensorflow as tf
from keras import layers

D = 784  # input dimension: 28 x 28 pixels
d = 128  # encoding dimension: numbers in a code
LAYERS_BATCH_SIZE = 32  # of the layers; no option changes it
LAYERS_LEARNING_RATE = 0.001

SETTINGS = Settings(  # options such as --epochs override them
    num_epochs=10,  # of both networks
    batch_size=64,  # of the class
    learning_rate=0.005,  # of the class
    steps_per_call=214,  # batches in one compiled call (Keras: steps_per_execution); for speed only
    jit_compile=True,  # compile with XLA; for speed only
)


# %% Data
def load(settings, data_dir):
    """Loads MNIST as TensorFlow 1's tutorials did: rows of 784 pixels in [0, 1].

    x_train (55000, 784), x_test (10000, 784), and their labels. TensorFlow 1 sets the first 5,000
    training digits aside for validation; this article does not use them.
    """
    return datasets.read_data_sets(data_dir, settings.num_train, settings.num_test)


def permuted(data, settings):
    """Shuffles the digits at each epoch and drops those that do not fill the last batch."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed, drop_remainder=True)


def shuffled(data, settings):
    """Shuffles the digits at each epoch, as `fit` does; the last batch is smaller."""
    return Shuffled(len(data.x_train), LAYERS_BATCH_SIZE, settings.seed)


# %% Low-level: network
class Autoencoder(tf.Module):
    """z = relu(x W1 + b1), x_hat = sigmoid(z W2 + b2): the article's class."""

    def __init__(self, scale=1.0, d=d):
        super().__init__()
        self.W1 = tf.Variable(tf.random.normal([D, d], stddev=scale))
        self.b1 = tf.Variable(tf.zeros([d]))
        self.W2 = tf.Variable(tf.random.normal([d, D], stddev=scale))
        self.b2 = tf.Variable(tf.zeros([D]))
        self.weights = [self.W1, self.b1, self.W2, self.b2]

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        return tf.nn.relu(x @ self.W1 + self.b1)

    def logits(self, z):
        """Maps codes (batch, 128) to the log-odds of white pixels (batch, 784)."""
        return z @ self.W2 + self.b2

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        return tf.nn.sigmoid(self.logits(z))


class LayeredAutoencoder(tf.Module):
    """Three layers, as in the article's Keras half: linear, linear, sigmoid."""

    def __init__(self, d=d):
        super().__init__()
        self.W1, self.b1 = self.dense(D, 256)
        self.W2, self.b2 = self.dense(256, d)
        self.W3, self.b3 = self.dense(d, D)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3]

    @staticmethod
    def dense(fan_in, fan_out):
        """Draws W from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), as Keras does; b = 0."""
        limit = np.sqrt(6 / (fan_in + fan_out))
        kernel = tf.random.uniform([fan_in, fan_out], -limit, limit)
        return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out]))

    def encode(self, x):
        """Maps digits (batch, 784) to codes (batch, 128)."""
        h = x @ self.W1 + self.b1  # (batch, 256); no ReLU, so two layers do no more than one
        return h @ self.W2 + self.b2

    def decode(self, z):
        """Maps codes (batch, 128) to digits (batch, 784)."""
        return tf.nn.sigmoid(z @ self.W3 + self.b3)


# %% Low-level: loss
def sum_of_cross_entropies(x, logits):
    """Sums -x log p - (1 - x) log(1 - p), p = sigmoid(logits), over pixels and batch."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))


def doubled_sigmoid_cross_entropy(x, x_hat):
    """Averages the same with p = sigmoid(x_hat), although x_hat is a sigmoid's output already.

    So p stays between 1/2 and 0.73, and the loss of a black pixel is never below log 2.
    """
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_hat))


# %% Low-level: training
def compile_steps(network, output, loss, optimizer, digits, settings, run):
    """Compiles a function that takes many steps; `output` turns a code into what the loss takes."""

    def train_step(x):  # x stands for the article's placeholder
        with tf.GradientTape() as tape:
            cost = loss(x, output(network.encode(x)))
        gradients = tape.gradient(cost, network.weights)  # this and the next line: `minimize`
        optimizer.apply(gradients, network.weights)
        return cost

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, batch): which digits make up each batch
        losses = tf.TensorArray(digits.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(digits, rows[i])))
        return losses.stack()

    return train_steps


def train_class_low_level(network, data, settings, run):
    """Repeats  v <- 0.9 v + 0.1 g^2,  w <- w - lr g / sqrt(v + 1e-10)  with g = dL/dw.

    TensorFlow 1 starts v at 1, so the first step is about lr g where |g| is far below 3, and about
    3 lr where it is far above. This loss is a sum, so most |g| that are not 0 are far above.
    """
    digits, batch_size = tf.constant(data.x_train), settings.batch_size
    n_batches = permuted(data, settings).steps_per_epoch  # len(digits) // 64; zero is an error
    optimizer = RMSpropTF1(settings.learning_rate)
    optimizer.build(network.weights)
    loss, output = sum_of_cross_entropies, network.logits
    train_steps = compile_steps(network, output, loss, optimizer, digits, settings, run)

    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        # Permute the input data: an epoch sees each digit at most once, in a new order.
        permutation = np.random.default_rng([settings.seed, epoch]).permutation(len(digits))
        # Cut the permutation into 859 batches of 64. The last 24 digits fill none and drop out.
        batches = [permutation[j * batch_size : (j + 1) * batch_size] for j in range(n_batches)]
        # Run the batch training: a step for each batch, 214 steps in a call, then the 3 left.
        for rows in run.chunks(batches):
            run.log(train_steps(rows))  # was `Session.run`; it returns the loss of each step


def train_layers_low_level(network, data, settings, run, loss=doubled_sigmoid_cross_entropy):
    """Repeats  w <- w - lr sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-8)  in step t.

    m <- 0.9 m + 0.1 g,  v <- 0.999 v + 0.001 g^2,  both from 0. So the first step is about lr
    where |g| is far above 3e-7.
    """
    digits, order = tf.constant(data.x_train), shuffled(data, settings)
    optimizer = keras.optimizers.Adam(LAYERS_LEARNING_RATE, epsilon=1e-8)  # TensorFlow 1's epsilon
    optimizer.build(network.weights)
    train_steps = compile_steps(network, network.decode, loss, optimizer, digits, settings, run)
    for epoch in run.epochs(optimizer):
        for rows in run.chunks(order.epoch(epoch)):  # the order of `fit` with batch_size=32
            run.log(train_steps(rows))


# %% Keras: network
def build_class(scale=1.0, d=d):
    """Builds the class's network; its decoder contains a model "logits", which training needs."""
    normal = keras.initializers.RandomNormal
    x = keras.Input([D], name="digit")
    code = layers.Dense(d, activation="relu", kernel_initializer=normal(stddev=scale))(x)
    encoder = keras.Model(x, code, name="encoder")
    z = keras.Input([d], name="code")
    log_odds = layers.Dense(D, kernel_initializer=normal(stddev=scale))(z)
    logits = keras.Model(z, log_odds, name="logits")
    decoder = keras.Model(z, layers.Activation("sigmoid")(logits(z)), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="low_level_ae_class")


def build_layers(d=d):
    """Stacks the article's layers, then makes encoder and decoder; all share the same weights."""
    stack = keras.Sequential([keras.Input([D], name="digit")])
    stack.add(layers.Dense(256))
    stack.add(layers.Dense(d, name="bottleneck"))
    stack.add(layers.Dense(D, activation="sigmoid"))
    # The article does this after training. The weights are shared, so the order does not matter.
    x = stack.inputs[0]
    encoder = keras.Model(x, stack.get_layer("bottleneck").output, name="encoder")
    z = keras.Input([d], name="code")
    decoder = keras.Model(z, stack.layers[-1](z), name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="low_level_ae_layers")


# %% Keras: training
# `compile` takes the losses above as they are. A saved model finds them by their registered names.
for function in (sum_of_cross_entropies, doubled_sigmoid_cross_entropy):
    keras.saving.register_keras_serializable(package="low_level_ae")(function)


def train_class(autoencoder, data, settings, run):
    """Fits a model that ends at the logits and shares all its layers with the autoencoder."""
    encoder, decoder = autoencoder.get_layer("encoder"), autoencoder.get_layer("decoder")
    x = autoencoder.inputs[0]
    to_logits = keras.Model(x, decoder.get_layer("logits")(encoder(x)))
    optimizer, loss = RMSpropTF1(settings.learning_rate), sum_of_cross_entropies
    fit(to_logits, optimizer, loss, permuted(data, settings), data, settings, run)


def train_layers(autoencoder, data, settings, run, loss=doubled_sigmoid_cross_entropy):
    """Fits the layers, from pixels to pixels."""
    optimizer = keras.optimizers.Adam(LAYERS_LEARNING_RATE, epsilon=1e-8)
    fit(autoencoder, optimizer, loss, shuffled(data, settings), data, settings, run)


def fit(model, optimizer, loss, order, data, settings, run):
    """Compiles the model and fits it to the minibatches of the low-level style."""
    # `compiled` holds steps_per_execution and jit_compile, for speed only.
    model.compile(optimizer, loss, metrics=[LastBatch(loss)], **settings.compiled)
    model.fit(
        run.dataset(order, data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots ten test digits above decode(encode(x)); the article's own picture is lost."""
    x = data.x_test[:10]
    rows = {"original": x, "decode(encode(x))": decode(encode(x))}
    return {"reconstructions": figures.strip({k: v.reshape(-1, 28, 28) for k, v in rows.items()})}


# %% Run
# `cli.main` calls `load` once. For each network and style it builds the network, calls its train
# function (which calls `permuted` or `shuffled`), then `draw`, whose `encode` and `decode` take and
# return NumPy arrays. `--variant corrected` passes `scale` to the class and `loss` to the layers,
# `--code-size` passes `d`: see ARGUMENTS and PASSED_ON in tutorials/articles/low_level_ae.py.
CLASS = {"low-level": (Autoencoder, train_class_low_level), "keras": (build_class, train_class)}
LAYERS = {
    "low-level": (LayeredAutoencoder, train_layers_low_level),
    "keras": (build_layers, train_layers),
}
NETWORKS = {"class": CLASS, "layers": LAYERS}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
