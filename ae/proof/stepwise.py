"""What makes two trainings comparable step by step: losses kept, noise shared, equal precision."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ae.training import Run

import keras
import numpy as np
import tensorflow as tf


class StepRun(Run):
    """A run that keeps the loss of every step, in either style, and never stops early.

    Args:
        label: what the progress bar is headed with.
        num_steps: steps to train for at least; whole epochs are taken.

    Attributes:
        step_losses: the loss of each minibatch.
        batches: the training data of each step, a tuple of arrays; low-level style only.
    """

    def __init__(self, label: str, num_steps: int):
        super().__init__(label, num_epochs=0)
        self.num_steps = num_steps
        self.step_losses: list[float] = []
        self.batches: list[tuple[np.ndarray, ...]] = []

    def fit(self, train_step, order, *arrays, patience=None, **options):
        """Trains for as many epochs as the steps need and keeps the batches."""
        self.num_epochs = math.ceil(self.num_steps / order.steps_per_epoch)
        super().fit(train_step, order, *arrays, **options)
        for epoch in range(self.num_epochs):
            self.batches += [tuple(a[rows] for a in arrays) for rows in order.epoch(epoch)]

    def steps_at_once(self, order, jit_compile):
        """Lets Keras report every step."""
        return 1

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
    """Stands for a low-level network's noise and draws the numbers that a Keras layer draws.

    Args:
        layer: a Keras layer with a `seed_generator`.
    """

    def __init__(self, layer: keras.Layer):
        self.seed = keras.random.SeedGenerator(0)
        self.seed.state.assign(layer.seed_generator.state)

    def normal(self, shape: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Draws from N(0, 1), as `tf.random.Generator.normal` does."""
        return keras.random.normal(shape, dtype=dtype, seed=self.seed)


@contextmanager
def computing_in(floatx: str) -> Iterator[None]:
    """Makes Keras, and the lessons' variables, compute in float32 or float64 for a while."""
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
    return data._replace(
        **{
            name: array.astype(floatx)
            for name, array in data._asdict().items()
            if isinstance(array, np.ndarray) and np.issubdtype(array.dtype, np.floating)
        }
    )
