"""What figures should show, to compare with what matplotlib holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from numpy.testing import assert_allclose, assert_equal
from skimage.color import deltaE_ciede2000, rgb2lab

OWN = "own"  # limits of colours: the least and the greatest value of each picture

DISTINCT = 10.0  # steps of CIEDE2000 between two colours; one is just noticeable


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


SMALL = 64  # pixels; an image that is no larger than that is drawn larger
LEGIBLE = 100  # pixels of the PNG across and down a panel of a small image
PLANE = {"xlabel": "$z_1$", "ylabel": "$z_2$"}


@dataclass(frozen=True)
class Images:
    """Rows of pictures with labels on the left, or columns of pictures with titles above."""

    parts: Sequence[tuple[str, Sequence]]  # of labels and images, in order
    cmap: str
    limits: Any  # values of the first and the last colour, or `OWN`
    columns: bool = False
    ticks: bool = False
    titles: Sequence[str] = ()  # over the columns of rows
    compact: bool = False  # whether small images may be drawn small
    below: Sequence[str] = ()  # words of the sentence below all

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        below = figure.get_supxlabel()
        assert bool(below) == bool(self.below), f"{where}: below stands {below!r}"
        assert all(words in below for words in self.below), f"{where}: below stands {below!r}"
        table = grid(figure.axes)
        table = list(zip(*table, strict=True)) if self.columns else table
        assert_equal(
            [len(line) for line in table], [len(images) for _, images in self.parts], where
        )
        for row, (line, (label, images)) in enumerate(zip(table, self.parts, strict=True)):
            for number, (axis, image) in enumerate(zip(line, images, strict=True)):
                here = f"{where} {label!r}, picture {number}"
                name = "title" if self.columns else "ylabel"
                titles = {"title": self.titles[number]} if self.titles and not row else {}
                assert_labels(axis, here, **{name: "" if number else label}, **titles)
                self._compare_one(axis, as_picture(np.asarray(image)), here)

    def _compare_one(self, axis, picture, where):
        assert_shows(axis, picture, self.cmap, self.limits, where)
        for ticks in (axis.get_xticks(), axis.get_yticks()):
            assert_equal(axis.axison and len(ticks) > 0, self.ticks, f"{where}: ticks")
        if max(picture.shape) <= SMALL and not self.compact:
            panel = axis.get_window_extent()
            assert min(panel.width, panel.height) >= LEGIBLE, f"{where}: {panel} is small"


def assert_shows(axis, picture, cmap, limits, where):
    """Compares a picture, its colours and its place with what an axis shows."""
    (shown,) = axis.images
    assert not (axis.lines or axis.collections or axis.texts), f"{where}: there is more on it"
    assert_allclose(shown.get_array(), picture, rtol=1e-5, atol=1e-6, err_msg=where)
    own = (shown.get_array().min(), shown.get_array().max())
    assert_equal(shown.get_clim(), own if limits == OWN else limits, where)
    assert_equal((type(shown.norm), shown.get_cmap().name), (Normalize, cmap), where)
    height, width = picture.shape
    assert_equal(shown.get_extent(), (-0.5, width - 0.5, height - 0.5, -0.5), where)
    reach = (*axis.get_xlim(), *axis.get_ylim())
    assert_equal(reach, (-0.5, width - 0.5, height - 0.5, -0.5), where)


@dataclass(frozen=True)
class Decoded:
    """Images (side * side, ...) as one picture, with the codes (side * side, 2) on its axes."""

    images: Sequence
    codes: np.ndarray
    side: int

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        (axis,) = figure.axes
        assert_labels(axis, where, **PLANE)
        picture = tiled(self.images, self.side)
        assert_shows(axis, picture, "gray", OWN, where)
        places = self.codes.reshape(self.side, self.side, 2)
        height, width = np.array(picture.shape) / self.side
        for drawn, size, numbers in (
            (axis.xaxis, width, places[0, :, 0]),
            (axis.yaxis, height, places[:, 0, 1]),
        ):
            tiles, rest = np.divmod(drawn.get_ticklocs() + 0.5, size)
            assert_equal(rest, np.full(len(rest), size / 2), f"{where}: ticks beside the middle")
            assert {0, self.side - 1} <= set(tiles), f"{where}: the ends have no ticks"
            written = [label.get_text() for label in drawn.get_ticklabels()]
            numbers = numbers[tiles.astype(int)]
            assert_allclose(np.array(written, float), numbers, atol=0.0051, err_msg=where)


@dataclass(frozen=True)
class Points:
    """Points (n, 2) in the colours of classes from 0 to 9, with a colour bar."""

    points: np.ndarray
    labels: np.ndarray
    cmap: str
    spot: float  # square points

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        axis, bar = figure.axes
        colours = matplotlib.colormaps[self.cmap](np.asarray(self.labels) / 9)
        assert_labels(axis, where, **PLANE)
        (drawn,) = axis.collections
        assert_allclose(drawn.get_offsets(), self.points, rtol=1e-5, atol=1e-6, err_msg=where)
        assert_allclose(drawn.to_rgba(drawn.get_array()), colours, atol=0.01, err_msg=where)
        assert not (axis.xaxis_inverted() or axis.yaxis_inverted()), where
        assert_equal(list(drawn.get_sizes()), [self.spot], where)
        assert_equal((bar.get_ylim(), bar.get_ylabel()), ((0, 9), "class"), where)


@dataclass(frozen=True)
class Classes:
    """Panels of points (n, 2) by title, a colour for each class, and one legend of their names."""

    panels: Mapping[str, np.ndarray]
    labels: np.ndarray
    names: Sequence[str]
    shared: bool = True  # the axes of all panels, whose units have the same length then

    def compare(self, figure, where=""):
        """Fails unless the figure shows these and nothing else."""
        assert_equal(figure.get_suptitle(), "", where)
        assert_equal([axis.get_title() for axis in figure.axes], list(self.panels), where)
        reaches = {(axis.get_xlim(), axis.get_ylim(), axis.get_aspect()) for axis in figure.axes}
        if self.shared:
            ((*_, aspect),) = reaches
            assert_equal(aspect, 1, where)
        names, colours = [str(name) for name in self.names], []
        for number, (axis, points) in enumerate(
            zip(figure.axes, self.panels.values(), strict=True)
        ):
            ylabel = {} if number else {"ylabel": PLANE["ylabel"]}
            assert_labels(axis, where, title=axis.get_title(), xlabel=PLANE["xlabel"], **ylabel)
            assert_equal([drawn.get_label() for drawn in axis.collections], names, where)
            for label, drawn in enumerate(axis.collections):
                of_class = points[self.labels == label]
                assert_allclose(drawn.get_offsets(), of_class, rtol=1e-4, atol=1e-5, err_msg=where)
            colours.append([tuple(drawn.get_facecolor()[0]) for drawn in axis.collections])
        assert_equal(colours, [colours[0]] * len(colours), f"{where}: colours")
        assert_distinct(colours[0], where)
        *without, with_legend = [axis.get_legend() for axis in figure.axes]
        assert_equal(without, [None] * len(without), where)
        keys = [text.get_text() for text in with_legend.get_texts()]
        assert_equal(keys, names, f"{where}: legend")
        shown = [tuple(key.get_facecolor()[0]) for key in with_legend.legend_handles]
        assert_equal(shown, colours[0], f"{where}: legend")


def assert_distinct(colours, where):
    """Fails if two colours resemble each other, also to an eye without cones for green.

    That eye is simulated as in Vienot, Brettel and Mollon (1999), on linear RGB.
    """
    linear = np.array(colours)[:, :3] ** 2.2
    seen = np.array([[0.292, 0.708, 0], [0.292, 0.708, 0], [-0.022, 0.022, 1]])
    for kind, rgb in (("any", linear), ("a deuteranope's", np.clip(linear @ seen.T, 0, 1))):
        lab = rgb2lab(rgb ** (1 / 2.2))
        apart = deltaE_ciede2000(lab[:, None], lab[None])[np.triu_indices(len(lab), 1)]
        assert apart.min() > DISTINCT, f"{where}: {apart.min():.1f} to {kind} eye"


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
