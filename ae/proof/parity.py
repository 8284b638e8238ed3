"""Whether two ways of training a network are one: equal weights and batches, equal losses?

A lesson's low-level style is run against its Keras style, and where `ae.proof.graph_mode` has the
article's own code path, against that. What runs are the lesson's own `train` functions.
"""

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.lesson import ONLY_NETWORK, STYLES, Lesson, Settings, with_network
from ae.networks import reconstruct
from ae.paths import make_folder
from ae.proof import graph_mode
from ae.proof.stepwise import SharedNoise, StepRun, cast, computing_in, in_float64
from ae.training import interrupts

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot

KERAS, GRAPH = "keras", "TF1 graph"
FLOAT32, FLOAT64 = "float32", "float64"
# Largest relative difference of a loss. Float32 keeps 7 digits and float64 keeps 16; the rest is
# how much training magnifies another order of additions. Where float32 misses, float64 decides.
TARGETS = {
    (KERAS, FLOAT32): 1e-4,
    (KERAS, FLOAT64): 1e-9,
    (GRAPH, FLOAT32): 1e-5,
    (GRAPH, FLOAT64): 1e-9,
}
# Float32 keeps five digits of the factor sqrt(1 - 0.999^t) in Adam's step. TensorFlow 1
# multiplies the power up and Keras raises it; in float64, Keras rounds 0.999 to float32 first.
ADAM_TARGET = 5e-5
FORWARD_TARGET = 1e-5  # largest absolute difference of a reconstruction whose pixels are in [0, 1]
FORWARD_EXAMPLES = 16


class Parity(NamedTuple):
    """How a network's low-level style and another training of it compare.

    Attributes:
        against: what the low-level style is compared with, `KERAS` or `GRAPH`.
        floatx: the numbers computed with.
        losses: (steps,) the loss of each minibatch in the low-level style.
        other_losses: (steps,) the same of the other.
        loss_difference: the largest |a - b| / |a| of the losses.
        weight_difference: the largest ||a - b|| / ||a|| of a weight tensor after the last step.
        forward_difference: the largest |a - b| of a reconstructed pixel before the first step;
            None where only losses were computed.
    """

    lesson: str
    network: str
    against: str
    floatx: str
    losses: np.ndarray
    other_losses: np.ndarray
    loss_difference: float
    weight_difference: float
    forward_difference: float | None

    @property
    def label(self) -> str:
        """The lesson's name, and the network's where the lesson has several."""
        return with_network(self.lesson, self.network)

    @property
    def agrees(self) -> bool:
        """Whether losses and forward pass are as close as the targets ask."""
        forward = self.forward_difference is None or self.forward_difference <= FORWARD_TARGET
        return forward and self.loss_difference <= self.target

    @property
    def target(self) -> float:
        """The largest relative difference of a loss that rounding explains."""
        if self.against == GRAPH and graph_mode.uses_adam(self.lesson, self.network):
            return ADAM_TARGET
        return TARGETS[self.against, self.floatx]


def to_keras(network: tf.Module, keras_network: keras.Model) -> None:
    """Copies the weights of the low-level style into the Keras style.

    Args:
        network: a network whose `weights` are in the order of Keras.
        keras_network: the same network in the Keras style.

    Raises:
        ValueError: if number or shapes of the weights differ.
    """
    _copy(network.weights, keras_network.trainable_weights)


def from_keras(keras_network: keras.Model, network: tf.Module) -> None:
    """Copies the weights of the Keras style into the low-level style.

    Args:
        keras_network: a network in the Keras style.
        network: the same network in the low-level style.

    Raises:
        ValueError: if number or shapes of the weights differ.
    """
    _copy(keras_network.trainable_weights, network.weights)


