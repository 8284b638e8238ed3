import itertools

from ae.cleaning import page as pages
from ae.cleaning.cleaners import FORMS
from ae.cleaning.features import features
from ae.cleaning.page import (
    DPI,
    TILE,
    PageNetwork,
    clean_in_tiles,
    clean_page,
    has_color,
    ink_lost,
    letter_height,
    scale_of,
)
from ae.networks import codec, in_batches

import cv2
import drawn_pages
import numpy as np
import pytest
import untrained
from PIL import Image
from scipy import ndimage
from whole_page import cleaned_at_once

RNG = np.random.default_rng(0)
NETWORKS = ("low-level", "keras", "ours")
BOTH_STYLES = pytest.mark.parametrize("style", ("low-level", "keras"))
SIZES = [(1, 1), (1, 2), (3, 50), (50, 3), (31, 33), (32, 32), (64, 40), (65, 97), (90, 34)]


def page_of(size):
    return RNG.integers(0, 256, size, dtype=np.uint8)


@pytest.fixture(scope="module")
def networks():
    of_styles = {
        style: PageNetwork(
            apply=codec(untrained.article(style), batch_size=1).reconstruct, **FORMS["article"]
        )
        for style in untrained.STYLES
    }
    ours = PageNetwork(apply=in_batches(untrained.ours(), batch_size=1), **FORMS["ours"])
    return {**of_styles, "ours": ours}


def whole_page(page, network):
    form = (network.features, network.edge, network.stride)
    return np.rint(cleaned_at_once(page, network.apply, *form)).astype("uint8")


def assert_same_page(cleaned, expected):
    """Sums of floats in another order may round one grey level in ten thousand pixels away."""
    assert cleaned.shape == expected.shape
    assert cleaned.dtype == np.uint8
    difference = abs(cleaned.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 1e-4


# Tiles


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("size", "tile"), [*itertools.product(SIZES, [16, 32, TILE]), ((150, 210), 64)]
)
def test_tiles_give_what_the_whole_page_gives(networks, name, size, tile):
    page = page_of(size)
    expected = whole_page(page, networks[name])
    assert_same_page(clean_in_tiles(page, networks[name], tile), expected)
    assert min(size) < 30 or np.ptp(expected) > 40  # there is something to get wrong


@pytest.mark.parametrize("name", NETWORKS)
def test_a_page_of_more_than_one_ordinary_tile(networks, name):
    page = page_of((20, 2 * TILE + 7))
    assert_same_page(clean_page(page, networks[name]), whole_page(page, networks[name]))


def test_both_styles_clean_alike(networks):
    low_level, high_level = (untrained.article(style) for style in untrained.STYLES)
    for ours, theirs in zip(high_level.weights, low_level.weights, strict=True):
        ours.assign(theirs)
    page = page_of((41, 60))
    cleaned = [
        clean_in_tiles(page, PageNetwork(apply=codec(n).reconstruct, **FORMS["article"]), 16)
        for n in (low_level, high_level)
    ]
    assert_same_page(*cleaned)


def light(page):
    return page[:, :, None].astype(np.float32) / 255


def pixel_by_pixel(apply):
    return PageNetwork(features=light, apply=apply, stride=4, reach=8, edge=8)


SAME = pixel_by_pixel(lambda x: x)
NEGATIVE = pixel_by_pixel(lambda x: 1 - x)


def test_the_page_that_is_given_does_not_change():
    page = page_of((21, 33))
    before = page.copy()
    np.testing.assert_array_equal(clean_in_tiles(page, SAME, tile=16), page)
    np.testing.assert_array_equal(clean_in_tiles(page, NEGATIVE, tile=16), 255 - page)
    for scale in (0.4, 1, 2.7):
        clean_page(page, NEGATIVE, scale)
    np.testing.assert_array_equal(page, before)


