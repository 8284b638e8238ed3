"""Metrics of pictures and pages, and the claims of the three lessons that use them."""

import importlib
import itertools
import shutil
import sys
from functools import partial
from types import SimpleNamespace

from ae import metrics
from ae.lesson import STYLES
from ae.proof import claims, garments, readability
from tutorials.articles import fashion_vae as article

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from random_data import PROVENANCE, mostly_black
from running import lesson, smoke_settings
from skimage.metrics import structural_similarity
from stand_ins import Net

RNG = np.random.default_rng(0)


images = partial(mostly_black, RNG)


X, Y = images(3, 20, 24, 1), images(3, 20, 24, 1)

# Errors and likeness.


def test_psnr_is_ten_times_the_logarithm_of_peak_over_error():
    zeros, tenths = np.zeros([2, 8, 8, 1], "float32"), np.full([2, 8, 8, 1], 0.1)
    assert metrics.rmse(zeros, tenths) == pytest.approx(0.1)
    assert metrics.psnr(zeros, tenths) == pytest.approx(20)
    assert metrics.psnr(X, Y) == pytest.approx(10 * np.log10(1 / np.mean((X - Y) ** 2)), rel=1e-5)


def test_psnr_is_that_of_the_mean_error_not_the_mean_of_those_of_the_images():
    one_of_two = np.zeros([2, 8, 8, 1])
    one_of_two[0] = 0.2
    assert metrics.psnr(np.zeros_like(one_of_two), one_of_two) == pytest.approx(
        -10 * np.log10(0.02)
    )


def test_ssim_is_one_for_equal_images_and_skimage_s_for_others():
    assert metrics.ssim(X, X) == pytest.approx(1)
    a, b = (np.rint(255 * x).astype("uint8") for x in (X, Y))
    expected = np.mean([structural_similarity(a[i, ..., 0], b[i, ..., 0]) for i in range(3)])
    assert metrics.ssim(a / 255, b / 255) == pytest.approx(expected, abs=1e-12)
    assert metrics.ssim(X, Y) < 0.5


def test_cleaning_half_way_leaves_half_of_the_error():
    assert metrics.error_left(X, Y, (X + Y) / 2) == pytest.approx(0.5, rel=1e-5)
    assert metrics.likeness_gained(X, Y, X) == pytest.approx(1 - metrics.ssim(X, Y))
    assert metrics.likeness_gained(X, Y, Y) == 0


def test_rows_come_by_label():
    groups = list(metrics.by_label(("b", "a", "b"), np.arange(3), 10 * np.arange(3)))
    assert [[list(array) for array in group] for group in groups] == [
        [[1], [10]],
        [[0, 2], [0, 20]],
    ]


# Detail, filter, manifold.


@pytest.mark.parametrize(
    ("down", "across", "counts"),
    [(0, 10, True), (10, 0, True), (0, 6, False), (6, 6, True), (5, 4, False), (0, 0, False)],
)
def test_only_waves_above_a_quarter_of_a_cycle_a_pixel_are_fine_detail(down, across, counts):
    rows, columns = np.mgrid[:28, :28]  # 7 cycles in 28 pixels are half of Nyquist's limit
    wave = 0.3 * np.cos(2 * np.pi * (down * rows + across * columns) / 28 + 0.4)
    x = np.stack([wave, 2 * wave])[..., None]
    energy = (1 + 4) / 2 * 0.3**2 / 2  # of a cosine: half of its amplitude's square
    assert metrics.fine_detail(x) == pytest.approx(energy if counts else 0, abs=1e-12)


def test_all_detail_of_a_page_that_is_not_square_is_its_energy():
    x = RNG.choice([-1.0, 1.0], (1, 1, 12, 1)) * np.where(np.arange(8) % 2, 1, -1)[:, None, None]
    assert x.shape == (1, 8, 12, 1)  # every second row reversed: half a cycle a pixel downwards
    assert metrics.fine_detail(x) == pytest.approx(1)


def test_a_median_filter_removes_a_speck_and_stays_within_each_image():
    x = np.zeros([2, 9, 9, 1], "float32")
    x[0] = 0.5
    x[0, 4, 4] = x[1, 2, 7] = 1
    filtered = metrics.median_filter(x)
    assert filtered.dtype == x.dtype
    np.testing.assert_array_equal(filtered[0], np.full([9, 9, 1], 0.5))
    np.testing.assert_array_equal(filtered[1], np.zeros([9, 9, 1]))
    inner = np.median(X[1, 4:7, 10:13, 0])
    assert metrics.median_filter(X)[1, 5, 11, 0] == inner


