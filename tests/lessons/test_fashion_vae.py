"""The VAE's saved file without code, its validation, and the codes of new clothes."""

import dataclasses
import math
import types
import zipfile

from ae import metrics
from ae.networks import codec
from ae.proof import judges
from ae.runs import saved
from tutorials import fashion_vae
from tutorials.articles import fashion_vae as article

import keras
import numpy as np
import pytest
from countable_clothes import load_both, numbers
from expected import PUBLISHED, expected
from running import run, smoke_settings
from stand_ins import Net, NoFit


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


def test_without_a_plane_its_figures_and_claims_are_left_out(monkeypatch, tmp_path, capsys):
    """A reader changes LATENT_DIM first."""
    monkeypatch.setattr(fashion_vae, "LATENT_DIM", 3)
    assert run("fashion_vae", "--preset", "smoke", "--style", "keras", "--out", tmp_path) == 0
    said = "keras: A code has 3 numbers, so figures and claims about a plane are left out.\n"
    assert capsys.readouterr().err.count(said) == 1
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["keras-reconstructions.png"]
    assert not (tmp_path / "plane").exists()
    network = fashion_vae.build_keras()
    about_planes = [c for c in article.CLAIMS if "tiles" in c.quantity or "gained" in c.quantity]
    assert [claim.measure(network, None, None) for claim in about_planes] == [None] * 3
    new = article.sample_around(
        np.zeros([5, 3]), np.zeros([5, 3]), 4, smoke_settings("fashion_vae")
    )
    assert new.shape == (4, 3)


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
    saved.load_weights(again, path)
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


def test_the_plain_network_is_the_lesson_s_without_noise_and_divergence(monkeypatch):
    fit = NoFit()
    monkeypatch.setattr(judges, "fit", fit)
    x = np.random.default_rng(0).random((70, 28, 28, 1)).astype("float32")
    settings = smoke_settings("fashion_vae", num_epochs=3, learning_rate=0.25)
    codes = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(99)
        article.train_without_noise.cache_clear()
        encode = article.plain_encoder(x, dataclasses.replace(settings, seed=seed))
        codes.append(encode(x))
    article.train_without_noise.cache_clear()
    np.testing.assert_array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[0], codes[2])

    asked, entry = fit.asked[0], expected("fashion_vae").networks["autoencoder"][PUBLISHED]
    w = asked.first_weights
    w = [*w[:12], np.zeros((32, 2)), np.zeros(2), *w[12:]]  # no layer learns a spread
    mean, _ = entry.encode(w, x)
    np.testing.assert_allclose(codes[0], mean, rtol=1e-4, atol=1e-5)
    output = asked.model.predict(x, verbose=0)
    np.testing.assert_allclose(output, entry.decode(w, mean), rtol=1e-4, atol=1e-5)
    assert asked.model.loss is fashion_vae.cross_entropy
    optimizer = asked.model.optimizer
    assert type(optimizer).__name__ == entry.optimizer.name
    config = {name: optimizer.get_config()[name] for name in entry.optimizer.config}
    assert config == pytest.approx(entry.optimizer.config)
    assert float(optimizer.learning_rate) == 0.25
    assert asked.model.jit_compile is settings.jit_compile
    assert asked.model.steps_per_execution == settings.steps_per_call
    assert (asked.steps, asked.num_epochs) == (5, 3)  # the last of 5 minibatches has 6 images
    rows = np.random.default_rng([5, 0]).permutation(70)[:16]
    for part in asked.minibatch:
        np.testing.assert_array_equal(part, x[rows])


@pytest.mark.parametrize("claim", [article.beside_components, article.beside_plain_code])
def test_codes_are_compared_with_others_of_the_same_images(monkeypatch, claim):
    """Other codes tell two brightnesses apart, before any training; those of the network do not."""
    monkeypatch.setattr(judges, "fit", NoFit())
    article.train_without_noise.cache_clear()
    y = np.arange(40) % 2
    x = np.random.default_rng(0).uniform(0, 0.01, (40, 28, 28, 1)).astype("float32")
    x[y == 1, 2:] += 0.9
    data = types.SimpleNamespace(x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    blind = Net(encode=lambda x: (x[:, :2, 0, 0], x[:, :2, 20, 0]))
    by_noise = metrics.knn_labels(x[:, :2, 0, 0], y, x[:20, :2, 0, 0])
    expected = np.mean(by_noise == data.y_test) - 1
    assert expected < 0
    assert claim(blind, data, smoke_settings("fashion_vae")) == pytest.approx(expected)
    article.train_without_noise.cache_clear()
