"""The lesson `contractive_ae`: its penalty, its shared kernel, and what its article measures."""

import dataclasses
from types import SimpleNamespace

from ae.lesson import STYLES
from ae.networks import codec
from ae.proof import judges
from ae.runs import saved
from ae.training.run import Run
from tutorials import contractive_ae
from tutorials.articles import contractive_ae as article
from tutorials.contractive_ae import Autoencoder, contraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from random_data import random_digits
from running import lesson, smoke_settings
from stand_ins import NoFit

NAMES = ("plain", "weight_decay", "denoising", "contractive")
EACH_STYLE = pytest.mark.parametrize("style", STYLES)
SETTINGS = {"jit_compile": False, "batch_size": 10, "num_epochs": 2}


def build(name, style, **changes):
    return saved.build(lesson("contractive_ae"), name, style, settings(**changes))


def settings(**changes):
    return smoke_settings("contractive_ae", **{**SETTINGS, **changes})


def train(name, style, data, **changes):
    network = build(name, style, **changes)
    run = Run(name, 2)
    styles = lesson("contractive_ae").networks[name]
    styles[style].train(network, data, settings(**changes), run)
    return network


def encoder_of(network):
    return network.get_layer("encoder") if isinstance(network, keras.Model) else network.encode


# The penalty


@EACH_STYLE
def test_the_penalty_is_the_mean_square_of_all_derivatives(style):
    network = build("contractive", style)
    x = tf.constant(random_digits(4, 4).x_test)
    with tf.GradientTape() as tape:
        tape.watch(x)
        h = encoder_of(network)(x)
    jacobians = tape.batch_jacobian(h, x).numpy()  # (4, 1000, 784)
    assert jacobians.shape == (4, 1000, 784)
    right = 0.1 * np.mean(np.sum(jacobians**2, axis=(1, 2)))
    assert contraction(h, network.weights[0]).numpy() == pytest.approx(right, rel=1e-5)
    norms = np.sqrt(np.sum(jacobians**2, axis=(1, 2)))
    data = SimpleNamespace(x_test=x.numpy())
    assert article.jacobian_norm(network, data, None) == pytest.approx(norms.mean(), rel=1e-5)


def test_the_penalty_is_what_finite_differences_give():
    rng = np.random.default_rng(0)
    W, b, x = rng.normal(scale=0.05, size=(784, 1000)), rng.normal(size=1000), rng.random(784)

    def encode(rows):
        return 1 / (1 + np.exp(-rows @ W - b))

    step = 1e-5 * np.eye(784)
    derivatives = (encode(x + step) - encode(x - step)) / 2e-5
    penalty = contraction(tf.constant(encode(x[None])), tf.constant(W))
    assert penalty.numpy() == pytest.approx(0.1 * np.sum(derivatives**2), rel=1e-6)


def test_a_keras_model_adds_the_penalty_of_its_own_codes():
    x = random_digits(4, 4).x_test
    losses = {name: build(name, "keras") for name in NAMES}
    found = {}
    for name, network in losses.items():
        network.compile("sgd", contractive_ae.cross_entropy)
        entropy = contractive_ae.cross_entropy(x, network(x)).numpy()
        found[name] = network.evaluate(x, x, verbose=0) - entropy
    W, h = losses["plain"].weights[0].numpy(), losses["plain"].get_layer("encoder")(x)
    right = {"plain": 0, "denoising": 0}  # there is noise in training only
    right["weight_decay"] = contractive_ae.WEIGHT_DECAY * np.sum(W**2)
    right["contractive"] = contraction(h, W).numpy()
    assert found == pytest.approx(right, rel=1e-3, abs=1e-3)


# The penalty of the tutorial


def test_a_penalty_that_is_rounded_down_is_a_whole_number_and_has_no_gradient():
    network = Autoencoder()
    x = tf.constant(random_digits(4, 4).x_test)
    values = []
    for penalty in (contraction, article.floored_contraction):
        with tf.GradientTape() as tape:
            values.append(penalty(network.encode(x), network.W))
        gradient = tape.gradient(values[-1], network.W)
        assert (gradient is None) == (penalty is article.floored_contraction)
    exact, floored = (float(value) / 0.1 for value in values)
    assert floored == pytest.approx(np.floor(exact))
    assert exact > floored > 1