def test_the_step_of_a_ramp_is_what_a_ramp_s_is():
    side = 20
    rows, columns = np.mgrid[:side, :side]
    tiles = np.stack([rows, columns], axis=-1).reshape(-1, 2) / 7.0
    pairs = itertools.combinations(tiles, 2)
    expected = 1 / 7 / np.mean([np.hypot(*(a - b)) for a, b in pairs])
    assert metrics.tile_step(tiles, side) == pytest.approx(expected)
    assert expected == pytest.approx(0.1, abs=0.01)  # what the claim's threshold refers to
    across_only = np.repeat(tiles[:side, 1:], side, axis=0).reshape(side, side)
    assert metrics.tile_step(across_only.reshape(-1, 1), side) < 0.1


def test_tiles_without_order_step_as_far_as_any_two_and_equal_ones_too():
    assert metrics.tile_step(RNG.random((400, 28, 28, 1)), 20) == pytest.approx(1, abs=0.01)
    assert metrics.tile_step(np.ones([400, 28, 28, 1]), 20) == 1


# Readability.


def test_the_error_rate_is_a_share_of_all_reference_characters():
    assert readability.character_error_rate(["four", "sixsix"], ["for", "sixsix"]) == 0.1
    assert readability.character_error_rate(["ab"], ["abcdef"]) == 2
    assert readability.character_error_rate(["kitten"], ["sitting"]) == 3 / 6


@pytest.fixture
def fake_tesseract(tmp_path, monkeypatch):
    """Installs a program "tesseract" that runs the given Python code, alone on the path."""
    readability._read_png.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(code):
        program = tmp_path / "tesseract"
        program.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        program.chmod(0o755)

    yield install
    readability._read_png.cache_clear()


GREY = "int(__import__('numpy').array(Image.open(sys.stdin.buffer)).mean())"


def test_what_is_read_is_compared_with_what_is_read_on_the_clean_pages(fake_tesseract):
    fake_tesseract(f"from PIL import Image\nprint('x' * 4, '\\n', 'y' * ({GREY} // 51))")
    clean, worse = np.ones([2, 8, 8, 1]), np.full([2, 8, 8, 1], 0.6)
    assert readability.read(clean[0]) == "xxxx yyyyy"
    assert readability.error_rates(clean, clean, worse) == [0, 0.2]
    assert readability.error_rates(clean, 2 * clean, worse)[0] == 0  # clipped


def test_a_page_is_read_three_times_as_large(fake_tesseract):
    fake_tesseract("from PIL import Image\nprint(*Image.open(sys.stdin.buffer).size)")
    assert readability.read(np.ones([8, 12, 1])) == "36 24"


def test_letters_of_unknown_code_are_read_as_one_of_no_meaning(fake_tesseract):
    fake_tesseract("sys.stdout.buffer.write(b'a\\xffb')")
    assert readability.read(np.ones([8, 8, 1])) == "a\ufffdb"


@pytest.mark.parametrize(
    ("code", "notice"), [(None, "not installed"), ("sys.exit(1)", "status 1"), ("", "no text")]
)
def test_without_readings_there_is_one_line_and_no_number(fake_tesseract, capsys, code, notice):
    if code is not None:
        fake_tesseract(code)
    assert readability.error_rates(X, X) is None
    err = capsys.readouterr().err
    assert notice in err
    assert err.count("\n") == 1


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="no tesseract")
def test_tesseract_reads_a_page():
    picture = Image.new("L", (400, 40), 255)
    ImageDraw.Draw(picture).text((10, 10), "a page of plain text", 0, ImageFont.load_default(16))
    page = np.asarray(picture, "float32")[..., None] / 255
    assert readability.read(page) == "a page of plain text"


# Codes and classifiers.


def two_kinds(n):
    """Draws images that are bright above (class 0) or below (class 1)."""
    labels = np.arange(n) % 2
    x = 0.1 * RNG.random((n, 8, 8, 1))
    x[labels == 0, :4] += 0.8
    x[labels == 1, 4:] += 0.8
    return x.astype("float32"), labels


