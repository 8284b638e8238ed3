"""The articles' TensorFlow 1 code path, which shares only the arithmetic with the lessons.

Three articles build a graph of placeholders and run it in a session with TensorFlow 1's optimizers.
`tf.compat.v1` still can, so it shows whether `ae.training.optimizers` and the lessons' steps
compute what the articles computed. Networks, losses and constants are written here a second time on
purpose.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ae.backend import tf

import numpy as np
import tensorflow.compat.v1 as tf1

# Each network takes the batch's placeholder and the list of weights, and returns the scalar loss.


def dense_ae(x, weights):
    """784-784-256-128-128-256-784, ReLU throughout; mean squared error."""
    h = x
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        h = tf1.nn.relu_layer(h, kernel, bias)
    return tf1.reduce_mean(tf1.squared_difference(x, h))


def sigmoid_ae(x, weights):
    """784-256-128-256-784, sigmoid throughout; mean squared error."""
    h = x
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        h = tf1.sigmoid(tf1.nn.xw_plus_b(h, kernel, bias))
    return tf1.reduce_mean(tf1.pow(x - h, 2))


def low_level_class(x, weights):
    """784-128-784, ReLU code; cross entropies of the logits, summed over pixels and batch."""
    W1, b1, W2, b2 = weights
    z = tf1.nn.relu_layer(x, W1, b1)
    logits = tf1.nn.xw_plus_b(z, W2, b2)
    return tf1.reduce_sum(tf1.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits))


def low_level_layers(x, weights):
    """784-256-128-784, linear up to the sigmoid output, which the loss takes for logits."""
    W1, b1, W2, b2, W3, b3 = weights
    z = tf1.nn.xw_plus_b(tf1.nn.xw_plus_b(x, W1, b1), W2, b2)
    x_hat = tf1.sigmoid(tf1.nn.xw_plus_b(z, W3, b3))
    # tf.losses.sigmoid_cross_entropy without its cast to float32
    return tf1.reduce_mean(tf1.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_hat))


# The optimizers take NumPy numbers and compute in their type; they round a Python number to
# float32. Their constants are TensorFlow 1's defaults.


def rmsprop(learning_rate):
    """Makes the optimizer of three networks."""
    number = type(learning_rate)
    return tf1.train.RMSPropOptimizer(learning_rate, number(0.9), number(0), number(1e-10))


def adam(learning_rate):
    """Makes the optimizer of the fourth."""
    number = type(learning_rate)
    return tf1.train.AdamOptimizer(learning_rate, number(0.9), number(0.999), number(1e-8))


NETWORKS = {  # lesson and network: loss, optimizer, learning rate
    ("dense_ae", "autoencoder"): (dense_ae, rmsprop, 0.001),
    ("sigmoid_ae", "autoencoder"): (sigmoid_ae, rmsprop, 0.01),
    ("low_level_ae", "class"): (low_level_class, rmsprop, 0.005),
    ("low_level_ae", "layers"): (low_level_layers, adam, 0.001),
}


@contextmanager
def training(
    lesson: str, network: str, weights: Sequence[np.ndarray], width: int
) -> Iterator[tuple[Callable, Callable]]:
    """Opens a session in which one of `NETWORKS` is trained, a `feed_dict` a batch.

    Args:
        weights: the initial kernels and biases of the layers; the graph computes in their type.
        width: numbers in an example.

    Yields:
        A function that takes a batch (batch, width) and returns its loss before the step, and one
        that returns the weights.
    """
    loss, optimizer, learning_rate = NETWORKS[lesson, network]
    dtype = weights[0].dtype
    with tf.Graph().as_default(), tf1.Session() as session:
        X = tf1.placeholder(dtype, [None, width])
        # TensorFlow 1's own kind of variable, whose optimizer kernels the lessons do not use.
        variables = [tf1.Variable(w, dtype=dtype, use_resource=False) for w in weights]
        cost = loss(X, variables)
        logger = tf.get_logger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # its own old optimizer calls a deprecated initializer
        step = optimizer(dtype.type(learning_rate)).minimize(cost)
        logger.setLevel(level)
        session.run(tf1.global_variables_initializer())
        yield (
            lambda batch: float(session.run([step, cost], feed_dict={X: batch})[1]),
            lambda: session.run(variables),
        )


def losses(
    lesson: str, network: str, weights: Sequence[np.ndarray], batches: Sequence[np.ndarray]
) -> tuple[list[float], list[np.ndarray]]:
    """Trains one of `NETWORKS` on batches; returns each one's loss and the weights at the end."""
    with training(lesson, network, weights, len(weights[0])) as (step, read):
        return [step(batch) for batch in batches], read()
