"""The two styles of a lesson are one model: equal weights and batches give equal losses."""

import dataclasses
import importlib

from ae.datasets import Digits, Provenance
from ae.networks import codec, reconstruct
from ae.training import Run
from tutorials import dense_ae

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

NETWORKS = [
    ("dense_ae", "autoencoder"),
    ("sigmoid_ae", "autoencoder"),
    ("low_level_ae", "class"),
    ("low_level_ae", "layers"),
    ("conv_denoiser", "autoencoder"),
    ("document_cleaner", "autoencoder"),
    ("fashion_vae", "autoencoder"),
]
SAME_TRAINING = ("conv_denoiser", "document_cleaner")  # their errata concern the data alone
EACH = pytest.mark.parametrize(("name", "network"), NETWORKS)
VARIANTS = pytest.mark.parametrize("variant", ["published", "corrected"])


def random_data(name):
    """The lesson's own kind of data, drawn at random, and settings for ten steps on them."""
    module = importlib.import_module(f"tutorials.{name}")
    rng = np.random.default_rng(0)

    def images(n, *shape):
        mostly_black = rng.random((n, *shape)) ** 3
        return mostly_black.astype("float32")

    labels = rng.integers(0, 10, 48).astype("uint8")
    provenance = Provenance("random numbers", "")
    if name in ("dense_ae", "sigmoid_ae", "low_level_ae"):
        data = Digits(images(48, 784), labels, images(8, 784), labels[:8], provenance)
    elif name == "conv_denoiser":
        sizes = (40, 40, 12, 12, 8, 8, 5, 5)  # five batches of eight
        data = module.Data(*(images(n, 28, 28, 1) for n in sizes), provenance)
    elif name == "document_cleaner":
        sizes = (10, 10, 3, 3, 2)
        pages = (images(n, 16, 24, 1) for n in sizes)
        data = module.Data(*pages, ("coffee", "folded", "folded"), provenance)
    else:
        data = module.Data(
            *(images(40, 28, 28, 1), labels[:40], images(12, 28, 28, 1)),
            *(images(8, 28, 28, 1), labels[:8], provenance),
        )
    settings = dataclasses.replace(
        module.PRESETS["article"],
        num_epochs=2,
        batch_size=3 if name == "document_cleaner" else 8,  # pages leave a short last batch
        jit_compile=False,
    )
    if name == "fashion_vae":  # its first steps explode and with them every difference of rounding
        settings = dataclasses.replace(settings, learning_rate=1e-5)
    return data, settings


def build_both(name, network, settings):
    """Builds the network in both styles, with the low-level style's weights in both."""
    styles = importlib.import_module(f"tutorials.{name}").LESSON.networks[network]
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
    np.testing.assert_allclose(reconstruct(layered, x), ours.reconstruct(x), atol=1e-5)


@VARIANTS
@EACH
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
    if name == "low_level_ae":
        settings = dataclasses.replace(
            settings, layers_batch_size=10
        )  # 48 digits leave a rest of 8
    low_level, layered = build_both(name, network, settings)
    if name == "fashion_vae":
        low_level.noise = HalfASigma()
        monkeypatch.setattr(
            keras.random, "normal", lambda shape, dtype, seed: ops.full(shape, 0.5, dtype)
        )
    before = [w.numpy() for w in low_level.weights]
    styles = importlib.import_module(f"tutorials.{name}").LESSON.networks[network]
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
