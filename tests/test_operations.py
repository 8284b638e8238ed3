from ae.operations import pooled_relu, upsampled_conv2d

import numpy as np
import pytest
import tensorflow as tf

RNG = np.random.default_rng(0)


def numbers(*shape):
    return tf.constant(RNG.normal(size=shape))


def value_and_gradients(function, *arguments):
    """Returns outputs, and gradients of a sum that weighs each output differently."""
    with tf.GradientTape() as tape:
        for argument in arguments:
            tape.watch(argument)
        value = function(*arguments)
        weights = tf.reshape(tf.range(tf.size(value), dtype=value.dtype), tf.shape(value))
        total = tf.reduce_sum(tf.sin(weights) * value)
    return value, *tape.gradient(total, arguments)


def assert_same(one, other, *arguments):
    pairs = zip(
        value_and_gradients(one, *arguments), value_and_gradients(other, *arguments), strict=True
    )
    for a, b in pairs:
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 1), (2, 9)])
def test_pooling_may_come_before_bias_and_relu(size):
    def plain(x, bias):
        return tf.nn.max_pool2d(tf.nn.relu(x + bias), 2, 2, "SAME")

    assert_same(pooled_relu, plain, numbers(3, *size, 4), numbers(4))


def test_pooling_first_changes_no_bit():
    x, bias = (tf.cast(v, "float32") for v in (numbers(5, 28, 28, 16), numbers(16)))
    plain = tf.nn.max_pool2d(tf.nn.relu(x + bias), 2, 2, "SAME")
    np.testing.assert_array_equal(pooled_relu(x, bias), plain)


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (1, 1), (1, 7)])
@pytest.mark.parametrize("channels", [(3, 1), (2, 4)])
def test_a_convolution_of_copies_needs_no_copies(size, channels):
    def plain(x, kernel):
        return tf.nn.conv2d(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), kernel, 1, "SAME")

    m, n = channels
    assert_same(upsampled_conv2d, plain, numbers(2, *size, m), numbers(3, 3, m, n))
