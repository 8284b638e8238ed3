from collections import Counter

from ae.training import faster_layers as module
from ae.training.faster_layers import faster_layers
from tutorials import conv_denoiser, document_cleaner

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from running import lesson, smoke_settings, train_run

RNG = np.random.default_rng(0)
WIDE = {"activation": "relu", "padding": "same", "dtype": "float64"}


def joined(*stack, shape=(8, 6, 8)):
    x = keras.Input(shape, dtype="float64")
    return keras.Model(x, keras.Sequential(stack)(x))


def downwards(**changed):
    return [layers.Conv2D(5, 3, **WIDE | changed), layers.MaxPooling2D(2, dtype="float64")]


def upwards(filters=1, upsampling=None, **changed):
    convolution = {"padding": "same", "activation": "sigmoid", "dtype": "float64"} | changed
    upsampling = {"size": 2, "dtype": "float64"} | (upsampling or {})
    return [layers.UpSampling2D(**upsampling), layers.Conv2D(filters, 3, **convolution)]


def same(stack):
    stack[-1].padding = "same"
    return stack


def value_and_gradients(model, x):
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(len(weight.shape)).normal(size=weight.shape))
    with tf.GradientTape() as tape:
        y = model(x)
        loss = tf.reduce_sum(tf.sin(tf.range(tf.size(y), dtype=y.dtype)) * tf.reshape(y, [-1]))
    return [y, *tape.gradient(loss, model.trainable_weights)]


def exchanged(model):
    """Lists the layers that compute something else than their class does."""
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    own = [layer.name for layer in model.layers if "call" in vars(layer)]
    return own + [name for part in parts for name in exchanged(part)]


def count_exchanged(model):
    with faster_layers(model):
        return len(exchanged(model))


FASTER = [same(downwards()), same(downwards(strides=2)), upwards(), upwards(filters=2)]


@pytest.mark.parametrize("stack", FASTER)
def test_values_and_gradients_stay_the_same(stack):
    model = joined(*stack)
    x = RNG.normal(size=(3, 8, 6, 8))
    expected = value_and_gradients(model, x)
    with faster_layers(model):
        found = value_and_gradients(model, x)
        assert len(exchanged(model)) == 2
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "stack",
    [
        downwards(),  # pads no odd border, so it drops it
        same(downwards(activation="tanh")),
        same(downwards(use_bias=False)),
        same(downwards(activity_regularizer="l2")),  # of what ReLU returns
        same(downwards(activation=None)),
        upwards(upsampling={"size": 3}),
        upwards(upsampling={"interpolation": "bilinear"}),
        upwards(padding="valid"),
        upwards(strides=2),
        upwards(dilation_rate=2),
        upwards(filters=3),  # more than a quarter of 8 channels
    ],
)
def test_layers_that_no_operation_replaces_compute_as_always(stack):
    assert count_exchanged(joined(*stack)) == 0


def test_an_output_that_more_than_one_layer_gets_stays():
    convolution, pooling = same(downwards())
    x = keras.Input([8, 6, 8], dtype="float64")
    h = convolution(x)
    assert count_exchanged(keras.Model(x, [h, pooling(h)])) == 0
    added = layers.Add(dtype="float64")([h, h])
    assert count_exchanged(keras.Model(x, [pooling(h), added])) == 0


def test_after_a_failure_the_layers_compute_as_always():
    model = document_cleaner.build_keras()
    with pytest.raises(ZeroDivisionError), faster_layers(model):
        assert len(exchanged(model)) == 4
        1 / 0  # noqa: B018
    assert not exchanged(model)


def test_a_low_level_network_is_left_as_it_is():
    network = conv_denoiser.Denoiser()
    before = dict(vars(network))
    with faster_layers(network):
        assert vars(network) == before


def test_a_run_trains_so(tmp_path, monkeypatch):
    counts = Counter()

    def counting(name):
        function = getattr(module, name)

        def counted(*arguments):
            counts[name] += 1
            return function(*arguments)

        return counted

    for name in ("pooled_relu", "upsampled_conv2d"):
        monkeypatch.setattr(module, name, counting(name))
    cleaner, settings = lesson("document_cleaner"), smoke_settings("document_cleaner")
    train_run(cleaner, settings, tmp_path / "run", preset="smoke", style="keras")
    assert counts.keys() == {"pooled_relu", "upsampled_conv2d"}
