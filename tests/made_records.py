"""A record, and networks to save beside one, as a run leaves them; nothing was trained."""

import dataclasses

from ae.lesson import ONLY_NETWORK

import keras
import numpy as np
import tensorflow as tf


def a_record(lesson, seed, losses, **changes):
    settings = dataclasses.asdict(dataclasses.replace(lesson.presets["article"], seed=seed))
    return {
        "lesson": lesson.name,
        "preset": "article",
        "style": "keras",
        "tensorboard": False,
        "printed_loss": lesson.printed_loss,
        "settings": {**settings, **changes},
        "versions": {},
        "device": "a machine",
        "started": "2000-01-01T00:00:00+00:00",
        "source": None,
        "data": {"source": "/a/local/path", "sha256": "0", "notice": ""},
        "trainings": [
            {
                "network": ONLY_NETWORK,
                "style": "keras",
                "seconds": 1.0,
                "parameters": 1,
                "claims": [],
                "published": None,
                "saved": "networks/keras.keras",
                "history": [{"loss": loss, "seconds": 0.1} for loss in losses],
            }
        ],
    }


class Module(tf.Module):
    def __init__(self, width=50, seed=0):
        super().__init__()
        values = np.random.default_rng(seed).normal(size=(3, width)).astype("float32")
        self.kernel = tf.Variable(values)
        self.layers = [(tf.Variable(values[0]), tf.Variable(2.0))]


class DeeperModule(Module):
    def __init__(self):
        super().__init__()
        self.layers.append(tf.Variable(1.0))


def model(width=50, seed=0):
    keras.utils.set_random_seed(seed)
    x = keras.Input([3])
    encoder = keras.Model(x, keras.layers.Dense(width)(x), name="encoder")
    return keras.Model(x, keras.layers.Dense(2)(encoder(x)))


def deeper_model():
    x = keras.Input([3])
    return keras.Model(x, keras.layers.Dense(2)(model()(x)))


NETWORKS = {"module": (Module, DeeperModule), "model": (model, deeper_model)}
