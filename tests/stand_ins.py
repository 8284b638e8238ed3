"""What stands for trained networks and for the report of a run."""

from ae import figures
from tutorials import fashion_vae

import numpy as np
import tensorflow as tf
from running import lesson, smoke_settings


class Net:
    """A network whose parts are these functions; each gives back what it is given."""

    def __init__(self, encode=tf.identity, decode=tf.identity):
        self.encode, self.decode = encode, decode


class CodeInPixels:
    """A VAE whose decoded image holds the code: 100 z_1 + z_2 in every pixel."""

    def encode(self, x):
        return tf.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], axis=1), tf.zeros([tf.shape(x)[0], 2])

    def decode(self, z):
        return (100 * z[:, 0] + z[:, 1])[:, None, None, None] * tf.ones([1, 28, 28, 1])


class Sink:
    """A report that draws nothing."""

    def __init__(self):
        self.figures = []

    def figure(self, name, figure, shows=""):
        self.figures.append(name)


def draw_code_in_pixels(monkeypatch, **changes):
    """Lets the lesson and its article draw that VAE's codes; returns what reached the figures."""
    seen = {}
    for kind in ("manifold", "scatter", "strip"):
        monkeypatch.setattr(
            figures, kind, lambda *a, kind=kind, **k: seen.setdefault(kind, []).append(a)
        )
    grey = np.linspace(0, 1, 40, dtype="float32")[:, None, None, None]
    x = grey * np.ones((1, 28, 28, 1), "float32")
    data = fashion_vae.Data(x, np.arange(40) % 10, x[:5], x[:12], np.arange(12) % 10, None)
    sink = Sink()
    settings = smoke_settings("fashion_vae", **changes)
    lesson("fashion_vae").draw(CodeInPixels(), data, settings, sink)
    return seen, sink.figures, data
