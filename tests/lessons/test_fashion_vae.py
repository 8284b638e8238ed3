"""The VAE's saved file without code, its validation, and the codes of new clothes."""

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
from running import smoke_settings


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
