"""Figures at sizes that no lesson draws; `lessons/test_drawn.py` tests those of the lessons."""

from ae import figures

import numpy as np
import pytest
from pictures import OWN, Classes, Decoded, Images, Points

RNG = np.random.default_rng(0)


def tiled_by_hand(images, rows, columns):
    height, width = images.shape[1:3]
    tiled = np.full((rows * height, columns * width), -1.0)
    for i in range(rows):
        for j in range(columns):
            for r in range(height):
                for c in range(width):
                    pixel = images[i * columns + j, r, c]
                    tiled[i * height + r, j * width + c] = np.squeeze(pixel)
    return tiled


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (3, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("tail", [(), (1,)])
def test_a_canvas_is_filled_row_by_row(rows, columns, tail):
    images = RNG.random((rows * columns, 4, 5, *tail))
    np.testing.assert_array_equal(
        figures.canvas(images, rows, columns), tiled_by_hand(images, rows, columns)
    )


def test_a_canvas_needs_as_many_images_as_tiles():
    with pytest.raises(ValueError, match="reshape"):
        figures.canvas(RNG.random((5, 4, 4)), 2, 3)


def test_a_strip_may_be_one_picture():
    image = RNG.random((1, 6, 3))
    figure = figures.strip({"page": image})
    Images([("page", image)], "gray", (0, 1)).compare(figure)
    panel = figure.axes[0].get_window_extent()
    assert (round(panel.width), round(panel.height)) == (112, 224)


def test_a_strip_s_rows_are_equally_long():
    with pytest.raises(ValueError, match="too many values"):
        figures.strip({"a": RNG.random((3, 2, 2)), "b": RNG.random((2, 2, 2))})


@pytest.mark.parametrize(("n", "channels"), [(3, 2), (1, 1), (1, 4), (4, 1)])
def test_feature_maps_have_a_row_an_image_and_a_column_a_channel(n, channels):
    images, maps = RNG.random((n, 8, 10, 1)), 100 * RNG.random((n, 4, 5, channels))
    rows = [("", [x, *np.moveaxis(z, -1, 0)]) for x, z in zip(images, maps, strict=True)]
    titles = ("input", *(f"map {channel}" for channel in range(channels)))
    expected = Images(rows, "gray", OWN, titles=titles, compact=True)
    expected.compare(figures.feature_maps(images, maps))


@pytest.mark.parametrize("side", [2, 5, 20])
def test_a_manifold_s_axes_show_the_codes(side):
    images, across, up = RNG.random((side**2, 3, 4)), np.arange(side) / 3, 7 - np.arange(side) / 2
    codes = np.array([(z_1, z_2) for z_2 in up for z_1 in across])
    Decoded(images, codes, side).compare(figures.manifold(images, side, codes))


def test_a_scatter_has_every_code_in_the_colour_of_its_class():
    codes, labels = RNG.normal(size=(30, 2)), RNG.integers(0, 5, 30)  # 5 to 9 are missing
    Points(codes, labels, "viridis", 36).compare(figures.scatter(codes, labels, cmap="viridis"))


@pytest.mark.parametrize("shared", [True, False])
def test_classes_that_are_missing_keep_their_names_and_colours(shared):
    codes = {title: RNG.normal(size=(30, 2)) for title in ("low-level", "keras", "PCA")}
    labels, names = RNG.integers(0, 5, 30), [f"kind {number}" for number in range(10)]
    figure = figures.planes(codes, labels, names, size=2, shared=shared)
    Classes(codes, labels, names, shared).compare(figure)