@EACH_STYLE
def test_training_with_the_rounded_penalty_ends_with_plain_weights(style):
    data = random_digits(40, 10)
    plain = train("plain", style, data)
    floored = train("contractive", style, data, floored=True)
    exact = train("contractive", style, data)
    for ours, theirs in zip(plain.weights, floored.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    asked = settings()
    assert article.distance_from_plain(floored, data, asked) == 0
    distance = np.linalg.norm(exact.weights[0].numpy() - plain.weights[0].numpy())
    right = distance / np.linalg.norm(plain.weights[0].numpy())
    assert right > 0.01
    assert article.distance_from_plain(exact, data, asked) == pytest.approx(right)


# The shared kernel


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_loads_with_one_kernel(name, tmp_path):
    data = random_digits(40, 10)
    network = train(name, "keras", data)
    network.save(tmp_path / "whole.keras")
    loaded = keras.saving.load_model(tmp_path / "whole.keras")
    whole, again = (model.predict(data.x_test, verbose=0) for model in (network, loaded))
    np.testing.assert_array_equal(again, whole)
    for model in (network, loaded):
        assert [tuple(w.shape) for w in model.trainable_weights] == [(784, 1000), (1000,), (784,)]
    first = [w.numpy() for w in loaded.trainable_weights]
    for model in (network, loaded):
        model.fit(data.x_train, data.x_train, shuffle=False, verbose=0)
    assert not np.array_equal(first[0], loaded.trainable_weights[0])
    if name != "denoising":  # their noise is not in step
        for ours, theirs in zip(network.trainable_weights, loaded.trainable_weights, strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-6)
    z = loaded.get_layer("encoder").predict(data.x_test, verbose=0)
    np.testing.assert_allclose(
        loaded.get_layer("decoder").predict(z, verbose=0),
        loaded.predict(data.x_test, verbose=0),
        atol=1e-6,
    )


def test_encoder_and_decoder_can_be_saved_alone(tmp_path):
    network, x = build("contractive", "keras"), random_digits(4, 4).x_test
    z = network.get_layer("encoder").predict(x, verbose=0)
    for part, given, made in (("encoder", x, z), ("decoder", z, network.predict(x, verbose=0))):
        network.get_layer(part).save(tmp_path / "part.keras")
        loaded = keras.saving.load_model(tmp_path / "part.keras")
        np.testing.assert_allclose(loaded.predict(given, verbose=0), made, atol=1e-6)


def test_noise_falls_on_digits_in_training_only():
    network, x = build("denoising", "keras"), random_digits(4, 4).x_test
    np.testing.assert_array_equal(network(x), network(x))
    assert not np.array_equal(network(x, training=True), network(x, training=True))
    ours = build("denoising", "low-level")
    noise = (ours.corrupt(tf.zeros([100, 784])) - 0).numpy()
    assert noise.std() == pytest.approx(contractive_ae.NOISE, rel=0.02)
    assert abs(noise.mean()) < 0.01


# Measures


def net(W, b):
    network = Autoencoder()
    network.W.assign(W)
    network.b.assign(b)
    return network


def test_the_norm_and_the_share_of_saturated_units_of_known_codes():
    data = random_digits(4, 20)
    W, b = np.zeros((784, 1000)), np.zeros(1000)
    assert article.jacobian_norm(net(W, b), data, None) == 0
    W[300, 7] = 8  # pixel 300 is black in every one of these digits
    data = data._replace(x_test=np.zeros_like(data.x_test))
    assert article.jacobian_norm(net(W, b), data, None) == pytest.approx(8 / 4)
    assert article.saturated(net(W, b), data, None) == 0
    b[:100], b[100:300] = 2.9, -3  # 0.948 and 0.047
    assert article.saturated(net(W, b), data, None) == pytest.approx(0.2)
    b[:100] = 3  # 0.953
    assert article.saturated(net(W, b), data, None) == pytest.approx(0.3)


def test_singular_values_are_averaged_largest_first():
    W = np.zeros((784, 1000))
    W[[5, 6], [0, 1]] = 4, 8
    x = np.zeros((2, 784), "float32")
    x[1, 6] = 1  # now unit 1 is nearly 1
    slope = codec(net(W, np.zeros(1000))).encode(x)[1, 1]
    slope *= 1 - slope
    values = article.stretches(net(W, np.zeros(1000)), x)
    assert values.shape == (784,)
    right = [(2 + 1) / 2, (1 + 8 * slope) / 2]
    np.testing.assert_allclose(values[:3], [*right, 0], rtol=1e-4, atol=1e-6)


def test_the_shift_is_one_if_noise_moves_rows_as_far_as_the_next():
    rows = np.random.default_rng(0).normal(size=(50, 8))
    assert article.shift(rows, np.roll(rows, 1, axis=0)) == pytest.approx(1)
    assert article.shift(rows, rows) == 0


def test_a_classifier_starts_from_the_encoder_and_all_of_it_is_trained(monkeypatch):
    fit = NoFit()
    monkeypatch.setattr(judges, "fit", fit)
    data = random_digits(300, 100)
    for style in STYLES:
        network = build("plain", style)
        error = article.classifier_error(network, data, None)
        asked = fit.asked[-1]
        assert (asked.steps, asked.num_epochs) == (3, 10)
        for ours, theirs in zip(asked.first_weights[:2], network.weights[:2], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert len(asked.model.trainable_weights) == 4
        h = codec(network).encode(data.x_test)
        labels = (h @ asked.first_weights[2]).argmax(axis=1)
        assert error == pytest.approx(np.mean(labels != data.y_test), abs=0.011)


def test_a_twin_is_trained_once_from_the_same_seed(monkeypatch):
    data, asked = random_digits(40, 10), settings(seed=3)
    article._twin.cache_clear()
    for style in STYLES:
        network = build("contractive", style, seed=3)
        other = article.twin("plain", network, data, asked)
        assert other is article.twin("plain", network, data, dataclasses.replace(asked))
        right = train("plain", style, data, seed=3)
        for ours, theirs in zip(other.weights, right.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        same = article.beside("plain", article.jacobian_norm, right, data, asked)
        assert same == pytest.approx(1)
    assert article._twin.cache_info().misses == 2
