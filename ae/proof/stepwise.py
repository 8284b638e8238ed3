"""What makes two trainings comparable step by step: losses kept, noise shared, equal precision."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ae.backend import keras, tf
from ae.training.run import Run

import numpy as np


class StepRun(Run):
    """A run that keeps the loss of every step, in either style, and never stops early.

    Keras reports every step only if it takes one at a time, so settings need `steps_per_call=1`.
    """

    def __init__(self, label: str, num_steps: int):
        super().__init__(label, num_epochs=1)
        self.num_steps = num_steps  # to take at least; the low-level style takes whole epochs
        self.step_losses: list[float] = []  # the loss of each minibatch
        self.batches: list[np.ndarray] = []  # (batch,) example numbers; low-level style only

    def epochs(self, optimizer, patience=None):
        """Yields all epochs."""
        return super().epochs(optimizer)

    def chunks(self, batches):
        """Keeps the minibatches, and counts the epochs that the steps need."""
        self.num_epochs = math.ceil(self.num_steps / len(batches))
        self.batches += list(batches)
        return super().chunks(batches)

    def callbacks(self, patience=None):
        """Adds the callback that makes Keras report each batch's own loss."""
        return [_ForgetEarlierBatches(), *super().callbacks()]

    def observe(self, losses):
        """Keeps the newest losses."""
        self.step_losses += losses


class _ForgetEarlierBatches(keras.callbacks.Callback):
    """Makes `logs["loss"]` the loss of one minibatch instead of the mean over the epoch so far."""

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()


class SharedNoise:
    """Replaces a low-level network's noise by the numbers that a Keras layer draws."""

    def __init__(self, layer: keras.Layer):
        self.seed = keras.random.SeedGenerator(0)
        self.seed.state.assign(layer.seed_generator.state)

    def normal(self, shape: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Draws from N(0, 1), as `tf.random.Generator.normal` does."""
        return keras.random.normal(shape, dtype=dtype, seed=self.seed)


def in_float64(network: tf.Module) -> None:
    """Replaces a low-level network's float32 variables, which lessons draw, by float64 ones."""
    replaced: dict[int, tf.Variable] = {}  # a variable may be an attribute and in a list

    def wider(value):
        if not isinstance(value, tf.Variable) or value.dtype != tf.float32:
            return value
        return replaced.setdefault(id(value), tf.Variable(tf.cast(value, tf.float64)))

    for name, value in list(vars(network).items()):
        if not name.startswith("_"):
            setattr(network, name, tf.nest.map_structure(wider, value))


@contextmanager
def computing_in(floatx: str) -> Iterator[None]:
    """Lets Keras compute in float32 or float64 for a while."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def cast(data: Any, floatx: str) -> Any:
    """Returns a lesson's data with its pixels as `floatx`; labels stay whole numbers."""
    arrays = {name: a for name, a in data._asdict().items() if isinstance(a, np.ndarray)}
    pixels = {name: a.astype(floatx) for name, a in arrays.items() if a.dtype.kind == "f"}
    return data._replace(**pixels)
