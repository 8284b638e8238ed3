"""Trained networks for programs without this project."""

from ae.errors import InputError

KINDS = {"onnx": ".onnx", "litert": ".tflite", "savedmodel": ""}  # and how their names end


class NoCounterpartError(InputError):
    """A part of a network for which a format has nothing."""
