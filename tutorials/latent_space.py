"""One network, trained three ways: what noise and a divergence do to the plane of codes.

Article   "Comprehensive Introduction to Autoencoders", Matthew Stewart: gaps in the latent space
Network   Conv 32-64, Dense 16, code of 2; Dense 3136, transposed Conv 64-32-1: that of Keras's
          example "Variational AutoEncoder", F. Chollet, 2020
Training  cross entropy, summed over pixels; variational: plus a divergence; Adam; 10 epochs
Result    loss of epoch 10: plain 144 +- 2, noisy 148 +- 2, variational 155 +- 2 (divergence too),
          of 3 runs each (none published); 4 minutes per network and style on two cores

    python -m tutorials latent_space --preset quick        three networks in both styles
    python -m tutorials latent_space --data-set fashion    clothes in place of digits
    python -m tutorials latent_space --kl-weight 0         a VAE without its divergence

Three networks have equal layers, images and steps. They differ in what the decoder gets:

    plain         the code itself
    noisy         the code plus noise from N(0, 1)
    variational   the code plus noise from N(0, sigma^2), where the encoder chooses sigma. The loss
                  has the divergence of N(z_mean, sigma^2) from N(0, 1): it is a VAE

Why does the encoder of the noisy network not choose sigma? Without the divergence, sigma falls
towards 0, and the network becomes the plain one. With sigma = 1 it moves its codes apart until the
noise hardly matters. In the figures, compare the axes: how far do the codes reach?
"""

# %% Setup
import sys
from collections import namedtuple

from ae import cli, datasets, figures  # before keras: importing ae starts TensorFlow quietly
from ae.lesson import Settings
from ae.training.minibatches import Shuffled

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

CODE_SIZE = 2  # numbers in a code
FEATURES = 7 * 7 * 64  # 3136, of the encoder's last convolution and of the decoder's Dense
KL_WEIGHT = 1.0  # of the divergence; 1 makes the loss the evidence lower bound, negated
SIDE = 20  # decoded codes across and down the plane
# Options override these. steps_per_call: minibatches in one call (steps_per_execution), for speed.
SETTINGS = Settings(num_epochs=10, batch_size=128, learning_rate=0.001, steps_per_call=50)

# %% Data
Data = namedtuple("Data", "x_train y_train x_test y_test class_names provenance")


def load(settings, data_dir, load_images=datasets.load_mnist, held_out=True):
    """Loads images (n, 28, 28, 1) in [0, 1] and classes; may train on the test images too."""
    full = load_images(data_dir)
    x, y = full.x_train, full.y_train
    if not held_out:
        x, y = np.concatenate([x, full.x_test]), np.concatenate([y, full.y_test])
    train, test = slice(settings.num_train), slice(settings.num_test)
    x_train, x_test = datasets.nhwc(x[train]), datasets.nhwc(full.x_test[test])
    return Data(x_train, y[train], x_test, full.y_test[test], full.class_names, full.provenance)


# %% Low-level: network
def layer(*shape, biases=None):
    """Draws a kernel (in, out) or (3, 3, in, out) after Glorot and Bengio, as Keras does; b = 0."""
    limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))  # 6 / (fan_in + fan_out)
    kernel = tf.random.uniform(shape, -limit, limit)
    return tf.Variable(kernel), tf.Variable(tf.zeros([biases or shape[-1]]))


class Plain(tf.Module):
    """The plain network: decodes the code that it encodes."""

    encoder_outputs = 1

    def __init__(self, code_size=CODE_SIZE):
        super().__init__()
        self.encoder = [*layer(3, 3, 1, 32), *layer(3, 3, 32, 64), *layer(FEATURES, 16)]
        for _ in range(self.encoder_outputs):
            self.encoder += layer(16, code_size)
        self.decoder = [*layer(code_size, FEATURES)]  # next transposed kernels: (3, 3, out, in)
        self.decoder += [*layer(3, 3, 64, 64), *layer(3, 3, 32, 64, biases=32)]
        self.decoder += layer(3, 3, 1, 32, biases=1)
        self.weights = [*self.encoder, *self.decoder]

    def features(self, x):
        """Maps images (batch, 28, 28, 1) to what the code is made of (batch, 16)."""
        W1, b1, W2, b2, W3, b3 = self.encoder[:6]
        h = tf.nn.relu(tf.nn.conv2d(x, W1, 2, "SAME") + b1)  # (batch, 14, 14, 32)
        h = tf.nn.relu(tf.nn.conv2d(h, W2, 2, "SAME") + b2)  # (batch, 7, 7, 64)
        return tf.nn.relu(tf.reshape(h, [-1, FEATURES]) @ W3 + b3)

    def encode(self, x):
        """Maps images to codes (batch, 2)."""
        W, b = self.encoder[6:]
        return self.features(x) @ W + b

    def __call__(self, x):
        """Returns x_hat, as training sees it, and the divergence."""
        return self.decode(self.encode(x)), 0.0

    def decode(self, z):
        """Maps codes (batch, 2) to images (batch, 28, 28, 1)."""
        W1, b1, W2, b2, W3, b3, W4, b4 = self.decoder
        n = tf.shape(z)[0]
        h = tf.reshape(tf.nn.relu(z @ W1 + b1), [-1, 7, 7, 64])
        h = tf.nn.relu(tf.nn.conv2d_transpose(h, W2, [n, 14, 14, 64], 2, "SAME") + b2)
        h = tf.nn.relu(tf.nn.conv2d_transpose(h, W3, [n, 28, 28, 32], 2, "SAME") + b3)
        return tf.nn.sigmoid(tf.nn.conv2d_transpose(h, W4, [n, 28, 28, 1], 1, "SAME") + b4)


