"""The VAE's saved file without code, its validation, and its figures' geometry."""

import dataclasses
import math
import zipfile

from ae.networks import codec
from ae.runs import records
from tutorials import fashion_vae
from tutorials.articles import fashion_vae as article

import keras
import numpy as np
import pytest
from countable_clothes import load_both, numbers
from running import pixels, run, smoke_settings
from scipy.stats import norm
from stand_ins import draw_code_in_pixels


def test_validation_of_the_vae(monkeypatch):
    monkeypatch.setattr(fashion_vae, "NUM_VAL", 10)
    published, corrected = load_both(fashion_vae, monkeypatch)
    assert numbers(published.x_train) == list(range(60))
    assert numbers(corrected.x_train) == list(range(50))
    for data in (published, corrected):
        assert numbers(data.x_val) == list(range(50, 60))
        assert list(data.y_train) == [i % 10 for i in numbers(data.x_train)]
        assert list(data.y_test) == [i % 10 for i in numbers(data.x_test)]


def test_the_corrected_vae_holds_out_every_validation_image():
    arguments = article.ARGUMENTS["variant", "corrected"]
    assert arguments["load"] == {"held_out": fashion_vae.NUM_VAL} == {"held_out": 10_000}


def all_layers(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def test_the_saved_vae_loads_in_safe_mode_and_holds_no_lambda(smoke):
    path = smoke("fashion_vae") / "networks" / "keras.keras"
    with zipfile.ZipFile(path) as archive:
        assert "Lambda" not in archive.read("config.json").decode()
    vae = keras.saving.load_model(path, safe_mode=True)
    layers = list(all_layers(vae))
    assert [type(x) for x in layers].count(fashion_vae.Sampling) == 1
    assert [type(x) for x in layers].count(fashion_vae.VariationalLoss) == 1
    assert not any(isinstance(x, keras.layers.Lambda) for x in layers)
    again = fashion_vae.build_keras()
    records.load_weights(again, path)
    x = np.random.default_rng(0).random((3, 28, 28, 1), "float32")
    for one, two in zip(codec(vae).encode(x), codec(again).encode(x), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_manifold_s_columns_vary_the_first_coordinate(monkeypatch):
    seen, _, _ = draw_code_in_pixels(monkeypatch)
    ((tiles, side),) = seen["manifold"]
    assert side == 20
    grid = norm.ppf(np.linspace(0.05, 0.95, 20))
    expected = [[100 * z_1 + z_2 for z_1 in grid] for z_2 in grid]
    assert tiles.shape == (400, 28, 28, 1)
    np.testing.assert_allclose(tiles[:, 3, 4, 0].reshape(20, 20), expected, rtol=1e-5, atol=1e-4)
    assert expected[0][0] == pytest.approx(101 * -1.6448536)


def test_the_latent_figure_shows_every_training_image_in_its_class_s_colour(monkeypatch):
    seen, _, data = draw_code_in_pixels(monkeypatch)
    ((codes, labels),) = seen["scatter"]
    ((_, points),) = codes.items()
    np.testing.assert_allclose(points, np.stack([data.x_train[:, 0, 0, 0]] * 2, 1) * [1, -1])
    np.testing.assert_array_equal(labels, data.y_train)


def test_new_clothes_are_decoded_around_their_class(monkeypatch):
    _, names, _ = draw_code_in_pixels(monkeypatch)
    assert names == ["manifold", "latent", "reconstructions"]
    given = []

    def sample(z_mean, s, number, settings):
        given.extend([z_mean, s])
        return np.tile(np.float32([[0.5, 0.25]]), (number, 1))

    monkeypatch.setattr(article, "sample_around", sample)
    seen, names, data = draw_code_in_pixels(monkeypatch, generate="trouser")
    assert names == ["manifold", "latent", "reconstructions", "trouser"]
    trousers = data.x_train[data.y_train == 1][:, 0, 0, 0]
    np.testing.assert_allclose(given[0], np.stack([trousers, -trousers], 1))
    new = np.concatenate(list(seen["strip"][-1][0].values()))
    assert new.shape == (20, 28, 28)
    np.testing.assert_allclose(new, 50.25)


def test_new_clothes_of_a_trained_vae_are_drawn_on_request(smoke, tmp_path):
    out = ["--from", smoke("fashion_vae"), "--style", "keras", "--out", tmp_path]
    assert run("fashion_vae", *out, "--generate", "trouser") == 0
    assert pixels(tmp_path / "figures" / "keras-trouser.png").std() > 10


@pytest.mark.parametrize(("variant", "sigma"), [("published", 0.6), ("corrected", 0.6**0.5)])
def test_new_codes_lie_as_the_class_lies(variant, sigma):
    settings = smoke_settings("fashion_vae", variant=variant)
    z_mean = np.float32([3, -1]) + np.float32([0.5, 2]) * np.random.default_rng(1).standard_normal(
        (4000, 2)
    ).astype("float32")
    s = np.full((4000, 2), math.log(0.6), "float32")
    z = article.sample_around(z_mean, s, 20_000, settings)
    assert z.dtype == "float32"
    spread = np.sqrt(z_mean.var(axis=0) + sigma**2)
    np.testing.assert_allclose(z.mean(axis=0), z_mean.mean(axis=0), atol=0.08)
    np.testing.assert_allclose(z.std(axis=0), spread, rtol=0.03)
    again = article.sample_around(z_mean, s, 20_000, settings)
    np.testing.assert_array_equal(again, z)
    other = dataclasses.replace(settings, seed=1)
    assert not np.array_equal(article.sample_around(z_mean, s, 20_000, other), z)