def compare(
    lesson: Lesson,
    network_name: str = ONLY_NETWORK,
    num_steps: int = 50,
    floatx: str = FLOAT32,
    against: str = KERAS,
    settings: Settings | None = None,
    data: Any = None,
) -> Parity:
    """Trains a network's low-level style and another from equal weights, on equal batches.

    Args:
        num_steps: steps to take at least; whole epochs are taken.
        floatx: "float32" or "float64".
        against: `KERAS`, or `GRAPH` for a network of `graph_mode.NETWORKS` with the article's
            settings.
        settings: settings of the lesson; None takes its smoke preset. The number of epochs
            follows from the steps.
        data: what the lesson's `load` returns; None calls it.

    Returns:
        The losses and how much they, the weights and the forward pass differ.
    """
    settings = dataclasses.replace(settings or lesson.presets["smoke"], steps_per_call=1)
    data = cast(lesson.load(settings, None) if data is None else data, floatx)
    styles = lesson.networks[network_name]
    with computing_in(floatx), interrupts.postponed():
        keras.utils.set_random_seed(settings.seed)
        ours, theirs = (styles[style].build(settings) for style in STYLES)
        if floatx == FLOAT64:
            in_float64(ours)
        to_keras(ours, theirs)
        initial = [w.numpy() for w in ours.weights]
        if hasattr(ours, "noise"):
            (sampling,) = [x for x in theirs.layers if hasattr(x, "seed_generator")]
            ours.noise = SharedNoise(sampling)
        x = data.x_test[:FORWARD_EXAMPLES]
        forward = float(np.abs(reconstruct(ours, x) - reconstruct(theirs, x)).max())
        run = StepRun(f"{lesson.name} low-level", num_steps)
        styles["low-level"].train(ours, data, settings, run)
        weights = [w.numpy() for w in ours.weights]
        if against == GRAPH:
            forward = None
            other_losses, other_weights = graph_mode.losses(
                lesson.name, network_name, initial, [data.x_train[rows] for rows in run.batches]
            )
        else:
            other = StepRun(f"{lesson.name} keras", num_steps)
            settings = dataclasses.replace(settings, num_epochs=run.num_epochs)
            styles["keras"].train(theirs, data, settings, other)
            other_losses = other.step_losses
            other_weights = [w.numpy() for w in theirs.trainable_weights]
    losses, other_losses = np.array(run.step_losses), np.array(other_losses)
    return Parity(
        *(lesson.name, network_name, against, floatx, losses, other_losses),
        loss_difference=_largest_relative(losses, other_losses),
        weight_difference=max(map(_relative, weights, other_weights)),
        forward_difference=forward,
    )


def settle(lesson: Lesson, network_name: str, num_steps: int, against: str) -> list[Parity]:
    """Compares in float32, and where that misses its target in float64, which decides.

    Args:
        num_steps: steps to take at least.
        against: `KERAS` or `GRAPH`.

    Returns:
        One comparison or two; the last is the verdict.
    """
    parities = [compare(lesson, network_name, num_steps, FLOAT32, against)]
    if not parities[0].agrees:
        parities.append(compare(lesson, network_name, num_steps, FLOAT64, against))
    return parities


def main(lessons: Sequence[Lesson], options: argparse.Namespace) -> int:
    """Compares the lessons' networks, prints the table and draws the losses over each other.

    Args:
        options: `steps`, and `out`, the folder for the figures.

    Returns:
        The exit code: 1 if a difference is larger than rounding explains.

    Raises:
        InputError: if the folder cannot be used.
    """
    pyplot.switch_backend("Agg")
    make_folder(options.out, f"--out {options.out}")
    agree = True
    print(_LINE.format("lesson", "against", "type", "steps", "loss by", "allowed", "weights by"))
    for lesson in lessons:
        for network in lesson.networks:
            ways = [KERAS, GRAPH] if (lesson.name, network) in graph_mode.NETWORKS else [KERAS]
            settled = []
            for way in ways:
                settled.append(settle(lesson, network, options.steps, way))
                for parity in settled[-1]:
                    _print_row(parity)
                agree = agree and settled[-1][-1].agrees
            _draw([parities[0] for parities in settled], options.out)
    print("\nLargest relative differences, over whole epochs; Keras adds up its loss in another")
    print("order. Float64 decides where float32 misses what is allowed: rounding that training")
    print("magnifies shrinks with the precision, a mistake does not.")
    print(f"Figures: {options.out}")
    return 0 if agree else 1


_LINE = "{:24}{:11}{:9}{:>5}  {:>9}  {:>7}  {:>10}"


def _print_row(parity: Parity) -> None:
    numbers = (parity.loss_difference, parity.target, parity.weight_difference)
    cells = (parity.label, parity.against, parity.floatx, len(parity.losses))
    line = _LINE.format(*cells, *(f"{number:.1e}" for number in numbers))
    print(f"{line}  {'agrees' if parity.agrees else 'missed'}", flush=True)


def _draw(parities: Sequence[Parity], folder: Path) -> None:
    first = parities[0]
    lines = {"low-level": first.losses, **{p.against: p.other_losses for p in parities}}
    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for width, (name, losses) in zip((7, 3.5, 1), lines.items(), strict=False):
        axis.plot(range(1, len(losses) + 1), losses, linewidth=width, label=name)
    axis.set(xlabel="step", ylabel="loss", yscale="log", title=first.label)
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(folder / f"{first.label.replace(' ', '-')}.png")
    pyplot.close(figure)


def _copy(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(sources) != len(targets):
        raise ValueError(f"Cannot copy {len(sources)} weights into {len(targets)}.")
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if tuple(source.shape) != tuple(target.shape):
            raise ValueError(
                f"Cannot copy weight {number}: its shape {tuple(source.shape)} is not "
                f"{tuple(target.shape)}."
            )
    for source, target in zip(sources, targets, strict=True):
        target.assign(source)


def _largest_relative(a: np.ndarray, b: np.ndarray) -> float:
    """Compares loss by loss; a training that stopped before the other is no match at all."""
    return float(np.max(np.abs(a - b) / np.abs(a))) if len(a) == len(b) else math.inf


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) or 1.0))  # a bias may still be zero
