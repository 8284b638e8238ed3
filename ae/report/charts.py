"""Charts and diagrams of the report, as SVG that takes the page's colours."""

import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ae.lesson import Lesson
from ae.networks import layers_of
from ae.proof import published

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
        shape: of what it returns for one example, such as (14, 14, 64).
        parameters: its trainable numbers.
        width: how wide it is drawn, in percent; the logarithm of `numbers`.
    """

    kind: str
    shape: tuple[int, ...]
    parameters: int
    width: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it returns for one example."""
        return math.prod(self.shape)


def curves(lesson: Lesson, network: str, record: Mapping[str, Any]) -> str:
    """Draws the learning curves of both styles, with the published points on top.

    Args:
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
            losses = [logs[lesson.printed_loss] for logs in history]
            axis.plot(epochs, losses, ".-", color=COLOURS[style], label=style)
            if "val_loss" in history[0]:
                losses = [logs["val_loss"] for logs in history]
                axis.plot(epochs, losses, ":", color=COLOURS[style], label=f"{style}, validation")
        if columns:
            curve = published.curve(lesson.name)
            for loss, marker in ((lesson.printed_loss, "x"), ("val_loss", "+")):
                for number, column in enumerate(columns.get(loss, ())):
                    label = "published" if marker == "x" else "published, validation"
                    axis.plot(curve["epoch"], curve[column], marker, color=INK, markersize=5,
                              label=label if number == 0 else None)  # fmt: skip
        axis.set(xlabel="epoch", ylabel=lesson.printed_loss.replace("_", " "), yscale="log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return _svg(figure)


def diagram(model: keras.Model, sides: tuple[int, int]) -> list[tuple[str, list[list[Bar]]]]:
    """Lists the layers of a network, part by part.

    Args:
        model: an autoencoder of the Keras style.
        sides: height and width of an example, for a network of images of any size.

    Returns:
        The parts' names and their rows of bars, the input first. Layers that take the same input
        share a row, and a layer between parts closes the one before it. A model without parts is
        one part.
    """
    shape = (*sides, 1) if None in model.input_shape[1:] else None
    parts: list[tuple[str, list[list[Bar]]]] = []
    has_parts = any(isinstance(layer, keras.Model) for layer in model.layers)
    for layer in model.layers if has_parts else [model]:
        if isinstance(layer, keras.Model):
            if shape is not None:
                layer = keras.models.clone_model(layer, input_tensors=keras.Input(shape))
                shape = layer.output_shape[1:]
            parts.append((layer.name, _rows(layer)))
        elif parts:
            parts[-1][1].append([_bar(layer)])
    largest = max(bar.numbers for _, rows in parts for row in rows for bar in row)
    return [
        (name, [[bar._replace(width=_width(bar.numbers, largest)) for bar in row] for row in rows])
        for name, rows in parts
    ]


def _rows(part: keras.Model) -> list[list[Bar]]:
    rows, last = [[Bar("Input", tuple(part.input_shape[1:]), 0)]], None
    for layer in layers_of(part):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if last is not None and layer.input is last.input:
            rows[-1].append(_bar(layer))
        else:
            rows.append([_bar(layer)])
        last = layer
    return rows


def _bar(layer: keras.Layer) -> Bar:
    parameters = sum(math.prod(w.shape) for w in layer.trainable_weights)
    return Bar(type(layer).__name__, tuple(layer.output.shape[1:]), parameters)


def _width(numbers: int, largest: int) -> float:
    return round(100 * max(0.08, math.log(numbers + 1) / math.log(largest + 1)), 1)


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
