"""Trained networks for programs without this project."""

KINDS = ("onnx", "savedmodel")
