"""Training in bfloat16 (`--mixed-precision`): float32's range with eight bits of precision.

Weights, optimizer and loss stay in float32 in both styles. Keras layers take a policy. For the
low-level style TensorFlow rewrites the compiled steps, so that lessons stay as they are; it does so
on processors with AVX-512, and not for what XLA compiles. It takes every product, also those that a
Keras network has in float32. Figures and claims are computed in float32.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.training import interrupts

import numpy as np

# What losses are made of. The rewriter takes it into bfloat16 where it stands between convolutions;
# there log(1 - x) ends at x = 0.996, and means that differ by less than 0.4 % are the same.
FLOAT32_OPS = (
    "Exp,Log,Mean,Mul,Neg,Pow,RealDiv,Reciprocal,Sigmoid,SigmoidGrad,Square,SquaredDifference,Sub"
)


def to_bfloat16(model: keras.Model) -> None:
    """Lets the layers of a Keras model compute in bfloat16, except where a loss takes the output.

    These stay in float32: the last layers of the whole model, of its decoder and of models within
    it, and the mean and spread of a variational code.
    """
    policy = keras.DTypePolicy("mixed_bfloat16")
    for part in _parts(model):
        single_code = part.name == "encoder" and len(part.outputs) == 1
        full = [] if single_code else [id(t._keras_history.operation) for t in part.outputs]
        plain = [layer for layer in part.layers if not isinstance(layer, keras.Model)]
        if part is model and len(plain) > 1:  # besides the input, it draws codes or adds a loss
            continue
        for layer in plain:
            if id(layer) not in full:
                layer.dtype_policy = policy


def _parts(model: keras.Model) -> Iterator[keras.Model]:
    """Yields a model and all models within it."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _parts(layer)


@contextmanager
def compiled_steps() -> Iterator[None]:
    """Lets each `tf.function` that is called within multiply and convolve in bfloat16."""
    os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_INFERLIST_REMOVE"] = FLOAT32_OPS
    switch = tf.config.optimizer.set_experimental_options
    switch({"auto_mixed_precision_onednn_bfloat16": True})
    try:
        yield
    finally:
        switch({"auto_mixed_precision_onednn_bfloat16": False})


def chosen(settings: Any, style: str) -> AbstractContextManager:
    """Returns the block in which a style trains: `compiled_steps` where the settings need that."""
    return compiled_steps() if settings.mixed_precision and style == "low-level" else nullcontext()


def require(settings: Any, style: str) -> None:
    """Refuses a training in bfloat16 if TensorFlow would compute it in float32."""
    if not settings.mixed_precision or style == "keras":
        return
    if settings.jit_compile:
        raise InputError(
            "--mixed-precision: the low-level style computes in float32 where XLA compiles it; "
            "add --style keras or --no-xla."
        )
    if not rewrites_steps():
        raise InputError(
            "--mixed-precision: here TensorFlow computes the low-level style in float32; "
            "add --style keras."
        )


@interrupts.postponed()
def rewrites_steps() -> bool:
    """Says whether `compiled_steps` works here, by multiplying a number that bfloat16 rounds."""

    @tf.function
    def square(x):
        return tf.nn.relu(x @ x) @ x

    with compiled_steps():
        product = square(tf.constant([[1 + 2.0**-10]]))
    return bool(np.all(product == 1))


def is_native() -> bool:
    """Says whether the GPU, or the processor where there is none, multiplies bfloat16 itself."""
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("compute_capability", (0, 0)) >= (8, 0)  # Nvidia's, since Ampere
    cpuinfo = Path("/proc/cpuinfo")
    words = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else []
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(words)  # the last is ARM's
