"""The lessons compute what TensorFlow 1's graphs, sessions and optimizers computed."""

from ae.datasets import Digits, Provenance
from ae.proof import graph_mode, parity
from tutorials import sigmoid_ae

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import lesson, smoke_settings

NETWORKS = pytest.mark.parametrize(("name", "network"), graph_mode.NETWORKS)


def compare(name, network, floatx):
    """Takes 100 steps in batches of eight; 800 random digits are too many to learn by heart."""
    rng = np.random.default_rng(0)
    arrays = {
        field: rng.integers(0, 10, 800) if field[0] == "y" else rng.random((800, 784)) ** 3
        for field in Digits._fields[:-1]
    }
    data = Digits(**arrays, provenance=Provenance("random numbers", ""))
    settings = smoke_settings(name, batch_size=8, jit_compile=False)
    return parity.compare(
        lesson(name), network, 100, floatx, parity.GRAPH, settings=settings, data=data
    )


class ExactAdam(keras.optimizers.Adam):
    """Adam whose betas Keras does not round to float32 when it raises them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.beta_1 = tf.constant(self.beta_1, "float64")
        self.beta_2 = tf.constant(self.beta_2, "float64")


@NETWORKS
def test_graph_mode_agrees_in_float32(name, network):
    result = compare(name, network, "float32")
    assert len(result.losses) >= 100
    assert result.loss_difference <= (5e-5 if network == "layers" else 1e-5)
    assert result.agrees


@NETWORKS
def test_graph_mode_agrees_in_float64(monkeypatch, name, network):
    monkeypatch.setattr(keras.optimizers, "Adam", ExactAdam)
    result = compare(name, network, "float64")
    assert result.loss_difference <= 1e-9
    assert result.weight_difference <= 1e-9


def test_keras_s_own_rmsprop_is_found_out(monkeypatch):
    monkeypatch.setattr(sigmoid_ae, "RMSpropTF1", keras.optimizers.RMSprop)
    result = compare("sigmoid_ae", "autoencoder", "float32")
    assert result.loss_difference > 1e-2
    assert not result.agrees


def test_other_initial_weights_are_found_out(monkeypatch):
    losses = graph_mode.losses
    monkeypatch.setattr(
        graph_mode, "losses", lambda a, b, w, x: losses(a, b, [1.001 * v for v in w], x)
    )
    assert not compare("low_level_ae", "class", "float32").agrees
