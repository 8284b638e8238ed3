"""Live networks: trained weights in the page, and inputs that a reader draws or drops.

`static/live.js` computes what the networks do. It reads their layers as JSON and the numbers of
each from a text of its own, which `_write` writes.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.backend import keras, tf
from ae.errors import InputError
from ae.export.models import as_keras
from ae.lesson import STYLES, Lesson, Settings, heading_of
from ae.networks import layers_of
from ae.pictures import read_grey

import numpy as np

MARGIN = 8  # pixels; even, and more than the 5 that an output pixel of the cleaner can see
LIMIT = 2_140_000  # characters that the numbers of a page may take
BITS = (16, 20)  # of a weight at most; more where fewer are too few
TOLERANCE = 1e-3  # largest difference of a pixel in [0, 1] that rounded weights may make
ACTIVATIONS = {"linear", "relu", "sigmoid", "tanh", "elu"}
# What static/live.js needs to know of a layer, by its class.
CONFIGS: dict[type[keras.Layer], tuple[str, ...]] = {
    keras.layers.Dense: ("units",),
    keras.layers.Conv2D: ("filters", "kernel_size", "strides"),
    keras.layers.Conv2DTranspose: ("filters", "kernel_size", "strides"),
    keras.layers.MaxPooling2D: ("pool_size", "strides"),
    keras.layers.UpSampling2D: ("size",),
    keras.layers.Reshape: ("target_shape",),
    keras.layers.Flatten: (),
    keras.layers.Activation: (),
}
SAME = {  # what it takes for granted, of the layers that have it
    **{"padding": "same", "data_format": "channels_last", "groups": 1, "use_bias": True},
    **{"dilation_rate": (1, 1), "interpolation": "nearest", "output_padding": None},
}


class _Network(NamedTuple):
    """A trained network, or the decoder of one, as a chain of layers."""

    training: Mapping[str, Any]  # of the run's record
    layers: list[keras.Layer]
    encoding: int  # of these layers make the code


class _Written(NamedTuple):
    """A network as a page holds it."""

    network: _Network
    bits: list[int]  # of a weight, by layer; 0 for a layer without weights
    text: str
    error: float  # largest difference that the rounded weights make to an example's result


def of(
    lesson: Lesson, run: Path, record: Mapping[str, Any], settings: Settings
) -> dict[str, Any] | None:
    """Returns what `live.html` shows of a run's networks; None for a lesson without a live one.

    A reader draws images for networks of 784 pixels ("drawing"), walks on a plane of codes that a
    decoder takes ("plane"), or cleans a page ("page"). Networks with layers that `static/live.js`
    does not have are left out, and so are those whose files are gone. If both styles take too much
    space, the page has one.
    """
    found: dict[str, list[_Network]] = {}
    for training in record["trainings"]:
        try:
            model = as_keras(lesson, run, training, settings)
        except InputError:  # its file is gone
            continue
        kind = _kind(model, training)
        parts = ["decoder"] if kind == "plane" else ["encoder", "decoder"]
        chains = [_chain(model.get_layer(part)) for part in parts] if kind else [[]]
        if all(chains):
            layers = [layer for chain in chains for layer in chain]
            encoding = len(chains[0]) if len(chains) > 1 else 0
            found.setdefault(kind, []).append(_Network(training, layers, encoding))
    for kind, networks in found.items():
        examples = _examples(run, record, kind, networks)
        for styles in (STYLES, STYLES[1:], STYLES[:1]):
            if written := _fit([n for n in networks if n.training["style"] in styles], examples):
                whole = {n.training["style"] for n in networks} <= set(styles)
                return {
                    "networks": [_describe(one) for one in written],
                    "kind": kind,
                    "image": "" if kind == "plane" else _image(run / record["examples"]["input"]),
                    "count": record["examples"]["count"],  # of examples in the image
                    "margin": MARGIN,
                    "numbers": [one.text for one in written],
                    "bits": [bits for one in written for bits in one.bits if bits],
                    "error": math.ceil(1e5 * max(one.error for one in written)) / 1e5,
                    "only": "" if whole else styles[0],  # the style for which there is space
                }
    return None


def _kind(model: keras.Model, training: Mapping[str, Any]) -> str | None:
    """Says what a reader does with a network, from the shapes of its inputs and codes."""
    if training["plane"] and model.get_layer("decoder").input_shape == (None, 2):
        return "plane"
    return {(None, 784): "drawing", (None, None, None, 1): "page"}.get(model.input_shape)


def _chain(part: keras.Model) -> list[keras.Layer]:
    """Lists the layers of an encoder or decoder; none if they are not a chain of known layers.

    Layers that return their input are left out, such as those that only add to the loss.
    """
    layers = [one for one in layers_of(part) if not isinstance(one, keras.layers.InputLayer)]
    chain = [layer for layer in layers if _is_known(layer)]
    if any(_may_compute(layer) for layer in layers if layer not in chain):
        return []
    shape = (8, *(size or 8 for size in part.input_shape[1:]))
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    expected = part(x)
    is_one = isinstance(expected, tf.Tensor)
    return chain if is_one and np.allclose(_apply(chain, x), expected, atol=1e-5) else []


def _is_known(layer: keras.Layer) -> bool:
    config = layer.get_config()
    return (
        type(layer) in CONFIGS
        and all(config[key] == value for key, value in SAME.items() if key in config)
        and config.get("activation", "linear") in ACTIVATIONS
    )


def _may_compute(layer: keras.Layer) -> bool:
    shapes = [getattr(side, "shape", None) for side in (layer.input, layer.output)]
    return bool(layer.weights) or shapes[0] is None or shapes[0] != shapes[1]


def _examples(
    run: Path, record: Mapping[str, Any], kind: str, networks: Sequence[_Network]
) -> np.ndarray:
    """Returns examples that the run kept: images (n, 784), codes (n, 2) or a page (1, h, w, 1)."""
    if kind == "plane":
        return np.array(networks[0].training["plane"]["codes"][:16], "float32").reshape(-1, 2)
    count = record["examples"]["count"]
    x = read_grey(run / record["examples"]["input"]).astype("float32") / np.float32(255)
    x = x.reshape(len(x), count, -1).swapaxes(0, 1)
    return x.reshape(count, -1) if kind == "drawing" else x[:1, ..., None]


def _image(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _fit(networks: Sequence[_Network], examples: np.ndarray) -> list[_Written] | None:
    """Writes networks with as many bits a weight as there is space for; None if that is too few."""
    tried = None
    for cap in BITS:
        for most in range(2 * cap, 6, -1):
            bits = [_bits(network.layers, most, cap) for network in networks]
            if sum(map(_length, networks, bits)) <= LIMIT:
                break
        if bits != tried:
            written = [_write(*one, examples) for one in zip(networks, bits, strict=True)]
            if written and max(one.error for one in written) <= TOLERANCE:
                return written
        tried = bits
    return None


def _bits(layers: Sequence[keras.Layer], most: int, cap: int) -> list[int]:
    """Returns the bits of a weight, by layer: at most `cap`, and `most` in the last layer.

    Of two layers, that with four times as many weights gets one bit less. A layer before the last
    gets one bit less, because what follows averages its errors.
    """
    sizes = [layer.kernel.shape.num_elements() if layer.weights else 0 for layer in layers]
    last = max(i for i, size in enumerate(sizes) if size)
    return [
        min(cap, round(most - (i < last) - math.log2(size / sizes[last]) / 2)) if size else 0
        for i, size in enumerate(sizes)
    ]


def _length(network: _Network, bits: Sequence[int]) -> int:
    """Returns how many characters `_write` writes, without the last two."""
    total = 0
    for layer, depth in zip(network.layers, bits, strict=True):
        if depth:
            rows = _rows(layer)
            total += depth * rows.size + 32 * (2 * len(rows) + layer.bias.shape[0])
    return total * 2 // 13


def _rows(layer: keras.Layer) -> np.ndarray:
    """Returns a kernel as a matrix whose rows are multiplied with a part of the input each."""
    kernel = layer.kernel.numpy()
    rows = kernel.reshape(-1, kernel.shape[-1])
    return rows if isinstance(layer, keras.layers.Conv2DTranspose) else rows.T


def _write(network: _Network, bits: list[int], examples: np.ndarray) -> _Written:
    """Writes the numbers of a network's layers as text; a bias makes up for rounded weights.

    Of each layer, first come the smallest weight of each row of `_rows`, the step between two
    weights of each row, and the biases, all as float32. Then comes each weight as the number of
    steps above the smallest.
    """
    exact, stream, kept = examples, [], []
    for layer, depth in zip(network.layers, bits, strict=True):
        x, exact = exact, np.asarray(layer(exact))
        if not depth:
            continue
        (kernel, bias), rows = layer.get_weights(), _rows(layer)
        kept.append((layer, [kernel, bias]))
        low = rows.min(axis=1, keepdims=True)
        step = (rows.max(axis=1, keepdims=True) - low) / np.float32(2**depth - 1)
        step[step == 0] = 1
        steps = np.rint((rows - low) / step).clip(0, 2**depth - 1)
        rounded = low + steps * step
        if isinstance(layer, keras.layers.Dense):
            bias = bias + (rows - rounded) @ x.mean(axis=0)  # what rounding takes on average
        is_turned = not isinstance(layer, keras.layers.Conv2DTranspose)
        layer.set_weights([(rounded.T if is_turned else rounded).reshape(kernel.shape), bias])
        for numbers in (low, step, bias):
            stream.append(np.unpackbits(numbers.astype(">f4").view("uint8")))
        words = np.unpackbits(steps.astype(">u4", order="C").view("uint8")).reshape(-1, 32)
        stream.append(words[:, 32 - depth :].ravel())
    error = float(np.abs(_apply(network.layers, examples) - exact).max())
    for layer, weights in kept:
        layer.set_weights(weights)
    return _Written(network, bits, _text(np.concatenate(stream)), error)


def _apply(layers: Sequence[keras.Layer], x: Any) -> np.ndarray:
    for layer in layers:
        x = layer(x)
    return np.asarray(x)


def _text(bits: np.ndarray) -> str:
    """Writes each 13 bits as two of the 91 characters from "#" to "~" other than "<"."""
    groups = np.append(bits, np.zeros(-len(bits) % 13, "uint8")).reshape(-1, 13)
    numbers = groups @ (1 << np.arange(12, -1, -1))
    digits = np.stack([numbers // 91, numbers % 91], axis=1)
    return (digits + ord("#") + (digits >= ord("<") - ord("#"))).astype("uint8").tobytes().decode()


def _describe(written: _Written) -> dict[str, Any]:
    network, layers = written.network, []
    for layer, bits in zip(network.layers, written.bits, strict=True):
        config = layer.get_config()
        about = {key: config[key] for key in CONFIGS[type(layer)]}
        activation = config.get("activation", "linear")
        layers.append(
            {"kind": type(layer).__name__, "activation": activation, "bits": bits, **about}
        )
    label = heading_of(network.training["network"], network.training["style"])
    return {"label": label, "encoding": network.encoding, "layers": layers}