def test_the_network_sees_patches_of_bounded_size_in_zero_to_one():
    patches = []

    def apply(x):
        patches.append(x)
        return x

    clean_in_tiles(page_of((75, 101)), pixel_by_pixel(apply), tile=32)
    assert len(patches) == 3 * 4  # of 75 + 2 * 8 rows and 101 + 2 * 8 columns
    for patch in patches:
        assert patch.dtype == np.float32
        assert patch.min() >= 0 <= 1 >= patch.max()
        assert patch.shape[0] == patch.shape[3] == 1
        assert patch.shape[1] % 4 == patch.shape[2] % 4 == 0
        assert max(patch.shape) <= 32 + 2 * 8


def test_an_output_outside_zero_to_one_is_black_or_white():
    page = page_of((16, 16))
    assert not clean_page(page, pixel_by_pixel(lambda x: x - 2)).any()
    assert (clean_page(page, pixel_by_pixel(lambda x: x + 2)) == 255).all()


# What an output pixel can see


def reach_of(apply, channels, places, size):
    """Measures how far a spot changes the output of a network, at any of these places."""
    dark = np.zeros((1, size, size, channels), np.float32)
    reach = 0
    for row, column in places:
        spot = dark.copy()
        spot[0, row, column] = 1e6
        changed = np.argwhere((apply(spot) != apply(dark))[0, :, :, 0])
        reach = max(reach, abs(changed - [row, column]).max())
    return reach


def with_positive_weights(network):
    """With weights above zero, whatever a brighter pixel can change it does change."""
    for weight in network.weights:
        weight.assign(np.abs(weight) if len(weight.shape) == 4 else 0 * weight)
    return network


@BOTH_STYLES
def test_the_margin_covers_what_the_article_s_network_can_see(style):
    apply = codec(with_positive_weights(untrained.article(style)), batch_size=1).reconstruct
    reach = reach_of(apply, 1, itertools.product((20, 21), (20, 21)), 40)
    assert reach == 5
    assert reach <= FORMS["article"]["reach"]


def test_the_margin_covers_what_our_network_can_see():
    apply = in_batches(with_positive_weights(untrained.ours()), batch_size=1)
    reach = reach_of(apply, 2, [(80 + n, 80 + n) for n in range(8)], 168)
    assert 30 < reach < 79
    page = page_of((80, 80))
    other = page.copy()
    other[40, 40] ^= 255
    changed = np.argwhere((features(page) != features(other)).any(axis=2))
    window = abs(changed - 40).max()
    assert window <= 11
    assert reach + 11 <= FORMS["ours"]["reach"]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_margins_and_tiles_fit_the_strides(form):
    assert TILE % form["stride"] == form["reach"] % form["stride"] == form["edge"] % form["stride"]
    assert TILE % form["stride"] == 0


def test_our_network_sees_the_light_and_its_share_of_that_of_the_paper():
    page = drawn_pages.on_cloudy_paper(drawn_pages.text(100), 100)
    page[100:160, 200:290] = 0  # wider than the window
    seen = features(page)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[:, :, 0], page / 255, rtol=1e-6)
    paper = np.maximum(ndimage.median_filter(page, 23, mode="nearest"), 1)
    np.testing.assert_allclose(seen[:, :, 1], np.minimum(page / paper, 1.25), rtol=1e-6)


# Pages of other sizes of print


@pytest.mark.parametrize(("scale", "mean", "most"), [(1, 0, 0), (2.7, 2, 20), (0.4, 2, 20)])
@pytest.mark.parametrize("network", [SAME, NEGATIVE], ids=["same", "negative"])
def test_what_a_network_does_to_pixels_is_done_at_any_scale(network, scale, mean, most):
    dpi = round(DPI * scale)
    page = drawn_pages.on_cloudy_paper(drawn_pages.text(dpi, points=20, heading=False), dpi)
    page = cv2.GaussianBlur(page, (0, 0), 1)  # as soft as a scan of so few dots an inch is
    expected = page if network is SAME else 255 - page
    difference = abs(clean_page(page, network, scale).astype(int) - expected)
    assert difference.mean() <= mean
    assert np.percentile(difference, 99.9) <= most


