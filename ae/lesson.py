"""The contract between a lesson and the plumbing: what a lesson declares about itself."""

import inspect
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ae.paths import python

STYLES = ("low-level", "keras")
PRESETS = ("smoke", "quick", "article")
VARIANTS = ("published", "corrected")
ONLY_NETWORK = "autoencoder"  # what a lesson with one network calls it


def with_network(name: str, network: str) -> str:
    """Names a network in a table: the name of its lesson, or run, and its own where it has one."""
    return name if network == ONLY_NETWORK else f"{name} {network}"


def label_of(network: str, style: str) -> str:
    """Names a training within its run: its style, behind its network where there are several."""
    return style if network == ONLY_NETWORK else f"{network} {style}"


def option(
    default: Any, help: str, choices: tuple | None = None, makes_other_numbers: bool = False
) -> Any:
    """Declares a settings field that is also an option of the lesson's command line.

    Args:
        default: the field's.
        help: what the option does.
        choices: what it may be, or None.
        makes_other_numbers: whether runs that differ in it are of different kinds.
    """
    return field(
        default=default,
        metadata={"help": help, "choices": choices, "makes_other_numbers": makes_other_numbers},
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every lesson lets a user set; a lesson adds its own constants.

    Attributes:
        num_epochs: passes over the training data (or what the lesson counts as one).
        batch_size: examples in a minibatch.
        learning_rate: the optimizer's step size.
        num_train: training examples to keep, from the first; None keeps all.
        num_test: test examples to keep, from the first; None keeps all.
        seed: seeds weights, shuffling, noise and sampling.
        variant: "published" does what the article's code did, "corrected" applies the errata.
        jit_compile: whether XLA compiles the training steps.
        mixed_precision: whether networks multiply and convolve in bfloat16 (`ae.precision`).
        deterministic: whether TensorFlow may only use operations that give the same bits each time.
    """

    num_epochs: int
    batch_size: int
    learning_rate: float
    num_train: int | None = None
    num_test: int | None = None
    seed: int = 0
    variant: str = field(default="published", metadata={"makes_other_numbers": True})
    jit_compile: bool = False
    mixed_precision: bool = field(default=False, metadata={"makes_other_numbers": True})
    deterministic: bool = False

    @property
    def corrected(self) -> bool:
        """Whether the errata are applied."""
        return self.variant == "corrected"


class Erratum(NamedTuple):
    """Something that an article gets wrong, or leaves so that it cannot run.

    Attributes:
        place: where in the article.
        does: what stands there.
        follows: what comes of it.
        corrected: what `--variant corrected` does instead; for what had to be repaired merely to
            run, what both variants do.
        measures: what shows the difference: functions of network, data and settings that return a
            number, by what they measure; none where both variants do the same, or where no
            network shows the difference.
        change: the setting that makes the difference, and its value.
        network: the network that it makes a difference to.
    """

    place: str
    does: str
    follows: str
    corrected: str
    measures: Mapping[str, Callable] = MappingProxyType({})
    change: tuple[str, str] = ("variant", "corrected")
    network: str = ONLY_NETWORK


class Claim(NamedTuple):
    """A statement of an article that can be measured on a trained network.

    Attributes:
        text: the claim, in our words.
        measure: takes network, data and settings; returns a number, or None where what it needs
            is missing on this machine.
        at_least: the smallest value with which the claim holds, or None.
        at_most: the largest, or None.
        reason: why the threshold is where it is; fixed before the recorded runs were measured.
        of_network: whether the value depends on the trained network; where it does not, several
            networks on the same data are one measurement.
    """

    text: str
    measure: Callable
    at_least: float | None = None
    at_most: float | None = None
    reason: str = ""
    of_network: bool = True

    def holds(self, value: float) -> bool:
        """Says whether a measured value bears the claim out."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


class Style(NamedTuple):
    """One network in one style.

    Attributes:
        build: takes the settings, returns the untrained network: a `tf.Module` with `weights`,
            `encode`, `decode` and `reconstruct`, or a Keras model with sub-models named "encoder"
            and "decoder".
        train: takes network, data, settings and an `ae.training.Run`; trains in place.
    """

    build: Callable
    train: Callable


def fit_line(epoch: int, logs: Mapping[str, float]) -> str:
    """Writes what `Model.fit` prints of an epoch: its number, the loss, that of validation."""
    losses = [f"{name}: {logs[name]:.4f}" for name in ("loss", "val_loss") if name in logs]
    return " - ".join([f"Epoch {epoch}", *losses])


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One article, as `ae.cli` runs it.

    Attributes:
        name: the module's name.
        doc: the module's docstring; its first line is the lesson's title.
        presets: settings by preset name.
        load: takes settings and the user's data folder or None; returns the lesson's data, whose
            `provenance` says where they came from.
        networks: styles by network name, which is `ONLY_NETWORK` where there is one.
        draw: takes a trained network, the data, the settings and a `Report` (`ae.runs.records`).
        examples: takes the data; returns the `Examples` (`ae.runs.snapshots`) whose reconstructions
            a run keeps as training goes on.
        appendix: takes data, settings and a report; draws what needs no trained network of the
            lesson, once a run.
        plane: takes a trained network and the data; returns the `Plane` (`ae.runs.snapshots`) of
            its codes.
        measure: the history entry that the article printed: "loss" is a mean over the epoch,
            "last_batch_loss" that of its last minibatch.
        published: columns of `data/published/NAME.csv`, by network and by the history entry that
            they are of; `measure` is among these.
        published_with: settings in which the run that printed them differs from the article.
        claims: what the article says that can be measured.
        errata: what the article gets wrong.
        epoch_line: formats what the article's code printed after an epoch from number and logs; by
            default, what `Model.fit` did.
        commands: what the script does instead of training when its first argument is such a name;
            each takes the lesson and the other arguments.
    """

    name: str
    doc: str
    presets: Mapping[str, Settings]
    load: Callable
    networks: Mapping[str, Mapping[str, Style]]
    draw: Callable
    examples: Callable
    appendix: Callable | None = None
    plane: Callable | None = None
    measure: str = "loss"
    published: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    published_with: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    errata: tuple[Erratum, ...] = ()
    epoch_line: Callable[[int, Mapping[str, float]], str] = fit_line
    commands: Mapping[str, Callable] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """Where its source is; None where it stands in a notebook's cells."""
        path = inspect.getsourcefile(self.load)
        return Path(path) if path is not None and Path(path).is_file() else None

    @property
    def command(self) -> str:
        """What starts the lesson in a shell: its file, where that was started, or its module."""
        script = Path(sys.argv[0])
        if script.name == f"{self.name}.py" and sys.modules["__main__"].__spec__ is None:
            return f"{python()} {shlex.quote(str(script))}"
        return f"{python()} -m tutorials.{self.name}"
