"""Networks that judge a lesson's network or are compared with it; equal data train them once."""

import functools

from ae import terminal
from ae.backend import keras, tf
from ae.training import interrupts
from ae.training.minibatches import Shuffled, dataset
from ae.training.notices import drop_notice_of_onednn

import numpy as np
from keras import layers
from keras.initializers import GlorotUniform

CLASSIFIER_EPOCHS = 5  # after them it is right on 97 to 98 % of MNIST's test digits
CLASSIFIER_BATCH_SIZE = 128
LINEAR_STEPS = 4000  # until a linear autoencoder's loss stops falling
LINEAR_BATCH_SIZE = 500
SURE = 0.9  # probability
NEAR = 0.95  # share of real test images that count as near to the training images


@interrupts.postponed()
def fit(model: keras.Model, batches: tf.data.Dataset, steps: int, num_epochs: int = 1) -> None:
    """Fits a compiled model under a progress bar. Ctrl-C stops it between two steps.

    Args:
        batches: an endless stream of minibatches, already shuffled.
        steps: minibatches in an epoch.
    """
    drop_notice_of_onednn()
    with terminal.bar("training another network", steps * num_epochs) as progress:
        model.fit(
            batches,
            epochs=num_epochs,
            steps_per_epoch=steps,
            callbacks=[interrupts.Delivery(), _Progress(progress)],
            shuffle=False,
            verbose=0,
        )


class _Progress(keras.callbacks.Callback):
    """Moves a bar on after each call, which may take several steps."""

    def __init__(self, bar: terminal.tqdm):
        super().__init__()
        self._bar, self._earlier = bar, 0

    def on_train_batch_end(self, batch, logs=None):
        self._bar.update(self._earlier + batch + 1 - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        self._earlier += self.params["steps"]


class Hashable:
    """Arrays that `functools.lru_cache` can compare: equal if their contents are equal."""

    def __init__(self, *arrays: np.ndarray):
        self.arrays = arrays

    def __hash__(self):
        return hash(tuple(a.shape for a in self.arrays))

    def __eq__(self, other):
        pairs = zip(self.arrays, other.arrays, strict=False)
        return hash(self) == hash(other) and all(a is b or np.array_equal(a, b) for a, b in pairs)


@functools.lru_cache(maxsize=1)
def train_classifier(examples: Hashable) -> keras.Model:
    """Trains a classifier on rows (n, 784) and labels (n,): 784-256-10, ReLU, softmax; Adam."""
    x, y = examples.arrays
    pixels = keras.Input(x.shape[1:])
    h = layers.Dense(256, "relu", kernel_initializer=GlorotUniform(1))(pixels)
    scores = layers.Dense(10, "softmax", kernel_initializer=GlorotUniform(2))(h)
    classifier = keras.Model(pixels, scores)
    classifier.compile("adam", "sparse_categorical_crossentropy")
    order = Shuffled(len(x), CLASSIFIER_BATCH_SIZE, seed=0)
    fit(classifier, dataset(order, x, y), order.steps_per_epoch, CLASSIFIER_EPOCHS)
    return classifier


def share_typical(examples: Hashable, real: np.ndarray, new: np.ndarray) -> float | None:
    """Divides how often new rows look like the data by how often real rows do that nobody trained.

    A row looks like the data if two things hold: the classifier gives it one label above 0.9, and
    a training row is as near as it is for 95 of 100 real rows. Neither is enough. The classifier is
    sure of most noise; half of the averages of two images have a training image near. Distances are
    those of directions: rows less the mean training row, scaled to length 1. The result is None if
    no real row looks like the data to this judge.

    Args:
        examples: training rows (n, features) and labels (n,).
        real: test rows (m, features).
        new: rows (k, features) to judge.
    """
    x, _ = examples.arrays
    classifier = train_classifier(examples)
    mean = x.mean(axis=0)
    train, real_way, new_way = (_direction(rows - mean) for rows in (x, real, new))
    nearest = [_greatest_product(way, train) for way in (real_way, new_way)]
    least = np.quantile(nearest[0], 1 - NEAR)
    shares = [
        np.mean(
            (classifier.predict(rows, batch_size=500, verbose=0).max(axis=-1) > SURE)
            & (products >= least)
        )
        for rows, products in zip((real, new), nearest, strict=True)
    ]
    return float(shares[1] / shares[0]) if shares[0] else None


def _direction(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _greatest_product(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns, for each row, its largest scalar product with another; in parts, for memory."""
    parts = np.array_split(rows, max(1, len(rows) // 200))
    return np.concatenate([(part @ others.T).max(axis=1) for part in parts])


@functools.lru_cache(maxsize=1)
def train_linear_autoencoder(examples: Hashable, code_size: int) -> np.ndarray:
    """Trains x_hat = (x W + b) V + c with Adam; the learning rate falls to zero as a cosine does.

    Returns:
        V (code_size, features). Row j is what number j of the code adds to x_hat.
    """
    (x,) = examples.arrays
    row = keras.Input(x.shape[1:])
    z = layers.Dense(code_size, kernel_initializer=GlorotUniform(1))(row)
    decoder = layers.Dense(x.shape[1], kernel_initializer=GlorotUniform(2))
    autoencoder = keras.Model(row, decoder(z))
    step_size = keras.optimizers.schedules.CosineDecay(0.003, LINEAR_STEPS)
    autoencoder.compile(keras.optimizers.Adam(step_size), "mean_squared_error")
    order = Shuffled(len(x), LINEAR_BATCH_SIZE, seed=0)
    fit(autoencoder, dataset(order, x), LINEAR_STEPS)
    return decoder.kernel.numpy()


@functools.lru_cache(maxsize=2)
@interrupts.postponed()
def train_deep_autoencoder(
    examples: Hashable,
    code_units: int,
    num_epochs: int,
    batch_size: int,
    seed: int,
    jit_compile: bool = False,
) -> keras.Model:
    """Trains Hinton and Salakhutdinov's 784-1000-500-250-N and back; its layer "code" makes codes.

    Source: Science 313, 2006: N is 2 in figure 3 and 30 in figure 2. The paper uses logistic units
    and pretrains them layer by layer as Boltzmann machines. ReLU units and Adam need no
    pretraining.
    """
    (x,) = examples.arrays
    keras.utils.set_random_seed(seed)
    pixels = h = keras.Input(x.shape[1:])
    for units in (1000, 500, 250):
        h = layers.Dense(units, "relu")(h)
    h = layers.Dense(code_units, name="code")(h)
    for units in (250, 500, 1000):
        h = layers.Dense(units, "relu")(h)
    autoencoder = keras.Model(pixels, layers.Dense(x.shape[1], "sigmoid")(h))
    autoencoder.compile("adam", "binary_crossentropy", jit_compile=jit_compile)
    order = Shuffled(len(x), min(batch_size, len(x)), seed, drop_remainder=True)
    fit(autoencoder, dataset(order, x), order.steps_per_epoch, num_epochs)
    return autoencoder
