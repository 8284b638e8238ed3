"""A small convolutional autoencoder removes creases, stains and footprints from scanned pages.

Article   Matthew Stewart, "Comprehensive Introduction to Autoencoders", "Text Cleaning"
Code      the author's notebook, mrdragonbear/Autoencoders, Autoencoder-Tutorial.ipynb
Network   Conv 64, 2 x 2 max pooling, Conv 64, 2 x 2 up-sampling, Conv 1; 38,145 parameters
Training  mean squared error; Adam 0.001; at most 200 epochs of 8 minibatches of 16 pages
Result    training loss of epoch 122: 0.0029 +- 0.0002, mean +- standard deviation of 6 recorded
          runs (published: 0.0031); 31 minutes low-level, 53 with Keras, on two cores

    python -m tutorials document_cleaner                        both styles; figures go to runs
    python -m tutorials document_cleaner --variant corrected    split by text; crop, do not squash
    python -m tutorials document_cleaner --from pretrained      only figures, of a trained network
    python -m tutorials clean SCAN.png -o CLEAN.png --network article
    python -m tutorials errata document_cleaner                 what the article gets wrong

Look for thin grey traces of the folds. An output pixel depends on 10 x 10 input pixels, about one
letter. So the network cannot read words: it tells strokes from creases by what they look like.
"""

# %% Setup
import sys
from collections import namedtuple

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.operations import pooled_relu, upsampled_conv2d
from ae.training.minibatches import Shuffled

import keras
import numpy as np
import tensorflow as tf
from keras import layers

HEIGHT, WIDTH = 258, 540  # pixels; a third of the pages have this size, the others have 420 rows
PATIENCE = 5  # epochs without a better validation loss; the last weights stay, not the best
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=200, batch_size=16, learning_rate=0.001, steps_per_call=1)

# %% Data
# x is dirty, y is clean: (n, 258, 540, 1) in [0, 1], 0 black. noise_val names each page's dirt.
Data = namedtuple("Data", "x_train y_train x_val y_val x_test noise_val provenance")


def at_random(pages, num_train):
    """Takes 15 % of the shuffled pages for validation, as the notebook does: 22 of 144."""
    num_val = int(np.ceil(0.15 * len(pages[:num_train])))
    return pages[num_val:num_train], pages[:num_val]


def squash(page):
    """Resizes a page to 258 rows by its nearest pixels; 420 rows lose 162 of them."""
    return datasets.resize_to_nearest(page, HEIGHT, WIDTH)


def load(settings, data_dir, split=at_random, fit=squash):
    """Loads NoisyOffice: 144 pairs and 72 test pages; page 61, the notebook's, comes first."""
    # settings.data is --data: "real" scans, "synthetic" pages, or "auto": scans if there are any.
    documents = datasets.load_or_generate_documents(settings.data, data_dir, settings.seed)
    order = np.random.default_rng(settings.seed).permutation(len(documents.train))
    train, val = split([documents.train[i] for i in order], settings.num_train)
    test = [*documents.test[61:62], *documents.test[:61], *documents.test[62:]][: settings.num_test]
    sets = [(train, "dirty"), (train, "clean"), (val, "dirty"), (val, "clean"), (test, "dirty")]
    scans = [np.stack([fit(getattr(page, state)) for page in pages]) for pages, state in sets]
    return Data(*map(datasets.nhwc, scans), tuple(page.noise for page in val), documents.provenance)


def minibatches(data, settings):
    """Shuffles the pages at each epoch, as `fit` does: 7 minibatches of 16 pages, one of 10."""
    return Shuffled(len(data.x_train), settings.batch_size, settings.seed)


# %% Low-level: network
def glorot(fan_in, fan_out):
    """Draws a 3 x 3 kernel from U(-l, l), l = sqrt(6 / (9 in + 9 out)), as Keras does; b = 0."""
    limit = np.sqrt(6 / (9 * fan_in + 9 * fan_out))
    kernel = tf.random.uniform([3, 3, fan_in, fan_out], -limit, limit)
    return tf.Variable(kernel), tf.Variable(tf.zeros([fan_out]))


