from ae import figures

import matplotlib.colors
import numpy as np
import pytest

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


def shown(axis):
    (image,) = axis.get_images()
    return np.asarray(image.get_array())


def grid(figure, rows, columns):
    """Sorts a figure's axes by their positions."""
    assert len(figure.axes) == rows * columns
    places = [axis.get_position() for axis in figure.axes]
    tops = sorted({round(place.y0, 4) for place in places}, reverse=True)
    lefts = sorted({round(place.x0, 4) for place in places})
    assert (len(tops), len(lefts)) == (rows, columns)
    table = {
        (tops.index(round(place.y0, 4)), lefts.index(round(place.x0, 4))): axis
        for place, axis in zip(places, figure.axes, strict=True)
    }
    return [[table[r, c] for c in range(columns)] for r in range(rows)]


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


def test_canvases_shows_originals_left_and_reconstructions_right():
    images, reconstructions = RNG.random((2, 9, 4, 4))
    figure = figures.canvases(images, reconstructions, side=3)
    ((left, right),) = grid(figure, 1, 2)
    assert (left.get_title(), right.get_title()) == ("original", "reconstructed")
    np.testing.assert_array_equal(shown(left), tiled_by_hand(images, 3, 3))
    np.testing.assert_array_equal(shown(right), tiled_by_hand(reconstructions, 3, 3))
    for axis in (left, right):
        assert axis.get_images()[0].get_clim() == (0, 1)
        assert axis.get_images()[0].get_cmap().name == "gray"
        assert axis.get_images()[0].origin == "upper"


@pytest.mark.parametrize("tail", [(), (1,)])
def test_a_strip_has_a_row_for_each_title_and_a_column_for_each_example(tail):
    rows = {"input": RNG.random((4, 6, 3, *tail)), "": RNG.random((4, 6, 3, *tail))}
    axes = grid(figures.strip(rows), 2, 4)
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        assert line[0].get_ylabel() == title
        assert [axis.get_ylabel() for axis in line[1:]] == [""] * 3
        for axis, image in zip(line, images, strict=True):
            np.testing.assert_array_equal(shown(axis), image.reshape(6, 3))
            assert axis.get_images()[0].get_clim() == (0, 1)
            assert axis.get_images()[0].get_cmap().name == "gray"
            assert len(axis.get_xticks()) == len(axis.get_yticks()) == 0


def test_each_picture_of_a_strip_may_have_its_own_greys():
    rows = {"": np.float32([[[-1, 0.5]], [[0.2, 3]]])}
    ((left, right),) = grid(figures.strip(rows, stretched=True), 1, 2)
    assert left.get_images()[0].get_clim() == (-1, 0.5)
    assert right.get_images()[0].get_clim() == pytest.approx((0.2, 3))


def test_a_strip_of_one_picture_is_a_strip():
    image = RNG.random((1, 6, 3))
    ((axis,),) = grid(figures.strip({"page": image}), 1, 1)
    np.testing.assert_array_equal(shown(axis), image[0])


def test_a_strip_s_rows_are_equally_long():
    with pytest.raises(ValueError, match="too many values"):
        figures.strip({"a": RNG.random((3, 2, 2)), "b": RNG.random((2, 2, 2))})


@pytest.mark.parametrize(("n", "channels"), [(3, 2), (1, 1), (1, 4), (4, 1)])
def test_feature_maps_have_a_row_a_channel_and_a_column_an_image(n, channels):
    maps = 100 * RNG.random((n, 4, 5, channels))
    axes = grid(figures.feature_maps(maps), channels, n)
    for channel, line in enumerate(axes):
        assert line[0].get_ylabel() == str(channel)
        for number, axis in enumerate(line):
            expected = maps[number, :, :, channel]
            np.testing.assert_array_equal(shown(axis), expected)
            assert axis.get_images()[0].get_clim() == (expected.min(), expected.max())


def test_the_manifold_is_one_picture():
    tiles = RNG.random((9, 4, 4))
    (axis,) = figures.manifold(tiles, side=3).axes
    np.testing.assert_array_equal(shown(axis), figures.canvas(tiles, 3, 3))
    assert axis.get_images()[0].get_cmap().name == "Greys_r"


@pytest.mark.parametrize("titles", [("test set",), ("low-level", "keras", "PCA")])
def test_a_scatter_has_every_code_in_the_colour_of_its_class(titles):
    codes = {title: RNG.normal(size=(30, 2)) for title in titles}
    labels = RNG.integers(0, 5, 30)  # classes 5 to 9 are missing
    figure = figures.scatter(codes, labels, cmap="viridis", size=2)
    figure.draw_without_rendering()  # colours are computed when drawing
    *panels, bar = figure.axes
    assert [panel.get_title() for panel in panels] == list(titles)
    colour_of = matplotlib.colormaps["viridis"]
    for panel, points in zip(panels, codes.values(), strict=True):
        (drawn,) = panel.collections
        np.testing.assert_array_equal(drawn.get_offsets(), points)
        np.testing.assert_allclose(drawn.get_facecolors(), colour_of(labels / 9))
    np.testing.assert_array_equal(bar.get_yticks(), range(10))
    assert bar.get_ylim() == (-0.5, 9.5)  # each tick in the middle of its colour


def test_curves_share_x_and_are_named():
    lines = {"trained encoder": [0.2, 0.5, 0.9], "from scratch": [0.1, 0.4, 0.8]}
    x = [10, 100, 1000]
    figure = figures.curves(lines, x, xlabel="digits", ylabel="accuracy", xscale="log", title="t")
    (axis,) = figure.axes
    assert len(axis.lines) == 2
    for line, (name, y) in zip(axis.lines, lines.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), y)
    assert [text.get_text() for text in axis.get_legend().get_texts()] == list(lines)
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_xscale()) == (
        "digits",
        "accuracy",
        "log",
    )
    assert axis.get_title() == "t"
