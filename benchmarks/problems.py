"""What is timed: each lesson's network on examples of its shape, with the article's batches."""

import dataclasses
import importlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from ae.lesson import ONLY_NETWORK, Lesson, Settings
from ae.lessons import load
from ae.networks import layers_of
from ae.training.minibatches import NextBatch, Shuffled

import keras
import numpy as np

BRIGHT = 0.2  # share of the pixels that are not black, as in MNIST
FOREVER = 10**6  # epochs; a peer trains until its process is ended
SILENT = -30  # exp(SILENT) times any noise is lost when added to a float32 of ordinary size


class Problem(NamedTuple):
    """One network to train, the same for every peer.

    Attributes:
        name: the lesson's name, and the network's if the lesson has several.
        lesson: the lesson.
        network: the network's name in it.
        settings: the article's, except the number of examples.
        data: what the lesson's `load` would return.
        order: the batches; `order.epoch(n)` lists those of epoch n.
        inputs: (n, ...) what the network is given.
        targets: (n, ...) what it should return.
        weights: the initial kernels and biases, in the order of Keras.
        megaflops: of one training example, in millions.
    """

    name: str
    lesson: Lesson
    network: str
    settings: Settings
    data: Any
    order: NextBatch | Shuffled
    inputs: np.ndarray
    targets: np.ndarray
    weights: Sequence[np.ndarray]
    megaflops: float


class Shape(NamedTuple):
    """How much of a lesson is timed.

    Attributes:
        lesson: the lesson's name.
        network: the network's name in it.
        steps: batches that count as one epoch here.
        fields: names of inputs, targets and validation data in the lesson's data.
        order: the name of the lesson's function that makes the batches.
        batch_size: the network's own, where it is not the lesson's.
    """

    lesson: str
    network: str
    steps: int
    fields: tuple[str, ...]
    order: str = "minibatches"
    batch_size: int | None = None


SHAPES = {
    "dense_ae": Shape("dense_ae", ONLY_NETWORK, 100, ("x_train",)),
    "sigmoid_ae": Shape("sigmoid_ae", ONLY_NETWORK, 400, ("x_train",)),
    "low_level_ae_class": Shape("low_level_ae", "class", 2000, ("x_train",), "permuted"),
    "low_level_ae_layers": Shape("low_level_ae", "layers", 2000, ("x_train",), "shuffled", 32),
    "conv_denoiser": Shape(
        "conv_denoiser", ONLY_NETWORK, 4, ("x_train_noisy", "x_train", "x_val_noisy", "x_val")
    ),
    "document_cleaner": Shape(
        "document_cleaner", ONLY_NETWORK, 4, ("x_train", "y_train", "x_val", "y_val")
    ),
    "fashion_vae": Shape("fashion_vae", ONLY_NETWORK, 400, ("x_train", "x_val")),
}
SIDES = {
    "conv_denoiser": (28, 28, 1),
    "document_cleaner": (258, 540, 1),
    "fashion_vae": (28, 28, 1),
}


def make(name: str, batch_size: int | None = None, examples: int | None = None) -> Problem:
    """Makes a problem; the same arguments give the same numbers in every process.

    Args:
        name: one of `SHAPES`.
        batch_size: in place of the lesson's, for a network that has no own.
        examples: in place of as many as an epoch takes.
    """
    shape = SHAPES[name]
    module = importlib.import_module(f"tutorials.{shape.lesson}")
    lesson = load(shape.lesson)
    settings = dataclasses.replace(lesson.presets["article"], seed=0)
    if batch_size is not None:
        settings = dataclasses.replace(settings, batch_size=batch_size)
    number = examples or shape.steps * (shape.batch_size or settings.batch_size)
    rng = np.random.default_rng(0)
    images = rng.random((number, *SIDES.get(name, (784,))), "float32")
    images *= rng.random(images.shape, "float32") < BRIGHT
    inputs = targets = images
    if len(shape.fields) == 4:
        inputs = np.where(rng.random(images.shape, "float32") < 0.1, np.float32(1), images)
    arrays = {}
    for field in shape.fields:
        source = inputs if "noisy" in field or field in ("x_train", "x_val") else targets
        if shape.lesson == "conv_denoiser" and "noisy" not in field:
            source = targets
        arrays[field] = source[:1] if "val" in field else source
    data = SimpleNamespace(**arrays)
    keras.utils.set_random_seed(0)
    model = lesson.networks[shape.network]["keras"].build(settings)
    if shape.lesson == "fashion_vae":
        _silence(model.get_layer("encoder").get_layer("z_log_sigma"))
    return Problem(
        *(
            name,
            lesson,
            shape.network,
            settings,
            data,
            getattr(module, shape.order)(data, settings),
        ),
        *(inputs, targets),
        [weight.numpy() for weight in model.trainable_weights],
        megaflops(model, inputs.shape[1:]),
    )


def _silence(log_variance: keras.Layer) -> None:
    """Lets a variational network begin with so little noise that peers can be compared.

    Each framework draws other noise, and this one still draws and adds it in every step.
    """
    kernel, bias = log_variance.weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(np.full(bias.shape, SILENT))


def megaflops(model: keras.Model, shape: tuple[int, ...]) -> float:
    """Counts the multiplications and additions of a training step for one example, in millions.

    Those of dense and convolutional layers: forward, and twice as many backward, for the gradients
    of inputs and of weights; the first layer needs none of its input. Up-sampling counts as if the
    copies were made, even if a peer does less.
    """
    counts = []
    parts = [layer for layer in model.layers if isinstance(layer, keras.Model)] or [model]
    for part in parts:
        fixed = keras.models.clone_model(part, input_tensors=keras.Input(shape))
        for layer in layers_of(fixed):
            if not layer.weights or not isinstance(
                layer, keras.layers.Dense | keras.layers.Conv2D | keras.layers.Conv2DTranspose
            ):
                continue
            kernel = layer.weights[0].shape
            transposed = isinstance(layer, keras.layers.Conv2DTranspose)
            places = (layer.input if transposed else layer.output).shape[1:-1]
            counts.append(2 * np.prod(kernel) * np.prod(places))
        output = fixed.outputs[0].shape[1:]
        shape = tuple(output)
    return float(3 * np.sum(counts) - counts[0]) / 1e6
