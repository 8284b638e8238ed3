"""Figures at sizes that no lesson draws; `lessons/test_drawn.py` tests those of the lessons."""

from ae import figures

import numpy as np
import pytest
from pictures import OWN, Images, Points

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
    assert figure.get_figwidth() == 1


def test_a_strip_s_rows_are_equally_long():
    with pytest.raises(ValueError, match="too many values"):
        figures.strip({"a": RNG.random((3, 2, 2)), "b": RNG.random((2, 2, 2))})


@pytest.mark.parametrize(("n", "channels"), [(3, 2), (1, 1), (1, 4), (4, 1)])
def test_feature_maps_have_a_row_a_channel_and_a_column_an_image(n, channels):
    maps = 100 * RNG.random((n, 4, 5, channels))
    rows = [(str(channel), maps[..., channel]) for channel in range(channels)]
    Images(rows, "gray", OWN).compare(figures.feature_maps(maps))


def test_a_scatter_has_every_code_in_the_colour_of_its_class():
    codes = {title: RNG.normal(size=(30, 2)) for title in ("low-level", "keras", "PCA")}
    labels = RNG.integers(0, 5, 30)  # classes 5 to 9 are missing
    figure = figures.scatter(codes, labels, cmap="viridis", size=2)
    Points(list(codes.items()), labels, "viridis", 36).compare(figure)