def clouds(*size):
    """Draws a page of soft spots, several pixels of the network wide."""
    page = cv2.GaussianBlur(page_of(size), (0, 0), 4)
    return cv2.normalize(page, None, 60, 220, cv2.NORM_MINMAX)


def by_place(gain_of):
    """A network that multiplies each pixel by a gain that depends on its place alone."""
    return pixel_by_pixel(lambda x: x * gain_of(*x.shape[1:3])[None, :, :, None])


@pytest.mark.parametrize("strip", [1, 90 * 7, 90 * 100])
def test_a_large_fine_page_has_no_seams(monkeypatch, strip):
    """It is computed in strips of rows; this one would be a single strip."""
    page = cv2.GaussianBlur(page_of((277, 90)), (0, 0), 2)
    network = by_place(lambda *size: np.random.default_rng(0).random(size, "float32"))
    expected = clean_page(page, network, 2.5)
    monkeypatch.setattr(pages, "STRIP", strip)
    difference = abs(clean_page(page, network, 2.5).astype(int) - expected)
    assert difference.max() <= 1


@pytest.mark.parametrize("axis", [0, 1])
def test_what_is_done_at_a_place_is_done_at_that_place_of_a_fine_page(axis):
    """Half a pixel beside it would be seen in this ramp."""

    def ramp(*size):
        steps = np.clip((np.arange(size[axis]) - 8) / 40, 0, 1)  # it begins behind the edge
        return np.broadcast_to(np.expand_dims(steps, 1 - axis), size).astype("float32")

    page = clouds(160, 160)
    cleaned = clean_page(page, by_place(ramp), 4)
    places = (np.arange(160) + 0.5) / 4 - 0.5
    expected = page * np.expand_dims(places / 40, 1 - axis)
    inside = slice(16, -16), slice(16, -16)
    assert abs((cleaned - expected)[inside].mean()) < 0.5
    assert abs(cleaned - expected)[inside].max() < 10


def test_what_is_done_beside_a_place_is_not_done_there():
    """One half becomes white; four pixels of the network further, the other is as it was."""

    def left(height, width):
        return np.where(np.arange(width) < 8 + 30, 1e3, 1) * np.ones((height, 1), "float32")

    page = clouds(80, 240)
    cleaned = clean_page(page, by_place(left), 4)
    assert (cleaned[:, : 120 - 16] == 255).mean() > 0.99
    assert abs(cleaned[:, 120 + 16 :].astype(int) - page[:, 120 + 16 :]).max() <= 4


def test_the_channels_of_a_colored_page_are_cleaned_apart():
    page = page_of((40, 30, 3))
    before = page.copy()
    np.testing.assert_array_equal(clean_page(page, NEGATIVE), 255 - page)
    np.testing.assert_array_equal(page, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (5, 7)])
@pytest.mark.parametrize("scale", [0.1, 0.5, 1, 3, 40])
def test_a_page_of_any_size_keeps_it(size, scale):
    page = np.full(size, 90, np.uint8)
    cleaned = clean_page(page, SAME, scale)
    assert cleaned.shape == size
    assert abs(cleaned.astype(int) - 90).max() <= 1


# The size of print


@pytest.fixture(scope="module")
def print_of():
    return {dpi: drawn_pages.text(dpi, heading=False) for dpi in (100, 150, 200, 300, 600)}


def test_letters_are_as_high_as_they_are_drawn(print_of):
    """Between those without ascender, such as x, and those with one, such as d."""
    for dpi, page in print_of.items():
        font = drawn_pages.font(10, dpi)
        tops = [font.getbbox(letter) for letter in "xd"]
        low, high = (bottom - top for _, top, _, bottom in tops)
        assert low - 1 <= letter_height(page) <= high + 1, dpi


def test_the_scale_grows_with_the_resolution(print_of):
    scales = [scale_of(page) for page in print_of.values()]
    assert scales == sorted(scales)
    for dpi, scale in zip(print_of, scales, strict=True):
        assert 0.6 < scale / (dpi / DPI) < 1.5, dpi  # as high as x, or as d


