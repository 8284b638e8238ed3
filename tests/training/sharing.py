"""Trains every network of every lesson on random images: alone, or as a process that shares steps.

As a script it takes "mirrored", or "multi-worker" with TF_CONFIG set, then "quick" or "rest", and
the styles to train. It writes what `train` yields, a line of JSON each.
"""

import contextlib
import dataclasses
import json
import sys
from unittest import mock

import tutorials.dense_ae
from ae.backend import keras, tf
from ae.lessons import load_all
from ae.networks import weights_sha256
from ae.proof.stepwise import computing_in, in_float64
from ae.training import peers, strategies
from ae.training.run import Run

from stand_ins import AnyData

IMAGES = {"conv_denoiser": (28, 28, 1), "fashion_vae": (28, 28, 1), "latent_space": (28, 28, 1)}
SHAPES = IMAGES | {"document_cleaner": (12, 16, 1)}
QUICK = {  # a mean, a sum, validation, a loss of the whole minibatch, a penalty, noise
    "sigmoid_ae autoencoder",
    "low_level_ae class",
    "document_cleaner autoencoder",
    "sparse_ae kl",
    "contractive_ae contractive",
    "contractive_ae denoising",
}
FEW = mock.patch.object(tutorials.dense_ae, "STEPS_PER_EPOCH", 3)  # of 100


class Wide(AnyData):
    """Random images in float64."""

    def __getattr__(self, field):
        setattr(self, field, super().__getattr__(field).astype("float64"))
        return getattr(self, field)


def train(which, style, replicas=None):
    """Yields for each network its style, its name, its history and a digest of its weights.

    `which` is "quick", or "rest" for those that are not.
    """
    for lesson in load_all():
        for network_name, styles in lesson.networks.items():
            name = f"{lesson.name} {network_name}"
            if (name in QUICK) != (which == "quick"):
                continue
            # Minibatches of 8, in one network of 32, leave 5 of 37 images: unequal shares.
            chosen = {"num_epochs": 2, "batch_size": 8, "steps_per_call": 2}
            settings = dataclasses.replace(lesson.presets["smoke"], **chosen)
            settings = strategies.adapted(settings, style)
            data = Wide(SHAPES.get(lesson.name, (784,)), 37)
            run = Run(name, 2, settings.steps_per_call, replicas=replicas)
            run.summed = network_name in lesson.summed
            keras.utils.set_random_seed(0)
            making = replicas.making_variables() if replicas else contextlib.nullcontext()
            # In float64: some networks magnify what float32 rounds, and a mistake does not shrink.
            with FEW, computing_in("float64"), making:
                network = styles[style].build(settings)
                if style == "low-level":
                    in_float64(network)
                styles[style].train(network, data, settings, run)
            history = [{n: v for n, v in logs.items() if n != "seconds"} for logs in run.history]
            yield style, name, history, weights_sha256(network)
            keras.backend.clear_session()


if __name__ == "__main__":
    kind, which, *styles = sys.argv[1:]
    if kind == "mirrored":
        (processor,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(processor, two)
        replicas = strategies.mirrored()
    else:
        replicas = strategies.multi_worker(peers.read_cluster())
    for style in styles:
        for trained in train(which, style, replicas):
            print(json.dumps(trained), flush=True)
