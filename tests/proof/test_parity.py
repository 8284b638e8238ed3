"""The two styles of every lesson are one model, step by step."""

import dataclasses
import importlib

from ae.datasets import Digits
from ae.lesson import Style
from ae.proof import parity
from ae.training.optimizers import RMSpropTF1
from tutorials import __main__ as tutorials
from tutorials import dense_ae, low_level_ae, sigmoid_ae

import keras
import numpy as np
import pytest
from random_data import PROVENANCE, mostly_black
from running import EACH_NETWORK, NETWORKS, WITH_XLA, lesson, smoke_settings

SHAPES = {
    **dict.fromkeys(("conv_denoiser", "fashion_vae", "latent_space"), (28, 28, 1)),
    "document_cleaner": (16, 24, 1),
}


@pytest.fixture(autouse=True)
def _short_epochs(monkeypatch):
    monkeypatch.setattr(dense_ae, "STEPS_PER_EPOCH", 10)


def compare(a_lesson, network="autoencoder", num_steps=10, floatx="float32", **changes):
    """Compares on random images: 40 to train, in batches of eight, and eight to test."""
    module = importlib.import_module(f"tutorials.{a_lesson.name}")
    rng = np.random.default_rng(0)
    data_class = getattr(module, "Data", Digits)
    arrays = {}
    for name in data_class._fields[:-1]:
        n = 40 if "train" in name else 8
        if name.startswith("y") and a_lesson.name != "document_cleaner":
            arrays[name] = rng.integers(0, 10, n)
        else:
            arrays[name] = mostly_black(rng, n, *SHAPES.get(a_lesson.name, (784,)))
    data = data_class(**arrays, provenance=PROVENANCE)
    changes = {"batch_size": 8, "jit_compile": False, **changes}
    settings = dataclasses.replace(a_lesson.presets["smoke"], **changes)
    return parity.compare(a_lesson, network, num_steps, floatx, settings=settings, data=data)


@pytest.mark.parametrize(
    ("name", "network"),
    [n if n[0] == WITH_XLA else pytest.param(*n, marks=pytest.mark.long) for n in NETWORKS],
)
def test_the_styles_agree_in_float32(name, network):
    """XLA compiles the steps of one lesson; the others must agree in float64 below."""
    result = compare(lesson(name), network, jit_compile=name == WITH_XLA)
    assert result.forward_difference <= 1e-5
    assert result.loss_difference <= 1e-4
    assert result.agrees
    assert len(result.losses) >= 10
    assert len(set(result.losses)) > 1


@EACH_NETWORK
@pytest.mark.parametrize(
    "variant", ["published", pytest.param("corrected", marks=pytest.mark.long)]
)
def test_the_styles_agree_in_float64(name, network, variant):
    result = compare(lesson(name), network, 10, "float64", variant=variant)
    assert result.losses.dtype == np.float64
    assert result.loss_difference <= 1e-9
    assert result.weight_difference <= 1e-9
    assert result.agrees
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


def with_keras_style(a_lesson, **changes):
    style = a_lesson.networks["autoencoder"]["keras"]._replace(**changes)
    styles = {**a_lesson.networks["autoencoder"], "keras": style}
    return dataclasses.replace(a_lesson, networks={"autoencoder": styles})


def test_another_optimizer_is_found_out(monkeypatch):
    def train(network, data, settings, run):
        with monkeypatch.context() as patch:
            patch.setattr(sigmoid_ae, "RMSpropTF1", keras.optimizers.RMSprop)
            sigmoid_ae.train_keras(network, data, settings, run)

    result = compare(with_keras_style(lesson("sigmoid_ae"), train=train))
    assert result.loss_difference > 1e-2
    assert not result.agrees


def test_another_start_of_the_mean_square_is_found_out(monkeypatch):
    class FromZero(RMSpropTF1):
        def add_variable_from_reference(self, *args, **kwargs):
            return keras.optimizers.RMSprop.add_variable_from_reference(self, *args, **kwargs)

    def train(network, data, settings, run):
        with monkeypatch.context() as patch:
            patch.setattr(sigmoid_ae, "RMSpropTF1", FromZero)
            sigmoid_ae.train_keras(network, data, settings, run)

    assert not compare(with_keras_style(lesson("sigmoid_ae"), train=train)).agrees


def test_a_weight_that_differs_a_little_is_found_out(monkeypatch):
    copy = parity.to_keras

    def copy_but_one(network, keras_network):
        copy(network, keras_network)
        kernel = keras_network.trainable_weights[0]
        kernel.assign(kernel * 1.001)

    monkeypatch.setattr(parity, "to_keras", copy_but_one)
    result = compare(lesson("sigmoid_ae"))
    assert result.forward_difference > 1e-5
    assert not result.agrees


def test_a_training_that_stops_early_is_found_out():
    def train(network, data, settings, run):
        settings = dataclasses.replace(settings, num_epochs=1)
        sigmoid_ae.train_keras(network, data, settings, run)

    result = compare(with_keras_style(lesson("sigmoid_ae"), train=train))
    assert result.loss_difference == np.inf
    assert not result.agrees


