"""The variational autoencoder that the article of `dense_ae` announces, from its author's book."""

import functools
from typing import NamedTuple

from ae.backend import keras
from ae.proof.judges import Hashable, fit
from ae.training import interrupts
from ae.training.minibatches import Shuffled, dataset

from keras import layers, ops

CODE_SIZE = 10
NUM_EPOCHS = 100
BATCH_SIZE = 100
LEARNING_RATE = 1e-4
EPSILON = 1e-10  # in the logarithms


class Sampling(layers.Layer):
    """Draws codes from N(z_mean, exp(z_log_var)); adds the divergence from N(0, 1) to the loss."""

    def __init__(self, seed: int):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        """Maps z_mean and log sigma^2, both (batch, 10), to codes (batch, 10)."""
        z_mean, z_log_var = inputs
        each = 1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var)
        self.add_loss(-ops.mean(ops.sum(each, axis=1)) / 2)
        noise = keras.random.normal(ops.shape(z_mean), dtype=each.dtype, seed=self.seed_generator)
        return z_mean + ops.exp(z_log_var / 2) * noise


def cross_entropy(x, x_hat):
    """Sums -x log x_hat - (1 - x) log(1 - x_hat) over the pixels; averages over the batch."""
    each = x * ops.log(EPSILON + x_hat) + (1 - x) * ops.log(EPSILON + 1 - x_hat)
    return -ops.mean(ops.sum(each, axis=1))


class Parts(NamedTuple):
    """The parts of a trained variational autoencoder, and the whole of them."""

    encoder: keras.Model  # from digits (n, 784) to z_mean and z_log_var, both (n, 10)
    decoder: keras.Model  # from codes (n, 10) to digits (n, 784)
    whole: keras.Model  # from digits to reconstructions of drawn codes; compiled


def build(seed: int = 0) -> Parts:
    """Builds 784-784-256-128-10 with ELU units, and 10-256-384-512-784 with a sigmoid at the end.

    Source: PacktPublishing/Hands-On-Artificial-Intelligence-for-Beginners,
    chapter7/building_vae.ipynb, which does not run: its divergence takes names that do not exist,
    and its decoder takes the digit in place of the code. Both are put right here. In the encoder,
    Glorot's distribution draws the biases too, as in `dense_ae`.
    """
    keras.utils.set_random_seed(seed)
    x = h = keras.Input([784])
    for units in (784, 256, 128):
        h = layers.Dense(units, "elu", bias_initializer="glorot_uniform")(h)
    encoder = keras.Model(x, tuple(layers.Dense(CODE_SIZE)(h) for _ in range(2)), name="encoder")
    z = h = keras.Input([CODE_SIZE])
    for units in (256, 384, 512):
        h = layers.Dense(units, "elu")(h)
    decoder = keras.Model(z, layers.Dense(784, "sigmoid")(h), name="decoder")
    whole = keras.Model(x, decoder(Sampling(seed)(encoder(x))))
    whole.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8), cross_entropy)
    return Parts(encoder, decoder, whole)


@functools.lru_cache(maxsize=1)
@interrupts.postponed()
def train(examples: Hashable, num_epochs: int = NUM_EPOCHS, seed: int = 0) -> Parts:
    """Trains on rows (n, 784) in [0, 1]; 550 minibatches of 100 are an epoch of 55,000 digits."""
    (x,) = examples.arrays
    parts = build(seed)
    order = Shuffled(len(x), min(BATCH_SIZE, len(x)), seed, drop_remainder=True)
    fit(parts.whole, dataset(order, x), order.steps_per_epoch, num_epochs)
    return parts
