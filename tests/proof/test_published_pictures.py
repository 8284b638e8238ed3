"""What is measured on published pictures, on pictures whose numbers are known."""

import dataclasses
import json
from types import SimpleNamespace

from ae import console
from ae.maintain import __main__ as maintain
from ae.maintain.pictures import Grid, cells, levels, tiles
from ae.proof import pictures

import numpy as np
import pytest
from matplotlib import colormaps
from random_data import PROVENANCE
from running import lesson
from stand_ins import Net

RNG = np.random.default_rng(0)
OUTPUT, STRIP = "conv_denoiser_output", "sigmoid_ae_run_2016"
CORRELATION, PSNR = "Correlation with the clean garment", "PSNR after an affine fit, in dB"
STEP = "Step between neighbouring tiles, as a share of any two's distance"
X = RNG.random((5, 28, 28, 1)).astype("float32")


def shuffled(x):
    """The same pixels at other places, image by image."""
    return RNG.permuted(x.reshape(len(x), -1), axis=1).reshape(x.shape)


def test_a_copy_correlates_fully_also_where_a_picture_stretches_it():
    assert pictures.correlations(X, X) == pytest.approx([1] * 5)
    assert pictures.correlations(X, 0.3 * X + 0.2) == pytest.approx([1] * 5)
    assert pictures.correlations(X, 1 - X) == pytest.approx([-1] * 5)


def test_shuffled_pixels_correlate_hardly():
    assert np.abs(pictures.correlations(X, shuffled(X))).max() < 0.15


def test_hidden_pixels_do_not_count():
    hidden = X.copy()
    hidden[:, :3] = np.nan
    assert pictures.correlations(X, hidden) == pytest.approx([1] * 5)


def test_psnr_is_that_of_the_error_that_no_stretching_removes():
    error = np.where(np.indices(X.shape).sum(axis=0) % 2, 0.1, -0.1)  # as often up as down
    grey = np.where(np.indices(X.shape)[1] % 2, 0.2, 0.8)  # each grey errs as often up as down
    assert pictures.fitted_psnr(grey + error, 0.4 * grey + 0.1) == pytest.approx([20] * 5)
    assert min(pictures.fitted_psnr(X, 0.5 * X)) > 100


@pytest.mark.parametrize("share", [0, 0.1, 0.25, 1])
def test_the_share_of_replaced_pixels_is_counted(share):
    x = np.full([4, 10, 10, 1], 0.5)
    noisy = x.copy()
    noisy.reshape(-1)[: round(400 * share)] = 0.9
    assert pictures.share_replaced(x, noisy) == pytest.approx(share)
    assert pictures.share_replaced(x, x + 1.4 / 255) == 0  # what rounding may do


def test_noise_is_that_of_pixels_that_no_digit_uses():
    x = np.zeros([3, 8])
    x[0, :2] = x[1, 1:4] = 1  # the last four are black in all
    dots = np.array([1.0, 0, 0, 0])
    x_hat = np.hstack([RNG.random((3, 4)), np.tile(dots, (3, 1))])
    assert pictures.background_noise(x, x_hat) == pytest.approx(dots.std())
    assert pictures.background_noise(x, np.hstack([x_hat[:, :4], np.ones([3, 4])])) == 0
    hidden = x_hat.copy()
    hidden[0, 4] = np.nan
    assert pictures.background_noise(x, hidden) == pytest.approx(np.nanstd(hidden[:, 4:]))


def test_a_manifold_of_even_steps_and_one_of_random_tiles():
    (step,) = pictures.measured("fashion_vae_manifold", RNG.random((400, 28, 28)), 20)[STEP]
    assert step == pytest.approx(1, abs=0.01)
    across, down = np.meshgrid(np.arange(20.0), np.arange(20.0))
    even = np.stack([across.ravel(), down.ravel()], axis=1)
    (step,) = pictures.measured("fashion_vae_manifold", even, 20)[STEP]
    assert step == pytest.approx(0.096, abs=0.001)  # 1 over the mean distance of two places


def test_the_spans_of_codes_do_not_depend_on_the_order_of_axes():
    codes = np.array([[-1, 0], [2, 5], [0, -3]])
    expected = [8.0], [3.0]
    for turned in (codes, codes[:, ::-1]):
        assert tuple(pictures.measured("fashion_vae_latent", turned).values()) == expected


def test_ink_and_greys_of_a_page_are_counted():
    page = np.array([[0.0, 0.05, 0.3, 0.6], [0.95, 1, 1, 1]])
    values = pictures.measured("document_cleaner_test_output", page)
    assert list(values.values()) == [[3 / 8], [2 / 8]]


