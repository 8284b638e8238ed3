"""Figures that several articles draw, with matplotlib."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def canvas(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Tiles images (n, height, width) or (n, height, width, 1) into one, row by row.

    There are n = rows * columns images. The result is (rows * height, columns * width).
    """
    height, width = images.shape[1:3]
    tiles = images.reshape(rows, columns, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)


def canvases(images: np.ndarray, reconstructions: np.ndarray, side: int) -> Figure:
    """Draws a square canvas of images (side * side, height, width) beside their reconstructions."""
    figure, axes = plt.subplots(1, 2, figsize=(2 * side, side + 0.3))
    parts = {"original": images, "reconstructed": reconstructions}
    for axis, (title, tiles) in zip(axes, parts.items(), strict=True):
        axis.imshow(canvas(tiles, side, side), origin="upper", cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
    return figure


def strip(rows: Mapping[str, np.ndarray], size: float = 1.0, stretched: bool = False) -> Figure:
    """Draws titled rows of images (n, height, width), with a column for each example.

    An image is `size` inches wide. Its colours run from 0 to 1 or, if `stretched`, from its minimum
    to its maximum, which is the default of `imshow`.
    """
    vmin, vmax = (None, None) if stretched else (0, 1)
    (columns,) = {len(images) for images in rows.values()}
    height, width = next(iter(rows.values())).shape[1:3]
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(columns * size, len(rows) * (size * height / width + 0.15)),
        squeeze=False,
    )
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image.reshape(height, width), cmap="gray", vmin=vmin, vmax=vmax)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    return figure


def feature_maps(maps: np.ndarray) -> Figure:
    """Draws the maps of a convolutional code (n, height, width, channels).

    Each image is a column and each channel a row. Each map is scaled to its own range.
    """
    n, _, _, channels = maps.shape
    figure, axes = plt.subplots(channels, n, figsize=(2 * n, 1.25 * channels), squeeze=False)
    for channel, line in enumerate(axes):
        for axis, image in zip(line, maps, strict=True):
            axis.imshow(image[:, :, channel], cmap="gray")
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(channel, rotation=0, labelpad=10, va="center")
    return figure


def manifold(tiles: np.ndarray, side: int) -> Figure:
    """Draws decoded codes (side * side, height, width), row by row, as one square picture."""
    figure, axis = plt.subplots(figsize=(10, 10))
    axis.imshow(canvas(tiles, side, side), cmap="gray")
    return figure


def scatter(
    codes: Mapping[str, np.ndarray],
    labels: np.ndarray,
    cmap: str,
    size: float = 10.0,
    stepped: bool = False,
) -> Figure:
    """Draws panels, `size` inches wide, of codes (n, 2) coloured by labels (n,) from 0 to 9.

    A stepped colour bar has ten colours, each with its label in the middle. Its dots are smaller.
    """
    how = {"cmap": cmap, "vmin": 0, "vmax": 9}  # and Matplotlib's own size of a dot
    if stepped:
        how = {"cmap": plt.get_cmap(cmap, 10), "vmin": -0.5, "vmax": 9.5, "s": size}
    figure, axes = plt.subplots(
        1, len(codes), figsize=(size * len(codes), size), squeeze=False, layout="constrained"
    )
    for axis, (title, points) in zip(axes[0], codes.items(), strict=True):
        drawn = axis.scatter(*points.T, c=labels, **how)
        axis.set_title(title)
    figure.colorbar(drawn, ax=axes[0], ticks=range(10) if stepped else None)
    return figure


def planes(
    codes: Mapping[str, np.ndarray], labels: np.ndarray, class_names: Sequence[str]
) -> Figure:
    """Draws panels of codes (n, 2) over the same axes, coloured by labels (n,), with a legend."""
    size, shared = (4.5 * len(codes) + 1, 4.5), {"sharex": True, "sharey": True}
    figure, axes = plt.subplots(
        1, len(codes), figsize=size, squeeze=False, layout="constrained", **shared
    )
    for axis, (title, points) in zip(axes[0], codes.items(), strict=True):
        for label, name in enumerate(class_names):
            axis.scatter(*points[labels == label].T, s=2, label=name)
        axis.set(title=title, aspect="equal")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=5)
    return figure


def curves(lines: Mapping[str, Sequence[float]], x: Sequence[float], **labels: str) -> Figure:
    """Draws named curves over the same x; `labels` are arguments of `Axes.set`."""
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, y in lines.items():
        axis.plot(x, y, marker="o", label=name)
    axis.set(**labels)
    axis.grid(alpha=0.3)
    axis.legend()
    return figure
