"""Lets the layers of a Keras model train with the operations that the low-level style has.

A lesson builds its Keras half of Keras's own layers. They keep their weights and their file; only
what they compute is exchanged, two neighbours at a time, until training ends.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ae.backend import keras
from ae.operations import pooled_relu, upsampled_conv2d

from keras import layers, ops

FEW = 0.25  # a convolution of copies has at most this share of its input channels as filters


@contextmanager
def faster_layers(network: Any) -> Iterator[None]:
    """Computes a Keras model with `ae.operations` within the block; other networks as always.

    Its values and gradients are the same, up to rounding.
    """
    with ExitStack() as stack:
        for first, second in _neighbours(network) if isinstance(network, keras.Model) else ():
            for layer, call in _calls(first, second):
                layer.call = call  # overrides this one layer's, until it is deleted
                stack.callback(delattr, layer, "call")
        yield


def _neighbours(model: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Yields layers, each with the one layer that gets its output, if nothing else does."""
    outputs = [id(tensor) for tensor in getattr(model, "outputs", ())]  # of a functional model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _neighbours(layer)
        elif len(layer._inbound_nodes) == len(layer._outbound_nodes) == 1:
            user = layer._outbound_nodes[0].operation
            if id(layer.output) not in outputs and len(user._inbound_nodes) == 1:
                yield layer, user


def _calls(first: keras.Layer, second: keras.Layer) -> list[tuple[keras.Layer, Callable]]:
    """Returns what two neighbours compute instead: nothing, if there is no faster way."""
    if _is_convolution(first) and first.activation is keras.activations.relu:
        if _is(second, layers.MaxPooling2D, pool_size=(2, 2), strides=(2, 2), padding="same"):
            return [
                (first, lambda x: first.convolution_op(x, first.kernel)),
                (second, lambda h: pooled_relu(h, ops.convert_to_tensor(first.bias))),
            ]
    elif _is(first, layers.UpSampling2D, size=(2, 2), interpolation="nearest"):
        same = {
            "kernel_size": (3, 3),
            "strides": (1, 1),
            "dilation_rate": (1, 1),
            "padding": "same",
        }
        if _is_convolution(second, **same) and second.filters <= FEW * first.output.shape[-1]:
            return [(first, lambda x: x), (second, lambda x: _upsampled(second, x))]
    return []


def _upsampled(convolution: layers.Conv2D, x: Any) -> Any:
    h = upsampled_conv2d(x, ops.convert_to_tensor(convolution.kernel))
    return convolution.activation(h + ops.convert_to_tensor(convolution.bias))


def _is_convolution(layer: keras.Layer, **has: Any) -> bool:
    return _is(layer, layers.Conv2D, groups=1, use_bias=True, activity_regularizer=None, **has)


def _is(layer: keras.Layer, kind: type, **has: Any) -> bool:
    """Says whether a layer is of a kind itself, not of a class made from it, and has these."""
    alike = type(layer) is kind and layer.data_format == "channels_last"
    return alike and all(getattr(layer, name) == value for name, value in has.items())
