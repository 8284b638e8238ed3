"""The two styles of a lesson are one model: equal weights and batches give equal losses."""

import dataclasses

from ae.networks import codec
from ae.training.run import Run
from tutorials import dense_ae

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from random_data import random_data
from running import EACH_NETWORK, NETWORKS, lesson

SAME_TRAINING = ("conv_denoiser", "document_cleaner")  # their errata concern the data alone
VARIANTS = pytest.mark.parametrize("variant", ["published", "corrected"])


def build_both(name, network, settings):
    """Builds the network in both styles, with the low-level style's weights in both."""
    styles = lesson(name).networks[network]
    keras.utils.set_random_seed(0)
    low_level, layered = styles["low-level"].build(settings), styles["keras"].build(settings)
    shapes = [tuple(w.shape) for w in layered.trainable_variables]
    assert shapes == [tuple(w.shape) for w in low_level.weights]
    copy_weights(low_level, layered)
    return low_level, layered


def copy_weights(low_level, layered):
    for variable, w in zip(layered.trainable_variables, low_level.weights, strict=True):
        variable.assign(w)


def settings_of(name, **changes):
    return dataclasses.replace(random_data(name)[1], **changes)


def assert_same_functions(name, network, settings):
    low_level, layered = build_both(name, network, settings)
    for w in low_level.weights:
        if len(w.shape) == 1 and not w.numpy().any():
            w.assign(np.random.default_rng(1).normal(size=w.shape))  # zeros hide their order
    copy_weights(low_level, layered)
    x = random_data(name)[0].x_test
    ours, theirs = codec(low_level), codec(layered)
    codes = [tf.nest.flatten(c.encode(x)) for c in (ours, theirs)]
    for z, z_of_layers in zip(*codes, strict=True):
        np.testing.assert_allclose(z_of_layers, z, rtol=1e-5, atol=1e-5 * abs(z).max())
    np.testing.assert_allclose(theirs.decode(codes[0][0]), ours.decode(codes[0][0]), atol=1e-5)
    np.testing.assert_allclose(theirs.reconstruct(x), ours.reconstruct(x), atol=1e-5)
    if name != "fashion_vae":  # that model samples its codes
        np.testing.assert_allclose(layered(x), ours.reconstruct(x), atol=1e-5)


@VARIANTS
@EACH_NETWORK
def test_equal_weights_compute_the_same(name, network, variant):
    assert_same_functions(name, network, settings_of(name, variant=variant))


def test_equal_weights_compute_the_same_with_a_linear_output():
    assert_same_functions(
        "conv_denoiser", "autoencoder", settings_of("conv_denoiser", output="linear")
    )


class HalfASigma:
    """Stands for the source of noise: every draw is one half."""

    def normal(self, shape, dtype):
        return tf.fill(shape, tf.constant(0.5, dtype))


@pytest.mark.parametrize(
    ("name", "network", "variant"),
    [(*key, "published") for key in NETWORKS]
    + [(*key, "corrected") for key in NETWORKS if key[0] not in SAME_TRAINING],
)
def test_equal_batches_give_equal_losses(monkeypatch, name, network, variant):
    monkeypatch.setattr(dense_ae, "STEPS_PER_EPOCH", 5)
    data, settings = random_data(name)
    settings = dataclasses.replace(settings, variant=variant)
    low_level, layered = build_both(name, network, settings)
    if name == "fashion_vae":
        low_level.noise = HalfASigma()
        monkeypatch.setattr(
            keras.random, "normal", lambda shape, dtype, seed: ops.full(shape, 0.5, dtype)
        )
    before = [w.numpy() for w in low_level.weights]
    styles = lesson(name).networks[network]
    histories = {}
    for style, model in (("low-level", low_level), ("keras", layered)):
        run = Run(f"{name} {style}", settings.num_epochs)
        styles[style].train(model, data, settings, run)
        histories[style] = run.history

    assert all(np.any(w.numpy() != old) for w, old in zip(low_level.weights, before, strict=True))
    assert len(histories["low-level"]) == len(histories["keras"]) == 2
    for ours, theirs in zip(histories["low-level"], histories["keras"], strict=True):
        shared = (set(ours) & set(theirs)) - {"seconds"}
        assert {"loss"} <= shared
        assert ("val_loss" in shared) == hasattr(data, "x_val")
        for entry in shared:
            assert theirs[entry] == pytest.approx(ours[entry], rel=1e-4), entry
