"""Whether two ways of training a network are one: equal weights and batches, equal losses?

A lesson's low-level style runs beside its Keras style, and beside the article's own code path where
`ae.proof.graph_mode` has it. What runs are the lesson's own `train` functions.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ae.backend import keras, tf
from ae.lesson import ONLY_NETWORK, STYLES, Lesson, Settings, with_network
from ae.networks import reconstruct
from ae.paths import make_folder, refuse_to_overwrite, remember, replacing
from ae.proof import graph_mode
from ae.proof.stepwise import SharedNoise, StepRun, cast, computing_in, in_float64
from ae.terminal import working
from ae.training import interrupts

import numpy as np
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
ROW = "{:24}{:11}{:9}{:>5}  {:>9}  {:>7}  {:>10}"


class Parity(NamedTuple):
    """How a network's low-level style and another training of it compare."""

    lesson: str
    network: str
    against: str  # `KERAS` or `GRAPH`
    floatx: str  # the numbers computed with
    losses: np.ndarray  # (steps,) the loss of each minibatch in the low-level style
    other_losses: np.ndarray  # (steps,) the same of the other
    loss_difference: float  # the largest |a - b| / |a| of the losses
    weight_difference: float  # the largest ||a - b|| / ||a|| of a weight tensor after the last step
    forward_difference: float | None  # the largest |a - b| of a pixel before the first step

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
        if self.against == GRAPH:
            _, optimizer, _ = graph_mode.NETWORKS[self.lesson, self.network]
            if optimizer is graph_mode.adam:
                return ADAM_TARGET
        return TARGETS[self.against, self.floatx]


def to_keras(network: tf.Module, keras_network: keras.Model) -> None:
    """Copies the weights of a network of the low-level style into its Keras style."""
    _copy(network.weights, keras_network.trainable_weights)


def from_keras(keras_network: keras.Model, network: tf.Module) -> None:
    """Copies the weights of a network of the Keras style into its low-level style."""
    _copy(keras_network.trainable_weights, network.weights)


def _copy(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(sources) != len(targets):
        raise ValueError(f"Cannot copy {len(sources)} weights into {len(targets)}.")
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        here, there = tuple(source.shape), tuple(target.shape)
        if here != there:
            raise ValueError(f"Cannot copy weight {number}: its shape {here} is not {there}.")
        target.assign(source)


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
        against: `KERAS`, or `GRAPH` for one of `graph_mode.NETWORKS` with the article's settings.
            There, only losses and weights are compared.
        settings: by default the smoke preset. The number of epochs follows from the steps.
        data: what the lesson's `load` returns; None calls it.
    """
    settings = replace(settings or lesson.presets["smoke"], steps_per_call=1)
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
            settings = replace(settings, num_epochs=run.num_epochs)
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


def _largest_relative(a: np.ndarray, b: np.ndarray) -> float:
    """Compares loss by loss; a training that stopped before the other is infinitely far."""
    return float(np.max(np.abs(a - b) / np.abs(a))) if len(a) == len(b) else math.inf


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) or 1.0))  # a bias may still be zero


def settle(lesson: Lesson, network_name: str, num_steps: int, against: str) -> list[Parity]:
    """Compares in float32, and where that misses its target in float64; the last one decides."""
    parities = [compare(lesson, network_name, num_steps, FLOAT32, against)]
    if not parities[0].agrees:
        parities.append(compare(lesson, network_name, num_steps, FLOAT64, against))
    return parities


def main(lessons: Sequence[Lesson], options: argparse.Namespace) -> int:
    """Compares the lessons' networks, prints a table and draws the losses over each other.

    The exit code is 1 if a difference is larger than rounding explains.
    """
    pyplot.switch_backend("Agg")
    make_folder(options.out)
    labels = [with_network(lesson.name, n) for lesson in lessons for n in lesson.networks]
    paths = [_path(options.out, label) for label in labels]
    refuse_to_overwrite(options.out, paths, options.overwrite)
    agree = True
    print(ROW.format("lesson", "against", "type", "steps", "loss by", "allowed", "weights by"))
    for lesson in lessons:
        for network in lesson.networks:
            in_float32 = []
            for way in [KERAS, GRAPH] if (lesson.name, network) in graph_mode.NETWORKS else [KERAS]:
                with working(f"training {with_network(lesson.name, network)} beside {way}"):
                    parities = settle(lesson, network, options.steps, way)
                for parity in parities:
                    _print_row(parity)
                agree = agree and parities[-1].agrees
                in_float32.append(parities[0])
            _draw(in_float32, options.out)
    print("\nLargest relative differences, over whole epochs; Keras adds up its loss in another")
    print("order. Float64 decides where float32 misses what is allowed: rounding that training")
    print("magnifies shrinks with the precision, a mistake does not.")
    print(f"Figures: {options.out}")
    return 0 if agree else 1


def _print_row(parity: Parity) -> None:
    cells = (parity.label, parity.against, parity.floatx, len(parity.losses))
    numbers = (parity.loss_difference, parity.target, parity.weight_difference)
    line = ROW.format(*cells, *(f"{number:.1e}" for number in numbers))
    print(f"{line}  {'agrees' if parity.agrees else 'missed'}", flush=True)


def _path(folder: Path, label: str) -> Path:
    return folder / f"{label.replace(' ', '-')}.png"


def _draw(parities: Sequence[Parity], folder: Path) -> None:
    first = parities[0]
    lines = {"low-level": first.losses, **{p.against: p.other_losses for p in parities}}
    figure, axis = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for width, (name, losses) in zip((7, 3.5, 1), lines.items(), strict=False):
        axis.plot(range(1, len(losses) + 1), losses, linewidth=width, label=name)
    axis.set(xlabel="step", ylabel="loss", yscale="log", title=first.label)
    axis.grid(alpha=0.3)
    axis.legend()
    path = _path(folder, first.label)
    with replacing(path) as partial:
        figure.savefig(partial)
    pyplot.close(figure)
    remember(folder, [path])
