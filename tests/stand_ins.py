"""What stands for trained networks, for data and for the report of a run."""

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Net:
    """A network whose parts are these functions; each gives back what it is given."""

    def __init__(self, encode=tf.identity, decode=tf.identity):
        self.encode, self.decode = encode, decode


class LinearNet:
    """Multiplies by random matrices, so that no code and no output resembles another.

    A variational one returns two codes; the second is the first one negated.
    """

    def __init__(self, shape, code_shape, variational=False):
        rng = np.random.default_rng(0)
        n, m = math.prod(shape), math.prod(code_shape)
        self.shape, self.code_shape, self.variational = shape, code_shape, variational
        self.down, self.up = rng.normal(scale=0.1, size=(2, n, m)).astype("float32")

    def encode(self, x):
        z = tf.reshape(tf.reshape(x, [-1, len(self.down)]) @ self.down, [-1, *self.code_shape])
        return (z, -z) if self.variational else z

    def decode(self, z):
        x = tf.reshape(z, [-1, len(self.up.T)]) @ self.up.T
        return tf.reshape(x, [-1, *self.shape])


class AnyData:
    """Data with every field that is asked for: random images, no two of them alike.

    The fields in `labels` hold classes from 0 to 9, which have the names `class_names`.
    """

    class_names = tuple(f"class {number}" for number in range(10))

    def __init__(self, shape, number, labels=()):
        self.shape, self.number, self.labels = shape, number, labels

    def __getattr__(self, field):
        rng = np.random.default_rng(list(field.encode()))
        if field in self.labels:
            made = rng.integers(0, 10, self.number)
        else:
            made = rng.random((self.number, *self.shape), "float32")
        setattr(self, field, made)
        return made


class Kept:
    """A report that keeps figures and captions by their names."""

    def __init__(self, network_name="autoencoder"):
        self.network_name = network_name
        self.figures, self.captions, self.results = {}, {}, {}

    def figure(self, name, figure, shows="", of=""):
        assert name not in self.figures
        self.figures[name], self.captions[name] = figure, shows

    def result(self, name, value):
        self.results[name] = value

    def kept(self, name, measure):
        return self.results.setdefault(name, measure())


class NoFit:
    """Stands for `ae.proof.judges.fit`: keeps what it should train, and trains nothing."""

    def __init__(self):
        self.asked = []

    def __call__(self, model, batches, steps, num_epochs=1):
        weights = model.get_weights()
        self.asked.append(NoFit.Asked(model, weights, next(iter(batches)), steps, num_epochs))

    class Asked(NamedTuple):
        model: Any
        first_weights: list
        minibatch: tuple  # the first one: input and target
        steps: int  # an epoch
        num_epochs: int
