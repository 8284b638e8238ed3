"""Charts and diagrams of the report, as SVG that takes the page's colours."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ae import published
from ae.lesson import Lesson

import keras
import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

INK = "#010203"  # replaced by the page's own colour
COLOURS = {"low-level": "#2a7ab0", "keras": "#d1622b"}


class Bar(NamedTuple):
    """One layer of a network's diagram.

    Attributes:
        kind: the layer's class, such as "Conv2D".
        shape: what it returns for one example, such as "14 x 14 x 64".
        parameters: its trainable numbers.
        width: how wide it is drawn, in percent; the logarithm of the numbers it returns.
    """

    kind: str
    shape: str
    parameters: int
    width: float


def curves(lesson: Lesson, network: str, record: Mapping[str, Any]) -> str:
    """Draws the learning curves of both styles, with the published points on top.

    Args:
        lesson: the lesson.
        network: which of its networks.
        record: the run's record.

    Returns:
        An `<svg>` element.
    """
    trainings = [t for t in record["trainings"] if t["network"] == network]
    columns = published.columns(lesson, network, record["settings"], record["data"]["notice"])
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": lesson.name}):
        figure, axis = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
        for training in trainings:
            history, style = training["history"], training["style"]
            epochs = range(1, len(history) + 1)
            losses = [logs[lesson.measure] for logs in history]
            axis.plot(epochs, losses, ".-", color=COLOURS[style], label=style)
            if "val_loss" in history[0]:
                losses = [logs["val_loss"] for logs in history]
                axis.plot(epochs, losses, ":", color=COLOURS[style], label=f"{style}, validation")
        if columns:
            curve = published.curve(lesson.name)
            for number, column in enumerate(columns):
                label = "published" if number == 0 else None
                axis.plot(curve["epoch"], curve[column], "x", color=INK, label=label, markersize=5)
        axis.set(xlabel="epoch", ylabel=lesson.measure.replace("_", " "), yscale="log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        return _svg(figure)


def diagram(model: keras.Model, sides: tuple[int, int]) -> list[tuple[str, list[Bar]]]:
    """Lists the layers of a network, part by part.

    Args:
        model: an autoencoder of the Keras style.
        sides: height and width of an example, for a network of images of any size.

    Returns:
        The parts' names and their bars; a model without parts is one.
    """
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    if None in model.input_shape[1:]:
        shape = (*sides, 1)
        for number, part in enumerate(parts):
            fixed = keras.models.clone_model(part, input_tensors=keras.Input(shape))
            parts[number], shape = fixed, fixed.output_shape[1:]
    listed = [(part.name, _layers(part)) for part in parts]
    sizes = [_size(layer) for _, layers in listed for layer in layers]
    largest = math.log(max(sizes))
    return [
        (
            name,
            [
                Bar(
                    type(layer).__name__,
                    " x ".join(map(str, _shape(layer))),
                    sum(math.prod(w.shape) for w in layer.trainable_weights),
                    round(max(8.0, 100 * math.log(_size(layer) + 1) / largest), 1),
                )
                for layer in layers
            ],
        )
        for name, layers in listed
    ]


def _layers(model: keras.Model) -> Sequence[keras.Layer]:
    """Lists layers; a model within the model counts as its layers."""
    found = []
    for layer in model.layers:
        found += _layers(layer)[1:] if isinstance(layer, keras.Model) else [layer]
    return found


def _shape(layer: keras.Layer) -> tuple[int | None, ...]:
    output = layer.output
    return tuple((output[0] if isinstance(output, list | tuple) else output).shape[1:])


def _size(layer: keras.Layer) -> int:
    """Counts the numbers that a layer returns."""
    return math.prod(_shape(layer))


def _svg(figure: plt.Figure) -> str:
    for axis in figure.axes:
        axis.set_facecolor("none")
        axis.tick_params(which="both", colors=INK)
        axis.xaxis.label.set_color(INK)
        axis.yaxis.label.set_color(INK)
        axis.grid(alpha=0.2, color=INK)
        for spine in axis.spines.values():
            spine.set_color(INK)
        axis.legend(facecolor="none", edgecolor=INK, labelcolor=INK, framealpha=0.3)
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")
