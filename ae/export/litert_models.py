"""Writes Keras networks as LiteRT models, for phones and small computers, and runs them.

LiteRT was called TensorFlow Lite. TensorFlow's own converter writes the models; the package
`ai-edge-litert` runs them.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ae.backend import keras, stderr_aside, tf
from ae.errors import InputError
from ae.export import NoCounterpartError

import numpy as np


def shape_of(model: keras.Model, x: np.ndarray) -> list[int | None]:
    """Returns the shape that a model is written for, so that it takes inputs such as `x`.

    The converter needs the whole shape for a convolution: one image, of the size of those in `x`.
    Other networks take any number of inputs at once.
    """
    convolves = any(len(weight.shape) > 2 for weight in model.weights)
    return [1 if convolves else None, *x.shape[1:]]


def write(model: keras.Model, path: Path, shape: Sequence[int | None], float16: bool) -> None:
    """Writes a model for inputs of a shape; its input is called "x" and its output "y".

    With `float16`, the file holds the weights in half as many bytes. LiteRT computes in float32.

    Raises:
        NoCounterpartError: LiteRT has none of one of its operations.
    """
    traced = tf.function(
        lambda x: {"y": model(x, training=False)},
        input_signature=[tf.TensorSpec(shape, tf.float32, "x")],
        autograph=False,
    )
    held = tf.Module()  # a Keras model does not show TensorFlow its variables
    held.values = [variable.value for variable in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()], held
    )
    if float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    with stderr_aside():  # what the converter says of its work
        try:
            converted = converter.convert()
        except Exception as error:  # of its own kind, which is not public
            converted, reason = None, str(error)
    if converted is None:
        operation = re.search(r"'tf\.(\w+)' op", reason)
        what = f"the operation {operation[1]}" if operation else reason.partition("\n")[0][:200]
        raise NoCounterpartError(f"LiteRT: {what} cannot be written.")
    path.write_bytes(converted)


def run(path: Path, x: np.ndarray) -> np.ndarray:
    """Runs a model on inputs (n, ...), all at once if it can."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise InputError(
            "LiteRT models are checked with the package ai-edge-litert; pip install ai-edge-litert."
        ) from error
    with stderr_aside():  # what it runs on
        apply = Interpreter(model_path=str(path)).get_signature_runner()
        takes_all = apply.get_input_details()["x"]["shape_signature"][0] == -1
        parts = [x] if takes_all else np.split(x, len(x))
        return np.concatenate([apply(x=part)["y"] for part in parts])