def test_components_of_two_kinds_lie_apart():
    (x, y), (x_test, y_test) = two_kinds(80), two_kinds(20)
    data = SimpleNamespace(x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    encode = garments.linear_encoder(x, None)
    assert encode(x_test).shape == (20, 2)
    assert garments.accuracy(encode, data) == 1
    data.y_test = 1 - y_test
    assert garments.accuracy(encode, data) == 0


def test_the_network_without_noise_is_trained_once_and_learns(fashion_images):
    """It is the lesson's, so it reconstructs, and its codes are no draws."""
    settings = smoke_settings("fashion_vae", num_epochs=3)
    article.train_without_noise.cache_clear()
    encode = article.plain_encoder(fashion_images, settings)
    codes = encode(fashion_images)
    assert codes.shape == (len(fashion_images), 2)
    np.testing.assert_array_equal(encode(fashion_images), codes)
    assert np.ptp(codes, axis=0).min() > 0
    article.plain_encoder(fashion_images.copy(), settings)
    assert article.train_without_noise.cache_info().misses == 1
    article.train_without_noise.cache_clear()


@pytest.fixture
def fashion_images():
    return np.random.default_rng(0).random((64, 28, 28, 1)).astype("float32")


def test_the_worst_class_is_the_one_whose_images_lie_among_others():
    codes = {
        "x_train": np.array([[0.0], [0], [9], [9]]),
        "x_test": np.array([[0.0], [9], [9], [0]]),
    }
    data = SimpleNamespace(**codes, y_train=np.array([1, 1, 2, 2]), y_test=np.array([1, 2, 2, 2]))
    data = SimpleNamespace(**{k: np.repeat(v, 10, axis=0) for k, v in vars(data).items()})
    network = tf.Module()
    network.encode, network.decode = (lambda x: (x, x)), tf.identity
    assert garments.worst_recall(network, data, None) == 2 / 3
    assert garments.accuracy(np.asarray, data) == 3 / 4


def test_new_clothes_are_recognised_class_by_class():
    x, y = two_kinds(400)
    network = tf.Module()
    network.encode, network.decode = (lambda x: (x, x)), tf.identity
    new = iter([x[y == 0][:9], np.concatenate([x[y == 1][:1], x[y == 0][:3]])])
    data = SimpleNamespace(x_train=x, y_train=y)
    share = garments.recognised(lambda *_: next(new), network, data, None)
    assert share == (1 + 0.25) / 2


# The claims.


def lesson_and_data(name):
    if name == "conv_denoiser":
        data = [images(n, 28, 28, 1) for n in (1, 1, 1, 1, 12, 12, 5, 5)]
    elif name == "document_cleaner":
        data = [images(n, 16, 24, 1) for n in (1, 1, 3, 3, 1)] + [("coffee", "folded", "coffee")]
    else:
        data = [images(60, 28, 28, 1), np.arange(60) % 10, images(1, 28, 28, 1)]
        data += [images(12, 28, 28, 1), np.arange(12) % 10, tuple("abcdefghij")]
    module = importlib.import_module(f"tutorials.{name}")
    return lesson(name), module.Data(*data, PROVENANCE)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        *itertools.product(["conv_denoiser", "document_cleaner"], STYLES),
        ("fashion_vae", "keras"),
        pytest.param("fashion_vae", "low-level", marks=pytest.mark.long),
    ],
)
def test_every_claim_is_measured_on_an_untrained_network(name, style, fake_tesseract, capsys):
    fake_tesseract("print('text')")
    a_lesson, data = lesson_and_data(name)
    keras.utils.set_random_seed(0)
    settings = a_lesson.presets["smoke"]
    network = a_lesson.networks["autoencoder"][style].build(settings)
    results = claims.measure(a_lesson, network, data, settings)
    assert len(results) == len(a_lesson.claims) >= 3
    for result in results:
        # This judge, trained on few images, may be sure of none.
        assert np.isfinite(result["value"] or 0)
        assert result["value"] is not None or "look like" in result["quantity"]
    assert capsys.readouterr().err == ""


def measured(name, function, data):
    """Returns the values of a lesson's claims for a network that computes `function`."""
    results = claims.measure(lesson(name), Net(decode=function), data, smoke_settings(name))
    return [result["value"] for result in results]


def test_a_network_that_changes_nothing_gains_nothing():
    _, data = lesson_and_data("conv_denoiser")
    data = data._replace(x_test=0.5 * data.x_test_noisy)
    left, beside_median, detail = measured("conv_denoiser", tf.identity, data)
    assert left == 1
    assert beside_median > 1
    assert detail == pytest.approx(4)


def test_the_kind_of_dirt_with_the_least_gain_counts(fake_tesseract):
    fake_tesseract(f"from PIL import Image\nprint('x' * ({GREY} // 25))")
    _, data = lesson_and_data("document_cleaner")
    clean = np.ones_like(data.y_val)
    dirty = clean * np.float32([0.2, 0.6, 0.2])[:, None, None, None]  # coffee is worse
    data = data._replace(x_val=dirty, y_val=clean)
    error, likeness, misread = measured("document_cleaner", lambda x: 0 * x + 0.5, data)
    assert error == pytest.approx(0.5 / 0.4)  # the folded page was better before
    assert likeness < 0
    # Of ten letters, 2 + 6 are read on the dirty pages and 5 + 5 on the cleaned ones.
    assert misread == pytest.approx((5 + 5 - 8 - 4) / 20)


def test_a_median_filter_looks_at_three_by_three_pixels():
    x = np.random.default_rng(0).random((2, 6, 7, 1))
    filtered = metrics.median_filter(x)
    for row, column in itertools.product(range(1, 5), range(1, 6)):
        window = x[:, row - 1 : row + 2, column - 1 : column + 2, 0]
        np.testing.assert_array_equal(filtered[:, row, column, 0], np.median(window, axis=(1, 2)))
