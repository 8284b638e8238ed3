"""What figures should show, to compare with what matplotlib holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from numpy.testing import assert_allclose, assert_equal

OWN = "own"  # limits of colours: the least and the greatest value of each picture


def as_picture(image):
    """Makes an image (height, width, 1) or a square one (pixels,) a picture (height, width)."""
    if image.ndim == 1:
        side = round(len(image) ** 0.5)
        return image.reshape(side, side)
    return image[..., 0] if image.ndim == 3 else image


def tiled(images, side):
    """Joins the pictures of side * side images into one, row by row."""
    pictures = [as_picture(image) for image in images]
    return np.block([pictures[row * side : (row + 1) * side] for row in range(side)])


def grid(axes):
    """Sorts axes by where they stand: rows from the top, each from the left."""
    places = [axis.get_position(original=True) for axis in axes]
    corners = [(round(1 - p.y1, 4), round(p.x0, 4)) for p in places]
    tops, lefts = (sorted(set(edges)) for edges in zip(*corners, strict=True))
    table = dict(zip(corners, axes, strict=True))
    assert len(table) == len(axes) == len(tops) * len(lefts), "the axes stand in no grid"
    return [[table[top, left] for left in lefts] for top in tops]


def assert_labels(axis, where, **labels):
    """Compares title, labels of the axes and their scales; those that are not named are empty."""
    plain = {"title": "", "xlabel": "", "ylabel": "", "xscale": "linear", "yscale": "linear"}
    assert_equal({name: getattr(axis, f"get_{name}")() for name in plain}, plain | labels, where)


@dataclass(frozen=True)
class Images:
    """Rows of pictures with labels on the left, or columns of pictures with titles above."""

    parts: Sequence[tuple[str, Sequence]]  # of labels and images, in order
    cmap: str
    limits: Any  # values of the first and the last colour, or `OWN`
    columns: bool = False
    ticks: bool = False

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        table = grid(figure.axes)
        table = list(zip(*table, strict=True)) if self.columns else table
        assert_equal(
            [len(line) for line in table], [len(images) for _, images in self.parts], where
        )
        for line, (label, images) in zip(table, self.parts, strict=True):
            for number, (axis, image) in enumerate(zip(line, images, strict=True)):
                here = f"{where} {label!r}, picture {number}"
                name = "title" if self.columns else "ylabel"
                assert_labels(axis, here, **{name: "" if number else label})
                self._compare_one(axis, as_picture(np.asarray(image)), here)

    def _compare_one(self, axis, picture, where):
        (shown,) = axis.images
        assert not (axis.lines or axis.collections or axis.texts), f"{where}: there is more on it"
        assert_allclose(shown.get_array(), picture, rtol=1e-5, atol=1e-6, err_msg=where)
        own = (shown.get_array().min(), shown.get_array().max())
        assert_equal(shown.get_clim(), own if self.limits == OWN else self.limits, where)
        assert_equal((type(shown.norm), shown.get_cmap().name), (Normalize, self.cmap), where)
        height, width = picture.shape
        assert_equal(shown.get_extent(), (-0.5, width - 0.5, height - 0.5, -0.5), where)
        limits = (*axis.get_xlim(), *axis.get_ylim())
        assert_equal(limits, (-0.5, width - 0.5, height - 0.5, -0.5), where)
        for ticks in (axis.get_xticks(), axis.get_yticks()):
            assert_equal(axis.axison and len(ticks) > 0, self.ticks, f"{where}: ticks")


@dataclass(frozen=True)
class Points:
    """Panels of points (n, 2) with titles above, in the colours of classes from 0 to 9."""

    panels: Sequence[tuple[str, np.ndarray]]
    labels: np.ndarray
    cmap: str
    spot: float  # square points
    stepped: bool = False

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        (bar,) = [axis for axis in figure.axes if axis.get_label() == "<colorbar>"]
        (line,) = grid([axis for axis in figure.axes if axis is not bar])
        colours = matplotlib.colormaps[self.cmap](np.asarray(self.labels) / 9)
        for axis, (title, points) in zip(line, self.panels, strict=True):
            here = f"{where} {title!r}"
            assert_labels(axis, here, title=title)
            (drawn,) = axis.collections
            assert_allclose(drawn.get_offsets(), points, rtol=1e-5, atol=1e-6, err_msg=here)
            # A class has its own entry among ten colours; `self.cmap` may have 256.
            assert_allclose(drawn.to_rgba(drawn.get_array()), colours, atol=0.01, err_msg=here)
            assert not (axis.xaxis_inverted() or axis.yaxis_inverted()), here
            assert_equal(list(drawn.get_sizes()), [self.spot], here)
        if self.stepped:
            assert_equal(list(bar.get_yticks()), list(range(10)), where)
        reach = (-0.5, 9.5) if self.stepped else (0, 9)
        assert_equal(bar.get_ylim(), reach, f"{where}: the colour bar")


@dataclass(frozen=True)
class Classes:
    """Points (n, 2) of each class in a colour of its own, with a legend of names beside them."""

    points: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    spot: float  # square points

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        (axis,) = figure.axes
        assert_labels(axis, where, xlabel="$z_1$", ylabel="$z_2$")
        assert_equal(axis.get_aspect(), 1, where)
        names = [str(name) for name in self.names]
        assert_equal([drawn.get_label() for drawn in axis.collections], names, where)
        keys = [text.get_text() for text in axis.get_legend().get_texts()]
        assert_equal(keys, names, f"{where}: legend")
        for label, drawn in enumerate(axis.collections):
            of_class = self.points[self.labels == label]
            assert_allclose(drawn.get_offsets(), of_class, rtol=1e-5, atol=1e-6, err_msg=where)
            assert_equal(list(drawn.get_sizes()), [self.spot], where)
        colours = {tuple(drawn.get_facecolor()[0]) for drawn in axis.collections[:10]}
        assert_equal(len(colours), 10, where)


@dataclass(frozen=True)
class Panels:
    """Panels of points (n, 2) by title, over the same axes, with one legend of the classes."""

    points: Mapping[str, np.ndarray]
    labels: np.ndarray
    names: Sequence[str]
    spot: float  # square points

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        assert_equal([axis.get_title() for axis in figure.axes], list(self.points), where)
        reaches = {(axis.get_xlim(), axis.get_ylim(), axis.get_aspect()) for axis in figure.axes}
        assert_equal(len(reaches), 1, f"{where}: the axes")
        for axis, points in zip(figure.axes, self.points.values(), strict=True):
            for label, drawn in enumerate(axis.collections):
                of_class = points[self.labels == label]
                assert_allclose(drawn.get_offsets(), of_class, rtol=1e-4, atol=1e-5, err_msg=where)
                assert_equal(list(drawn.get_sizes()), [self.spot], where)
            assert_equal(len(axis.collections), len(self.names), where)
        legends = [axis.get_legend() for axis in figure.axes]
        assert_equal(
            [legend is None for legend in legends[:-1]], [True] * (len(legends) - 1), where
        )
        named = [text.get_text() for text in legends[-1].get_texts()]
        assert_equal(named, [str(name) for name in self.names], where)


@dataclass(frozen=True)
class Curves:
    """Named curves over the same x."""

    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    labels: Mapping[str, str]  # what `Axes.set` takes

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        (axis,) = figure.axes
        assert_labels(axis, where, **self.labels)
        drawn = [(line.get_label(), *map(list, line.get_data())) for line in axis.lines]
        assert_equal(
            drawn, [(name, list(self.x), list(y)) for name, y in self.lines.items()], where
        )
        keys = [text.get_text() for text in axis.get_legend().get_texts()]
        assert_equal(keys, list(self.lines), f"{where}: legend")
