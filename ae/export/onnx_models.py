"""Writes Keras networks as ONNX models, with the package `onnx` alone, and runs them.

Batch, height and width stay open where Keras leaves them open. The same weights give the same
bytes. Tensors keep Keras's order of axes, so convolutions stand between two transpositions;
ONNX Runtime removes most of them when it loads a model.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ae.backend import keras
from ae.errors import InputError
from ae.export import NoCounterpartError
from ae.paths import replacing

import numpy as np

OPSET = 17
FLOAT32 = 1  # in ONNX's list of types
IR_VERSION = 8  # what ONNX Runtime 1.14 reads, and every later one
ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softmax": "Softmax",
    "elu": "Elu", "linear": None}  # fmt: skip
INTERPOLATIONS = {"nearest": ("nearest", "asymmetric"), "bilinear": ("linear", "half_pixel")}


def write(model: keras.Model, path: Path, float16: bool = False) -> None:
    """Writes a functional model; its input is called "x" and its output "y".

    With `float16`, the file holds the weights in half as many bytes, and turns them into float32,
    in which it computes.

    Raises:
        NoCounterpartError: ONNX has none of one of its layers.
        InputError: `onnx` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise InputError("ONNX needs the package onnx; pip install onnx.") from error
    graph = _Graph(onnx.helper, onnx.numpy_helper, float16)
    outputs = graph.add_model(model, ["x"])
    graph.node("Identity", outputs, ["y"])
    made = onnx.helper.make_model(
        graph.make(model),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="autoencoder lessons",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(made)
    with replacing(path) as partial:
        partial.write_bytes(made.SerializeToString(deterministic=True))


def run(path: Path, x: np.ndarray) -> np.ndarray:
    """Runs a model on inputs (n, ...), in ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "ONNX models are checked with the package onnxruntime; pip install onnxruntime."
        ) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


class _Graph:
    """The nodes and weights of an ONNX graph, as they are added layer by layer."""

    def __init__(self, helper: Any, numpy_helper: Any, float16: bool):
        self.helper, self.numpy_helper, self.float16 = helper, numpy_helper, float16
        self.nodes, self.weights = [], []

    def make(self, model: keras.Model) -> Any:
        def info(name, tensor):
            shape = [size or f"{name}{axis}" for axis, size in enumerate(tensor.shape)]
            shape[0] = "n"
            return self.helper.make_tensor_value_info(name, FLOAT32, shape)

        ends = [info("x", model.inputs[0])], [info("y", model.outputs[0])]
        return self.helper.make_graph(self.nodes, model.name, *ends, self.weights)

    def node(
        self, kind: str, inputs: Iterable[str], outputs: list[str] | None = None, **how
    ) -> str:
        outputs = outputs or [f"t{len(self.nodes)}"]
        self.nodes.append(self.helper.make_node(kind, list(inputs), outputs, **how))
        return outputs[0]

    def constant(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(self.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, values: np.ndarray) -> str:
        if not self.float16:
            return self.constant(values)
        return self.node("Cast", [self.constant(values.astype(np.float16))], to=FLOAT32)

    def add_model(self, model: keras.Model, inputs: list[str]) -> list[str]:
        """Adds the layers of a model in their order; returns the names of its outputs."""
        model = getattr(model, "_functional", None) or model  # of a Sequential
        if not hasattr(model, "_nodes_by_depth"):
            raise _no_counterpart(f"a model of the kind {type(model).__name__}")
        names = {id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if not node.is_input:
                    given = [names[id(tensor)] for tensor in node.input_tensors]
                    made = self.add_layer(node.operation, given)
                    names.update((id(t), n) for t, n in zip(node.output_tensors, made, strict=True))
        return [names[id(tensor)] for tensor in model.outputs]

    def add_layer(self, layer: keras.Layer, given: list[str]) -> list[str]:
        if isinstance(layer, keras.Model):
            return self.add_model(layer, given)
        add = getattr(self, f"_{type(layer).__name__.lower()}", None)
        if add is None and _returns_its_input(layer):
            return given
        if add is None:
            raise _no_counterpart(f"a layer of the kind {type(layer).__name__}")
        result = add(layer, given)
        activation = getattr(layer, "activation", None)
        return [self._activate(result, activation) if activation else result]

    def _activate(self, name: str, activation: Any) -> str:
        known = getattr(activation, "__name__", "")
        if known not in ACTIVATIONS:
            raise _no_counterpart(f"the activation {known or activation}")
        return self.node(ACTIVATIONS[known], [name]) if ACTIVATIONS[known] else name

    def _dense(self, layer, given):
        product = self.node("MatMul", [*given, self.weight(layer.kernel.numpy())])
        return self._biased(layer, product)

    def _biased(self, layer, name):
        if not layer.use_bias:
            return name
        return self.node("Add", [name, self.weight(layer.bias.numpy())])

    def _among_channels_first(self, given, kind, *weights, **how):
        """Adds a node that has its channels before height and width, and turns them around."""
        turned = self.node("Transpose", given, perm=[0, 3, 1, 2])
        return self.node(
            "Transpose", [self.node(kind, [turned, *weights], **how)], perm=[0, 2, 3, 1]
        )

    def _conv2d(self, layer, given):
        kernel = self.weight(layer.kernel.numpy().transpose(3, 2, 0, 1))
        how = {"strides": layer.strides, "auto_pad": _padding(layer)}
        if layer.groups > 1:
            how["group"] = layer.groups
        if max(layer.dilation_rate) > 1:  # with which ONNX Runtime takes no "SAME_UPPER"
            pairs = zip(layer.dilation_rate, layer.kernel_size, strict=True)
            reach = [rate * (size - 1) * (layer.padding == "same") for rate, size in pairs]
            pads = [r // 2 for r in reach] + [r - r // 2 for r in reach]
            how |= {"dilations": layer.dilation_rate, "auto_pad": "NOTSET", "pads": pads}
        weights = [kernel, self.weight(layer.bias.numpy())] if layer.use_bias else [kernel]
        return self._among_channels_first(given, "Conv", *weights, **how)

    def _conv2dtranspose(self, layer, given):
        if max(layer.dilation_rate) > 1 or layer.output_padding is not None:
            raise _no_counterpart("a transposed convolution with dilation or output padding")
        kernel = self.weight(layer.kernel.numpy().transpose(3, 2, 0, 1))
        how = {"strides": layer.strides, "auto_pad": _padding(layer)}
        weights = [kernel, self.weight(layer.bias.numpy())] if layer.use_bias else [kernel]
        return self._among_channels_first(given, "ConvTranspose", *weights, **how)

    def _maxpooling2d(self, layer, given):
        how = {"kernel_shape": layer.pool_size, "strides": layer.strides}
        return self._among_channels_first(given, "MaxPool", auto_pad=_padding(layer), **how)

    def _upsampling2d(self, layer, given):
        scales = self.constant(np.float32([1, 1, *layer.size]))
        if layer.interpolation not in INTERPOLATIONS:
            raise _no_counterpart(f"the interpolation {layer.interpolation}")
        mode, places = INTERPOLATIONS[layer.interpolation]
        how = {"mode": mode, "coordinate_transformation_mode": places, "nearest_mode": "floor"}
        return self._among_channels_first(given, "Resize", "", scales, **how)

    def _concatenate(self, layer, given):
        return self.node("Concat", given, axis=-1)

    def _flatten(self, layer, given):
        return self.node("Flatten", given)

    def _reshape(self, layer, given):
        return self.node("Reshape", [*given, self.constant(np.int64([0, *layer.target_shape]))])

    def _activation(self, layer, given):
        return given[0]

    def _dropout(self, layer, given):
        return given[0]


def _no_counterpart(what: str) -> NoCounterpartError:
    return NoCounterpartError(f"ONNX: {what} cannot be written.")


def _returns_its_input(layer: keras.Layer) -> bool:
    """Says whether a layer only adds to the loss."""
    if (
        getattr(layer, "weights", True)
        or isinstance(layer.input, list)
        or isinstance(layer.output, list | tuple)
    ):
        return False
    shape = [size or 3 for size in layer.input.shape]
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    return np.array_equal(layer(x), x)


def _padding(layer: keras.Layer) -> str:
    return {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