def test_a_page_is_drawn_by_its_nearest_pixels_within_the_frame():
    rows, columns = np.mgrid[:258, :540]
    drawn = pictures.as_drawn(rows * 540.0 + columns)
    assert drawn.shape == (156, 331)
    number = np.rint(drawn * (258 * 540 - 1))
    assert number[0, 0] == int(2.5 * 258 / 160) * 540 + int(2.5 * 540 / 335)
    assert np.array_equal(number[7] // 540, np.full(331, int(9.5 * 258 / 160)))
    assert np.ptp(pictures.as_drawn(np.ones([258, 540]))) == 0


# Reading


def test_cells_are_read_at_their_centres_and_beside_the_frame():
    images = RNG.integers(0, 256, (6, 28, 28, 3))
    picture = np.zeros([100, 150, 3], "int64")
    for number, image in enumerate(images):
        top, left = 5 + 47 * (number // 3), 3 + 46 * (number % 3)
        picture[top : top + 42, left : left + 42] = image.repeat(3, 0).repeat(3, 1)[::2, ::2]
    read = cells(picture, Grid((3, 5, 45, 47), (46, 47), (3, 2)))
    assert np.array_equal(read[:, 2:-2, 2:-2], images[:, 2:-2, 2:-2])
    assert np.array_equal(read[:, 0, 5], images[:, 1, 5])


@pytest.mark.parametrize("colour_map", ["jet", "viridis", "gray"])
def test_colours_are_read_as_the_values_that_they_stand_for(colour_map):
    values = RNG.random((4, 9))
    colours = np.rint(255 * colormaps[colour_map](values)[..., :3])
    assert levels(colours, colour_map) == pytest.approx(values, abs=0.01)
    ends = np.rint(255 * colormaps[colour_map]([0.0, 1.0])[:, :3])
    assert levels(ends, colour_map).tolist() == [0, 1]


def test_tiles_of_a_canvas_come_row_by_row():
    canvas = np.kron(np.arange(9).reshape(3, 3), np.ones([4, 4]))
    assert [set(tile.ravel()) for tile in tiles(canvas, 3)] == [{n} for n in range(9)]


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_folder_without_the_pictures_changes_nothing(tmp_path, capsys, monkeypatch, content):
    monkeypatch.setattr(pictures, "PATH", tmp_path / "pictures.json")
    if content:
        (tmp_path / "sigmoid_ae_run_2016.png").write_bytes(content)
    assert console.guard(lambda: maintain.run(["pictures", str(tmp_path)])) == 2
    assert "sigmoid_ae_run_2016.png" in capsys.readouterr().err
    assert not (tmp_path / "pictures.json").exists()


# What is kept, and ours


def test_what_is_kept_are_the_published_numbers():
    kept = pictures.read()
    assert kept[OUTPUT]["values"][CORRELATION] == [0.9715, 0.8014, 0.9281, 0.9518, 0.8939]
    assert np.round(kept[OUTPUT]["values"][PSNR], 1).tolist() == [19.7, 15.5, 21.2, 18.6, 19.0]
    for name, about in kept.items():
        assert set(about["values"]) == set(about["notes"])
        assert "notebook" in about
        assert set(pictures.MEASURES.get(name, ())) <= set(about["values"])


DENOISER = lesson("conv_denoiser")
DATA = SimpleNamespace(x_shown=X, x_shown_noisy=X, provenance=PROVENANCE)


def test_a_perfect_denoiser_measures_perfectly_and_is_written_beside_the_published_one():
    settings = dataclasses.replace(DENOISER.presets["article"], output="linear")
    found = pictures.measure(DENOISER, Net(), DATA, settings)
    by_quantity = {result["quantity"]: result["value"] for result in found}
    assert by_quantity[CORRELATION] == pytest.approx([1] * 5)
    assert by_quantity["Share of pixels that noise replaces"] == [0]
    json.dumps(found)
    lines = pictures.lines(DENOISER, [{"claims": [], "pictures": found}])
    (line,) = [line for line in lines if CORRELATION in line]
    assert "published 0.909 on average (0.801 to 0.972); ours 1" in line


def test_nothing_is_measured_of_a_run_with_other_settings_than_the_published_one():
    assert pictures.measure(DENOISER, Net(), DATA, DENOISER.presets["article"]) == []


def test_a_claim_is_written_beside_its_picture_and_no_other():
    claim = {"quantity": STEP, "value": 0.5}
    unmeasured = {"quantity": STEP, "value": None}
    written = pictures.lines(lesson("fashion_vae"), [{"claims": [claim, unmeasured]}])
    beside = {line.partition(":")[0]: line for line in written if STEP in line}
    assert beside["fashion_vae_manifold"].endswith("published 0.218; ours 0.5")
    assert "ours 0.5" not in beside["fashion_vae_dense_manifold"]
    assert len(pictures.lines(lesson("fashion_vae"), [])) == len(written)


def test_a_measurement_stands_beside_its_own_picture_alone():
    quantity = "Correlation of a digit with its original"
    results = [{"picture": STRIP, "quantity": quantity, "value": [0.25, 0.75]}]
    written = pictures.lines(lesson("sigmoid_ae"), [{"claims": [], "pictures": results}])
    (line,) = [line for line in written if "; ours " in line]
    assert line.startswith(f"{STRIP}: {quantity}: published 0.498 on average")
    assert line.endswith("; ours 0.5 on average (0.25 to 0.75)")


def test_an_article_without_pictures_has_no_lines():
    assert pictures.lines(lesson("low_level_ae"), []) == []
