"""Encodes, decodes and reconstructs NumPy arrays with a network of either style."""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from ae.backend import keras, tf
from ae.errors import InputError
from ae.lesson import STYLES
from ae.training import interrupts

import numpy as np

Network = tf.Module | keras.Model  # of the low-level style, of Keras


class Codec(NamedTuple):
    """The three functions of a trained autoencoder, on NumPy arrays of any length."""

    encode: Callable  # from inputs (n, ...) to codes; of a variational network, to (z_mean, s)
    decode: Callable  # from codes to reconstructions
    reconstruct: Callable  # from inputs to reconstructions; a variational code is its mean


@functools.lru_cache(maxsize=2)  # many measures ask for the same network's, which is traced once
def codec(network: Network, batch_size: int = 500) -> Codec:
    """Takes encoder, decoder and the whole out of a network; `batch_size` bounds the memory."""
    parts = (*_parts(network), functools.partial(_reconstruct, network))
    return Codec(*(in_batches(part, batch_size) for part in parts))


def require_network(network: Any, builder: str) -> None:
    """Raises InputError if `builder` made no network, or one with variables outside `weights`."""
    if isinstance(network, keras.Model):
        lacking = {"encoder", "decoder"} - {layer.name for layer in network.layers}
    else:
        lacking = {n for n in ("weights", "encode", "decode") if not hasattr(network, n)}
    if lacking:
        raise InputError(
            f"{builder} returns {type(network).__name__}, which lacks {min(lacking)}; return a "
            "tf.Module with weights, encode and decode, or a Keras model with models named "
            "encoder and decoder."
        )
    listed = {id(weight) for weight in network.weights}
    for variable in network.trainable_variables:
        if id(variable) not in listed:
            raise InputError(
                f'{builder}: network.weights lacks the variable "{name_of(variable, network)}"; '
                "list every trainable variable there."
            )


def name_of(variable: Any, network: Network) -> str:
    """Names a variable by its path in a Keras model, or by the attribute of a module it is in."""
    if isinstance(network, keras.Model):
        return variable.path
    for attribute, value in vars(network).items():
        for part in tf.nest.flatten(value) if not attribute.startswith("_self_") else ():
            if any(one is variable for one in getattr(part, "variables", [part])):
                return attribute
    return variable.name


def style_of(network: Network) -> str:
    """Names the style of a network."""
    return STYLES[isinstance(network, keras.Model)]


def reconstruct(network: Network, x: np.ndarray) -> np.ndarray:
    """Reconstructs inputs (n, ...) in one go; a variational code is its mean."""
    return _reconstruct(network, x).numpy()


def _parts(network: Network) -> tuple[Callable, Callable]:
    if isinstance(network, keras.Model):
        return network.get_layer("encoder"), network.get_layer("decoder")
    return network.encode, network.decode


def _reconstruct(network: Network, x: Any) -> tf.Tensor:
    encode, decode = _parts(network)
    z = encode(x)
    return decode(z[0] if isinstance(z, tuple | list) else z)


def in_batches(function: Callable, batch_size: int) -> Callable:
    """Wraps a TensorFlow function so that it takes and returns NumPy arrays of any length.

    AutoGraph, which no network needs, stays off: it would read the lesson's source again, which
    may have been edited while the network was trained.
    """
    graph = tf.function(function, reduce_retracing=True, autograph=False)

    @interrupts.postponed()
    def apply(x: np.ndarray) -> Any:
        parts = []
        for i in range(0, len(x), batch_size):
            parts.append(graph(tf.convert_to_tensor(x[i : i + batch_size])))
            interrupts.deliver()
        return tf.nest.map_structure(lambda *rows: np.concatenate(rows).astype("float32"), *parts)

    return apply


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """Lists a model's layers; a model within the model counts as its layers."""
    found = []
    for layer in model.layers:
        found += layers_of(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def count_parameters(network: Network) -> int:
    """Counts the trainable numbers of a network."""
    return sum(int(np.prod(w.shape)) for w in network.trainable_variables)


def weights_sha256(network: Network) -> str:
    """Hashes the trained numbers of a network, bit for bit, in Keras's order."""
    digest = hashlib.sha256()
    is_keras = isinstance(network, keras.Model)
    for weight in network.trainable_weights if is_keras else network.weights:
        digest.update(np.ascontiguousarray(weight.numpy()))
    return digest.hexdigest()