def test_other_noise_is_found_out(monkeypatch):
    class OtherNoise(parity.SharedNoise):
        def __init__(self, layer):
            super().__init__(layer)
            self.seed.state.assign([1, 2])

    monkeypatch.setattr(parity, "SharedNoise", OtherNoise)
    assert compare(lesson("fashion_vae")).loss_difference > 1e-4


def test_a_saturated_pixel_of_the_vae_costs_the_same_in_both_styles():
    def with_certain_pixels(build):
        def built(settings):
            network = build(settings)
            weights = getattr(network, "trainable_weights", None) or network.weights
            weights[-1].assign([40.0])  # logits far beyond the clip
            return network

        return built

    a_lesson = lesson("fashion_vae")
    styles = {
        name: Style(with_certain_pixels(style.build), style.train)
        for name, style in a_lesson.networks["autoencoder"].items()
    }
    a_lesson = dataclasses.replace(a_lesson, networks={"autoencoder": styles})
    result = compare(a_lesson, floatx="float64")
    assert 10 < result.losses[0] < -np.log(1e-7)
    assert result.agrees


def test_weights_travel_there_and_back():
    settings = smoke_settings("sigmoid_ae")
    styles = lesson("sigmoid_ae").networks["autoencoder"]
    source, target = (styles["low-level"].build(settings) for _ in range(2))
    layered = styles["keras"].build(settings)
    parity.to_keras(source, layered)
    parity.from_keras(layered, target)
    for w, copied in zip(source.weights, target.weights, strict=True):
        np.testing.assert_array_equal(w.numpy(), copied.numpy())


def test_weights_of_another_network_are_refused():
    network = sigmoid_ae.Autoencoder()
    with pytest.raises(ValueError, match="Cannot copy 8 weights into 4"):
        parity.to_keras(network, low_level_ae.build_class())
    layered = sigmoid_ae.build_keras()
    network.weights.reverse()
    with pytest.raises(ValueError, match=r"Cannot copy weight 0: its shape \(784, 256\) is not"):
        parity.from_keras(layered, network)


def parity_of(losses, other_losses, floatx="float32"):
    losses, other_losses = np.array(losses), np.array(other_losses)
    difference = float(np.max(abs(losses - other_losses) / losses))
    return parity.Parity(
        *("sigmoid_ae", "autoencoder", parity.KERAS, floatx, losses, other_losses),
        *(difference, 0.0, 0.0),
    )


@pytest.mark.parametrize(("in_float64", "code"), [([2.0, 1.0], 0), ([2.0, 1.1], 1)])
def test_the_command_lets_float64_decide(monkeypatch, tmp_path, capsys, in_float64, code):
    def compared(lesson, network, num_steps, floatx="float32", against=parity.KERAS):
        losses = in_float64 if floatx == "float64" else [2.0, 1.01]
        return parity_of([2.0, 1.0], losses, floatx)

    monkeypatch.setattr(parity, "compare", compared)
    out = tmp_path / "parity"
    assert tutorials.main(["parity", "sigmoid_ae", "--steps", "2", "--out", str(out)]) == code
    printed = capsys.readouterr().out
    assert "sigmoid_ae" in printed
    assert "1.0e-02" in printed
    float32, float64 = (line.split()[-1] for line in printed.splitlines()[1:3])
    assert (float32, float64) == ("missed", "missed" if code else "agrees")
    assert (out / "sigmoid_ae.png").stat().st_size > 1000


@pytest.mark.parametrize("arguments", [["nonsense_ae"], ["--steps", "0"], ["--steps", "x"]])
def test_the_command_refuses_what_it_cannot_do(capsys, arguments):
    assert tutorials.main(["parity", *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_refuses_a_folder_that_is_a_file(tmp_path, capsys):
    path = tmp_path / "file"
    path.write_text("")
    assert tutorials.main(["parity", "sigmoid_ae", "--out", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_targets_are_those_that_rounding_explains():
    assert parity.TARGETS == {
        (parity.KERAS, "float32"): 1e-4,
        (parity.KERAS, "float64"): 1e-9,
        (parity.GRAPH, "float32"): 1e-5,
        (parity.GRAPH, "float64"): 1e-9,
    }
    assert (parity.ADAM_TARGET, parity.FORWARD_TARGET) == (5e-5, 1e-5)


def test_one_step_that_differs_is_enough():
    """The last of twenty steps is taken with other weights; the mean over all would pass."""

    def train(network, data, settings, run):
        def spoil(epoch, logs):
            if epoch == settings.num_epochs - 2:
                for weight in network.trainable_weights:
                    weight.assign(1.003 * weight)

        spoiler = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
        callbacks = run.callbacks
        run.callbacks = lambda *arguments: [*callbacks(*arguments), spoiler]
        sigmoid_ae.train_keras(network, data, settings, run)

    a_lesson = with_keras_style(lesson("sigmoid_ae"), train=train)
    result = compare(a_lesson, num_steps=20, batch_size=40)
    differences = abs(result.losses - result.other_losses) / result.losses
    assert max(differences[:-1]) < 1e-4 < differences[-1] == result.loss_difference
    assert differences.mean() < 1e-4
    assert not result.agrees
