"""Charts and diagrams of the report, as SVG that takes the page's colours."""

import io
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from ae.backend import keras
from ae.lesson import Lesson
from ae.networks import layers_of
from ae.proof import published

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

INK = "#010203"  # replaced by the page's own colour
COLOURS = {"low-level": "#2a7ab0", "keras": "#d1622b"}
STYLE = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "grid.color"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "legend.edgecolor"), INK),
    **{"axes.facecolor": "none", "axes.grid": True, "grid.alpha": 0.2},
    **{"legend.facecolor": "none", "legend.framealpha": 0.3},
    "svg.fonttype": "none",
    "font.size": 11,
}


class Bar(NamedTuple):
    """One layer of a network's diagram."""

    kind: str  # the layer's class, such as "Conv2D"
    shape: tuple[int, ...]  # of what it returns for one example, such as (14, 14, 64)
    parameters: int  # its trainable numbers
    width: float = 0.0  # in percent of the widest; logarithmic in the product of the shape


def curves(lesson: Lesson, network: str, record: Mapping[str, Any]) -> str:
    """Draws the learning curves of both styles, and the published points, as an `<svg>` element."""
    printed = lesson.printed_loss
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": lesson.name}):
        figure, axis = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
        for training in record["trainings"]:
            if training["network"] != network:
                continue
            history, style = training["history"], training["style"]
            epochs = range(1, len(history) + 1)
            losses = [logs[printed] for logs in history]
            axis.plot(epochs, losses, ".-", color=COLOURS[style], label=style)
            if "val_loss" in history[0]:
                losses = [logs["val_loss"] for logs in history]
                axis.plot(epochs, losses, ":", color=COLOURS[style], label=f"{style}, validation")
        columns = published.comparable_columns(lesson, network, record)
        curve = published.curve(lesson.name) if columns else {}
        for loss, marker, label in (
            (printed, "x", "published"),
            ("val_loss", "+", "published, validation"),
        ):
            for column in columns.get(loss, ()):
                axis.plot(
                    curve["epoch"], curve[column], marker, color=INK, markersize=5, label=label
                )
                label = None  # the legend names several runs once
        axis.set(xlabel="epoch", ylabel=printed.replace("_", " "), yscale="log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.legend()
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    plt.close(figure)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace(INK, "currentColor")


def diagram(model: keras.Model, sides: tuple[int, int]) -> list[tuple[str, list[list[Bar]]]]:
    """Lists the parts of a Keras autoencoder: their names and their rows of bars, input first.

    Layers that take the same input share a row, and a layer between parts closes the one before it.
    A model without parts is one part. If it takes images of any size, it gets some of these `sides`
    (height, width).
    """
    shape = (*sides, 1) if None in model.input_shape[1:] else None
    parts: list[tuple[str, list[list[Bar]]]] = []
    counted: set[int] = set()  # weights that a bar has, by id
    has_parts = any(isinstance(layer, keras.Model) for layer in model.layers)
    for layer in model.layers if has_parts else [model]:
        if isinstance(layer, keras.Model):
            if shape is not None:
                layer = keras.models.clone_model(layer, input_tensors=keras.Input(shape))
                shape = layer.output_shape[1:]
            parts.append((layer.name, _rows(layer, counted)))
        elif parts:
            parts[-1][1].append([_bar(layer, counted)])
    largest = max(math.prod(bar.shape) for _, rows in parts for row in rows for bar in row)

    def widened(bar: Bar) -> Bar:
        share = math.log(math.prod(bar.shape) + 1) / math.log(largest + 1)
        return bar._replace(width=round(100 * max(0.08, share), 1))

    return [(name, [[widened(bar) for bar in row] for row in rows]) for name, rows in parts]


def _rows(part: keras.Model, counted: set[int]) -> list[list[Bar]]:
    rows, last = [[Bar("Input", tuple(part.input_shape[1:]), 0)]], None
    for layer in layers_of(part):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if last is None or layer.input is not last.input:
            rows.append([])
        rows[-1].append(_bar(layer, counted))
        last = layer
    return rows


def _bar(layer: keras.Layer, counted: set[int]) -> Bar:
    new = [w for w in layer.trainable_weights if id(w) not in counted]  # layers may share weights
    counted.update(map(id, new))
    parameters = sum(math.prod(w.shape) for w in new)
    return Bar(type(layer).__name__, tuple(layer.output.shape[1:]), parameters)