class Noisy(Plain):
    """Adds noise to the code: codes near each other must decode to similar images."""

    def __init__(self, seed=0, code_size=CODE_SIZE):
        super().__init__(code_size)
        self.noise = tf.random.Generator.from_seed(seed)

    def __call__(self, x):
        """Decodes a draw from N(z, 1)."""
        z = self.encode(x)
        return self.decode(z + self.noise.normal(tf.shape(z), dtype=z.dtype)), 0.0


class VAE(Noisy):
    """The encoder gives each image a distribution N(z_mean, sigma^2), not far from N(0, 1)."""

    encoder_outputs = 2

    def encode(self, x):
        """Maps images to z_mean and z_log_var = log sigma^2, both (batch, 2)."""
        h, (W_mean, b_mean, W_log_var, b_log_var) = self.features(x), self.encoder[6:]
        return h @ W_mean + b_mean, h @ W_log_var + b_log_var

    def __call__(self, x):
        """Decodes a draw from N(z_mean, sigma^2): the reparameterization trick."""
        z_mean, z_log_var = self.encode(x)
        sigma = tf.exp(z_log_var / 2)
        z = z_mean + sigma * self.noise.normal(tf.shape(sigma), dtype=sigma.dtype)
        each = 1 + z_log_var - tf.square(z_mean) - tf.square(sigma)
        return self.decode(z), -tf.reduce_mean(tf.reduce_sum(each, axis=1)) / 2


# %% Low-level: loss
@keras.saving.register_keras_serializable(package="latent_space")  # so that a saved model loads
def cross_entropy(x, x_hat):
    """Sums -x log x_hat - (1 - x) log(1 - x_hat) over the pixels; averages over the batch."""
    x_hat = tf.clip_by_value(x_hat, 1e-7, 1 - 1e-7)  # so that no logarithm is infinite
    each = x * tf.math.log(x_hat) + (1 - x) * tf.math.log(1 - x_hat)
    return -tf.reduce_mean(tf.reduce_sum(each, axis=(1, 2, 3)))


# %% Low-level: training
def train_low_level(network, data, settings, run, kl_weight=KL_WEIGHT):
    """Minimizes  cross entropy + kl_weight * divergence  with Adam, for all three networks."""
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(network.weights)
    images = tf.constant(data.x_train)
    # Shuffles at each epoch, as `fit` does: 469 minibatches of 128, the last of 96.
    order = Shuffled(len(images), settings.batch_size, settings.seed)

    def train_step(x):
        with tf.GradientTape() as tape:
            x_hat, divergence = network(x)
            loss = cross_entropy(x, x_hat) + kl_weight * divergence
        optimizer.apply(tape.gradient(loss, network.weights), network.weights)
        return loss

    @tf.function(jit_compile=settings.jit_compile)
    def train_steps(rows):  # rows (steps, 128): which images make up each minibatch
        losses = tf.TensorArray(images.dtype, len(rows))
        for i in tf.range(len(rows)):  # one loop in the graph: no return to Python between steps
            losses = losses.write(i, run.step(train_step, tf.gather(images, rows[i])))
        return losses.stack()

    for epoch in run.epochs(optimizer):  # shows progress, saves and resumes
        for rows in run.chunks(order.epoch(epoch)):  # 50 at a time, then the 18 and the 1 left
            run.log(train_steps(rows))


