"""Figures that several articles draw, with matplotlib."""

from collections.abc import Mapping, Sequence

from ae import metrics

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

SMALL = 1.12  # inches of a small image: four pixels for each of a digit's, at 100 an inch
CLASS_COLOURS = matplotlib.color_sequences["petroff10"]  # ten that colour-blind readers tell apart


def canvas(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Tiles images (n, height, width) or (n, height, width, 1) into one, row by row.

    There are n = rows * columns images. The result is (rows * height, columns * width).
    """
    height, width = images.shape[1:3]
    tiles = images.reshape(rows, columns, height, width)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)


def canvases(images: np.ndarray, reconstructions: np.ndarray, side: int) -> Figure:
    """Draws a square canvas of images (side * side, height, width) beside their reconstructions."""
    figure, axes = _grid(1, 2, side * SMALL, side * SMALL, gap=0.2)
    parts = {"original": images, "reconstructed": reconstructions}
    for axis, (title, tiles) in zip(axes[0], parts.items(), strict=True):
        axis.imshow(canvas(tiles, side, side), origin="upper", cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
    return figure


def strip(
    rows: Mapping[str, np.ndarray],
    size: float = SMALL,
    stretched: bool = False,
    cmap: str = "gray",
    below: str = "",
) -> Figure:
    """Draws labelled rows of images (n, height, width), with a column for each example.

    An image is `size` inches wide. Its colours run from 0 to 1 or, if `stretched`, from its minimum
    to its maximum, which is the default of `imshow`. A sentence may stand `below`.
    """
    vmin, vmax = (None, None) if stretched else (0, 1)
    (columns,) = {len(images) for images in rows.values()}
    height, width = next(iter(rows.values())).shape[1:3]
    figure, axes = _grid(len(rows), columns, size, size * height / width)
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            axis.imshow(image.reshape(height, width), cmap=cmap, vmin=vmin, vmax=vmax)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    if below:
        figure.supxlabel(below, y=0, va="bottom", fontsize="medium")
    return figure


def cleaned(clean: np.ndarray, rows: Mapping[str, np.ndarray], size: float) -> Figure:
    """Draws clean images (n, height, width, 1) over rows of others, as `strip` stretched.

    The label of a row says how near it comes: the PSNR of all its images, in decibels.
    """
    rated = {f"{name}\n{metrics.psnr(clean, x):.1f} dB": x[..., 0] for name, x in rows.items()}
    return strip({"clean": clean[..., 0], **rated}, size, stretched=True)


def feature_maps(images: np.ndarray, maps: np.ndarray) -> Figure:
    """Draws images (n, height, width, 1) and the maps of their codes (n, rows, columns, channels).

    Each image is a row. Each picture in it is scaled to its own range.
    """
    n, _, _, channels = maps.shape
    figure, axes = _grid(n, 1 + channels, 0.56, 0.56)
    for line, image, of_channels in zip(axes, images, maps, strict=True):
        pictures = [image[..., 0], *np.moveaxis(of_channels, -1, 0)]
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture, cmap="gray")
            axis.set(xticks=[], yticks=[])
    axes[0, 0].set_title("input", fontsize="small")
    for channel, axis in enumerate(axes[0, 1:]):
        axis.set_title(f"map {channel}", fontsize="small")
    return figure


def manifold(tiles: np.ndarray, side: int, codes: np.ndarray | None = None) -> Figure:
    """Draws images (side * side, height, width), row by row, as one square picture.

    If they are decoded from `codes` (side * side, 2), the axes show these: z_1 is the same down a
    column and z_2 along a row.
    """
    figure, axis = plt.subplots(figsize=(11, 11))
    axis.imshow(canvas(tiles, side, side), cmap="gray")
    axis.set(xticks=[], yticks=[])
    if codes is not None:
        height, width = tiles.shape[1:3]
        shown = np.unique(np.linspace(0, side - 1, 7).round().astype(int))
        axis.set_xticks((shown + 0.5) * width - 0.5, [f"{z:.2f}" for z in codes[shown, 0]])
        axis.set_yticks((shown + 0.5) * height - 0.5, [f"{z:.2f}" for z in codes[side * shown, 1]])
        axis.set(xlabel="$z_1$", ylabel="$z_2$")
    return figure


def scatter(codes: np.ndarray, labels: np.ndarray, cmap: str) -> Figure:
    """Draws codes (n, 2) coloured by labels (n,) from 0 to 9, with Matplotlib's colour bar."""
    figure, axis = plt.subplots(figsize=(10, 10), layout=_below_a_title())
    drawn = axis.scatter(*codes.T, c=labels, cmap=cmap, vmin=0, vmax=9)
    axis.set(xlabel="$z_1$", ylabel="$z_2$")
    figure.colorbar(drawn, label="class")
    return figure


def planes(
    codes: Mapping[str, np.ndarray],
    labels: np.ndarray,
    class_names: Sequence[str],
    size: float = 6.0,
    shared: bool = True,
) -> Figure:
    """Draws panels of codes (n, 2) coloured by labels (n,), with a legend of the classes' names.

    A panel is `size` inches wide. `shared` panels have the same axes, in one scale.
    """
    figure, axes = plt.subplots(
        *(1, len(codes)),
        figsize=(size * len(codes) + 1, size),
        squeeze=False,
        layout=_below_a_title(),
        sharex=shared,
        sharey=shared,
    )
    for axis, (title, points) in zip(axes[0], codes.items(), strict=True):
        for label, name in enumerate(class_names):
            colour = CLASS_COLOURS[label % len(CLASS_COLOURS)]
            axis.scatter(*points[labels == label].T, s=4, color=colour, label=name)
        axis.set(title=title, xlabel="$z_1$", aspect="equal" if shared else "auto")
    axes[0][0].set_ylabel("$z_2$")
    axes[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=5)
    return figure


def curves(lines: Mapping[str, Sequence[float]], x: Sequence[float], **labels: str) -> Figure:
    """Draws named curves over the same x; `labels` are arguments of `Axes.set`."""
    figure, axis = plt.subplots(figsize=(6, 4), layout=_below_a_title())
    for name, y in lines.items():
        axis.plot(x, y, marker="o", label=name)
    axis.set(**labels)
    axis.grid(alpha=0.3)
    axis.legend()
    return figure


def _grid(
    rows: int, columns: int, width: float, height: float, gap: float = 0.08
) -> tuple[Figure, np.ndarray]:
    """Makes axes (rows, columns) of exactly this size in inches, with room for labels around."""
    across, down = columns * (width + gap) - gap, rows * (height + gap) - gap
    left, right, bottom, top = 1.5, 0.2, 0.4, 0.8
    total = (left + across + right, bottom + down + top)
    figure, axes = plt.subplots(
        *(rows, columns),
        figsize=total,
        squeeze=False,
        gridspec_kw={
            "left": left / total[0],
            "right": 1 - right / total[0],
            "bottom": bottom / total[1],
            "top": 1 - top / total[1],
            "wspace": gap / width,
            "hspace": gap / height,
        },
    )
    return figure, axes


def _below_a_title() -> ConstrainedLayoutEngine:
    """Leaves room at the top for the title that a run gives its figures."""
    return ConstrainedLayoutEngine(rect=(0, 0, 1, 0.93))
