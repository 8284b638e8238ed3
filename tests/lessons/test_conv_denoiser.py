"""The denoiser's noise and validation."""

import math

from ae import datasets
from tutorials import conv_denoiser
from tutorials.articles import conv_denoiser as article

import numpy as np
import pytest
from countable_clothes import load_both, numbers
from running import lesson, smoke_settings


def load(**changes):
    return lesson("conv_denoiser").load(smoke_settings("conv_denoiser", **changes), None)


def test_a_tenth_of_the_pixels_is_replaced_and_the_targets_are_clean():
    data = load()
    fashion = datasets.load_fashion_mnist()
    for clean, noisy, original in [
        (data.x_train, data.x_train_noisy, fashion.x_train),
        (data.x_test, data.x_test_noisy, fashion.x_test),
    ]:
        n = len(clean)
        assert clean.dtype == noisy.dtype == "float32"
        np.testing.assert_allclose(clean[..., 0], original[:n] / 255, atol=1e-6)
        assert 0 <= noisy.min() <= noisy.max() <= 1
        share = np.mean(abs(noisy - clean) > 1e-3)
        error = math.sqrt(0.1 * 0.9 / clean.size)
        assert 0.09 < share < 0.1 + 5 * error  # a pixel may be replaced by its own value
    assert data.x_val is data.x_test  # as the article validates


def test_the_noise_is_that_of_the_seed():
    first, again, other = (load(seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.x_train_noisy, again.x_train_noisy)
    np.testing.assert_array_equal(first.x_test_noisy, again.x_test_noisy)
    assert np.mean(first.x_train_noisy != other.x_train_noisy) > 0.1
    np.testing.assert_array_equal(first.x_train, other.x_train)


def test_validation_of_the_denoiser(monkeypatch):
    published, corrected = load_both(conv_denoiser, monkeypatch)
    assert numbers(published.x_train) == list(range(60))
    assert numbers(published.x_val) == numbers(published.x_test) == list(range(60, 70))
    assert numbers(corrected.x_train) == list(range(50))
    assert numbers(corrected.x_val) == list(range(50, 60))
    assert numbers(corrected.x_test) == list(range(60, 70))
    assert numbers(corrected.x_shown) == numbers(published.x_shown) == [66, 32]
    for data in (published, corrected):
        typical = np.median(data.x_val_noisy, axis=(1, 2, 3))
        np.testing.assert_allclose(typical, data.x_val[:, 0, 0, 0], atol=1e-6)


def test_the_corrected_variant_holds_out_ten_thousand_training_images():
    arguments = article.ARGUMENTS["variant", "corrected"]
    assert arguments["load"] == {"held_out": 10_000}


def test_the_corrected_variant_draws_the_noise_of_each_epoch():
    data, settings = load(), smoke_settings("conv_denoiser", seed=5)
    drawn = [article.drawn_each_epoch(data, settings, epoch) for epoch in (0, 1, 1)]
    for noisy in drawn:
        assert noisy.dtype == "float32"
        assert 0.09 < np.mean(abs(noisy - data.x_train) > 1e-3) < 0.105
        assert np.mean(noisy != data.x_train_noisy) > 0.15  # of a tenth each
    assert np.mean(drawn[0] != drawn[1]) > 0.15
    np.testing.assert_array_equal(drawn[1], drawn[2])
    other = article.drawn_each_epoch(data, smoke_settings("conv_denoiser", seed=6), 1)
    assert np.mean(other != drawn[1]) > 0.15


def test_white_noise_has_the_power_of_salt_and_pepper():
    salted, white = (load(noise=noise, num_train=2000) for noise in article.AUGMENTERS)
    added = white.x_train_noisy - white.x_train
    assert white.x_train_noisy.dtype == "float32"
    assert added.std() == pytest.approx(0.17, rel=0.01)
    assert abs(added.mean()) < 0.001
    assert np.mean(abs(added) > 2 * 0.17) == pytest.approx(0.0455, abs=0.002)  # as of a normal one
    power = np.square(salted.x_train_noisy - salted.x_train).mean()
    assert np.square(added).mean() == pytest.approx(power, rel=0.05)
    fresh = article.drawn_each_epoch(white, smoke_settings("conv_denoiser", noise="gaussian"), 3)
    assert (fresh - white.x_train).std() == pytest.approx(0.17, rel=0.01)