# %% Keras: network
@keras.saving.register_keras_serializable(package="latent_space")
class Sampling(layers.Layer):
    """Draws codes from N(z_mean, sigma^2); adds the weighted divergence to the model's losses."""

    def __init__(self, kl_weight, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.kl_weight, self.seed = kl_weight, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        """Maps z_mean and log sigma^2, both (batch, 2), to codes (batch, 2)."""
        z_mean, z_log_var = inputs
        each = 1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var)
        self.add_loss(-self.kl_weight * ops.mean(ops.sum(each, axis=1)) / 2)
        epsilon = keras.random.normal(ops.shape(z_mean), dtype=each.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * epsilon


def build_parts(code_size, outputs=("z",)):
    """Builds the input, an encoder with the named outputs, and the decoder."""
    relu_same = {"activation": "relu", "padding": "same"}
    x = keras.Input([28, 28, 1], name="image")
    h = layers.Conv2D(32, 3, strides=2, **relu_same)(x)  # (14, 14, 32)
    h = layers.Conv2D(64, 3, strides=2, **relu_same)(h)  # (7, 7, 64)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    code = tuple(layers.Dense(code_size, name=name)(h) for name in outputs)
    encoder = keras.Model(x, code if len(code) > 1 else code[0], name="encoder")
    z = keras.Input([code_size], name="code")
    h = layers.Reshape([7, 7, 64])(layers.Dense(FEATURES, activation="relu")(z))
    h = layers.Conv2DTranspose(64, 3, strides=2, **relu_same)(h)  # (14, 14, 64)
    h = layers.Conv2DTranspose(32, 3, strides=2, **relu_same)(h)  # (28, 28, 32)
    image = layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(h)
    return x, encoder, keras.Model(z, image, name="decoder")


def build_plain(code_size=CODE_SIZE):
    """Joins encoder and decoder."""
    x, encoder, decoder = build_parts(code_size)
    return keras.Model(x, decoder(encoder(x)), name="plain")


def build_noisy(seed=0, code_size=CODE_SIZE):
    """Adds noise with sigma = 1, log sigma^2 = 0, between encoder and decoder."""
    x, encoder, decoder = build_parts(code_size)
    z = encoder(x)
    noisy = Sampling(kl_weight=0.0, seed=seed)([z, ops.zeros_like(z)])
    return keras.Model(x, decoder(noisy), name="noisy")


def build_variational(seed=0, code_size=CODE_SIZE, kl_weight=KL_WEIGHT):
    """Draws codes, and adds the divergence to the losses of the model, with `Sampling`."""
    x, encoder, decoder = build_parts(code_size, outputs=("z_mean", "z_log_var"))
    return keras.Model(x, decoder(Sampling(kl_weight, seed)(encoder(x))), name="variational")


# %% Keras: training
def train_keras(autoencoder, data, settings, run):
    """Compiles the model with the same loss and fits it to the same minibatches."""
    # `compiled` holds steps_per_execution and jit_compile, for speed only.
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    order = Shuffled(len(data.x_train), settings.batch_size, settings.seed)
    autoencoder.compile(optimizer, cross_entropy, **settings.compiled)
    autoencoder.fit(
        run.dataset(order, data.x_train),  # pairs (x, x), shuffled already
        epochs=settings.num_epochs,
        callbacks=run.callbacks(),  # show progress, save and resume
        shuffle=False,
        verbose=0,
    )


# %% Figure
def draw(encode, decode, data):
    """Plots images between two test images, the plane of codes, and what the plane decodes to."""
    z = encode(data.x_test)
    z = z[0] if isinstance(z, tuple) else z  # z_mean
    ways = {"first pair": np.linspace(z[0], z[1], 10), "second": np.linspace(z[2], z[3], 10)}
    drawn = {"interpolation": figures.strip({k: decode(way)[..., 0] for k, way in ways.items()})}
    if z.shape[1] == 2:
        drawn["plane"] = figures.planes({"": z}, data.y_test, data.class_names)
        across, up = np.linspace(*np.quantile(z, [0.01, 0.99], axis=0), SIDE, dtype="float32").T
        places = np.array([(z_1, z_2) for z_2 in up[::-1] for z_1 in across])
        drawn["manifold"] = figures.manifold(decode(places), SIDE, places)
    return drawn


# %% Run
# `cli.main` calls `load`, builds, trains and draws; `encode` and `decode` take NumPy arrays.
NETWORKS = {
    "plain": {"low-level": (Plain, train_low_level), "keras": (build_plain, train_keras)},
    "noisy": {"low-level": (Noisy, train_low_level), "keras": (build_noisy, train_keras)},
    "variational": {"low-level": (VAE, train_low_level), "keras": (build_variational, train_keras)},
}

if __name__ == "__main__":
    cli.main(sys.modules[__name__])
