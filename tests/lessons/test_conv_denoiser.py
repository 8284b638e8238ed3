"""The denoiser's noise and validation."""

import math

from ae import datasets
from tutorials import conv_denoiser
from tutorials.articles import conv_denoiser as article

import numpy as np
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
    assert arguments == {"load": {"held_out": 10_000}}