def test_the_scale_of_an_enlarged_page_is_twice_as_much(print_of):
    for dpi in (100, 150, 200, 300):
        page = Image.fromarray(print_of[dpi])
        twice = page.resize((2 * page.width, 2 * page.height), Image.Resampling.BICUBIC)
        assert scale_of(np.array(twice)) == pytest.approx(2 * scale_of(print_of[dpi]), rel=0.15)


def test_paper_and_color_do_not_change_the_scale(print_of):
    page = print_of[200]
    dirty = drawn_pages.on_cloudy_paper(page, 200)
    assert scale_of(dirty) == pytest.approx(scale_of(page), rel=0.1)
    assert scale_of(np.stack([dirty] * 3, axis=2)) == pytest.approx(scale_of(dirty), rel=0.02)


def test_letters_tell_the_scale_and_not_the_resolution_that_a_file_names(print_of):
    assert scale_of(print_of[300], 72) == scale_of(print_of[300])


@pytest.mark.parametrize("page", [np.full((300, 200), 240, np.uint8), np.zeros((1, 1), np.uint8)])
def test_without_letters_the_resolution_tells_the_scale(page):
    assert letter_height(page) is None
    assert scale_of(page, 2 * DPI) == 2
    assert scale_of(page) == 1


def test_a_few_words_are_too_few_letters():
    page = drawn_pages.text(150, inches=(1.2, 0.5), heading=False)
    assert (page < 128).any()
    assert scale_of(page, 150) == 150 / DPI
    for nonsense in (1.5, 40, 10_000):  # a page would grow to 80 times its size, or to a dot
        assert scale_of(page, nonsense) == 1


# Color and ink


def test_grey_is_no_color_even_if_a_scanner_tints_it():
    clean = drawn_pages.text(100)
    page = np.stack([drawn_pages.on_cloudy_paper(clean, 100, seed) for seed in range(3)], axis=2)
    even = np.repeat(page[:, :, :1], 3, axis=2)
    tinted = np.clip(even + np.array([8, 4, -8]), 0, 255).astype(np.uint8)
    assert not has_color(even)
    assert not has_color(tinted)
    assert not has_color(np.zeros((3, 3, 3), np.uint8))


def test_a_stamp_or_yellow_paper_is_color():
    page = np.full((200, 300, 3), 230, np.uint8)
    page[50:60, 70:90] = (190, 40, 50)
    assert has_color(page)
    assert has_color(np.full((50, 50, 3), (235, 225, 180), np.uint8))


def test_ink_is_lost_where_the_page_becomes_white():
    page = drawn_pages.on_cloudy_paper(drawn_pages.text(100), 100)
    assert ink_lost(page, page) == 0
    assert ink_lost(page, np.full_like(page, 255)) == 1
    half = page.copy()
    half[: len(page) // 2] = 255
    ink = page < 100
    share = ink[: len(page) // 2].sum() / ink.sum()
    assert ink_lost(page, half) == pytest.approx(share, abs=0.08)


def test_a_page_that_gets_cleaner_loses_no_ink():
    clean = drawn_pages.text(100)
    assert ink_lost(drawn_pages.on_cloudy_paper(clean, 100), clean) < 0.1


def test_ink_counts_on_fine_and_on_colored_pages_too():
    page = drawn_pages.on_cloudy_paper(drawn_pages.text(300), 300)
    white = np.full_like(page, 255)
    assert ink_lost(page, page, scale=2) == 0
    assert ink_lost(page, white, scale=2) == 1
    page, white = (np.stack([one] * 3, axis=2) for one in (page, white))
    assert ink_lost(page, page, scale=2) == 0
    assert ink_lost(page, white, scale=2) == 1


def test_a_page_without_ink_loses_none():
    assert ink_lost(np.full((40, 40), 200, np.uint8), np.full((40, 40), 255, np.uint8)) == 0