class Cleaner(tf.Module):
    """Maps dirty pages x to cleaned pages y_hat, both of any even height and width.

    h = relu(conv2d(x, W1) + b1),  z = max_pool2d(h): 16 numbers for each pixel of the page.
    h = relu(conv2d(z, W2) + b2),  y_hat = sigmoid(conv2d(upsample(h), W3) + b3).
    """

    def __init__(self):
        super().__init__()
        self.W1, self.b1 = glorot(1, 64)
        self.W2, self.b2 = glorot(64, 64)
        self.W3, self.b3 = glorot(64, 1)
        self.weights = [self.W1, self.b1, self.W2, self.b2, self.W3, self.b3]

    def encode(self, x):
        """Maps pages (batch, height, width, 1) to codes (batch, height / 2, width / 2, 64)."""
        # pooled_relu computes max_pool2d(relu(h + b)), pooling first, at a quarter of the work.
        return pooled_relu(tf.nn.conv2d(x, self.W1, 1, "SAME"), self.b1)

    def decode(self, z):
        """Maps codes (batch, height / 2, width / 2, 64) to pages (batch, height, width, 1)."""
        h = tf.nn.relu(tf.nn.conv2d(z, self.W2, 1, "SAME") + self.b2)
        # upsampled_conv2d computes conv2d(upsample(h), W), and never stores the large maps.
        return tf.nn.sigmoid(upsampled_conv2d(h, self.W3) + self.b3)


# %% Low-level: loss
def mean_squared_error(y, y_hat):
    """Averages (y - y_hat)^2 over pixels and batch."""
    return tf.reduce_mean(tf.square(y - y_hat))


# %% Low-level: training
def train_low_level(network, data, settings, run):
    """Adam: m <- 0.9 m + 0.1 g, v <- 0.999 v + 0.001 g^2, w <- w - c m / (sqrt(v) + 1e-7).

    Here g = dL/dw, c = lr sqrt(1 - 0.999^t) / (1 - 0.9^t) in step t, and m and v start at 0.
    So the first step is about lr where |g| is far above 3e-6.
    """
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.weights)
    order = minibatches(data, settings)
    dirty, clean = tf.constant(data.x_train), tf.constant(data.y_train)

    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = mean_squared_error(y, network.decode(network.encode(x)))
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 16 or 10): which pages make up each minibatch
        losses = tf.TensorArray(dirty.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            x, y = tf.gather(dirty, rows[i]), tf.gather(clean, rows[i])
            losses = losses.write(i, run.step(train_step, x, y))
        return losses.stack()

    @tf.function(reduce_retracing=True)
    def test_step(x, y):
        return mean_squared_error(y, network.decode(network.encode(x)))

    for epoch in run.epochs(optimizer, patience=PATIENCE):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # one at a time, as each takes a second or two
            run.log(train_steps(rows))
        run.validate(test_step, data.x_val, data.y_val, batch_size=settings.batch_size)


# %% Keras: network
def build_keras():
    """Builds an encoder and a decoder of the same layers, and a model that joins them."""
    x = keras.Input([None, None, 1])  # any even height and width
    h = layers.Conv2D(64, 3, activation="relu", padding="same")(x)
    encoder = keras.Model(x, layers.MaxPooling2D(2, padding="same")(h), name="encoder")
    z = keras.Input([None, None, 64])
    h = layers.Conv2D(64, 3, activation="relu", padding="same")(z)
    y_hat = layers.Conv2D(1, 3, activation="sigmoid", padding="same")(layers.UpSampling2D(2)(h))
    decoder = keras.Model(z, y_hat, name="decoder")
    return keras.Model(x, decoder(encoder(x)), name="document_cleaner")


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles the model and fits it to the minibatches of the low-level style."""
    # "mse" is the mean squared error; `compiled` holds steps_per_execution and jit_compile: speed.
    autoencoder.compile(keras.optimizers.Adam(settings.learning_rate), "mse", **settings.compiled)
    autoencoder.fit(
        run.dataset(minibatches(data, settings), data.x_train, data.y_train),  # shuffled already
        epochs=settings.num_epochs,
        validation_data=(data.x_val, data.y_val),
        validation_batch_size=settings.batch_size,
        callbacks=run.callbacks(patience=PATIENCE),  # show progress, stop early, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots three validation pages and the test page that the notebook shows."""
    x, page = data.x_val[:3], data.x_test[:1]
    val = {"input": x, "target": data.y_val[:3], "output": decode(encode(x))}
    test = {"input": page, "output": decode(encode(page))}
    rows = {"validation-pages": val, "test-page": test}
    return {name: figures.strip(pages, WIDTH / 100) for name, pages in rows.items()}  # in inches


# %% Run
# `cli.main` calls `load` once. For each style it builds the network, calls its train function
# (which calls `minibatches`), then `draw`. Its `encode` and `decode` take and return NumPy arrays.
# `--variant corrected` passes `split` and `fit`: see tutorials/articles/document_cleaner.py.
STYLES = {"low-level": (Cleaner, train_low_level), "keras": (build_keras, train_keras)}
NETWORKS = {"autoencoder": STYLES}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
