"""What a lesson is made of: its own module, and the article's module of the same name.

A lesson, `tutorials/NAME.py`, defines

    SETTINGS   a `Settings`, the article's constants
    load       (settings, data_dir) -> data, a named tuple with x_train, x_test and provenance
    NETWORKS   {network: {style: (build, train)}}, each network in both styles
    draw       (encode, decode, data) -> {name: figure}

where `build()` returns an untrained network and `train(network, data, settings, run)` trains it.
A `build` with a parameter `seed` gets the run's. The networks of one lesson take the same inputs;
a `draw` with a parameter `network_name` learns which one it draws, and so does the article's
`plane`. `tutorials/articles/NAME.py` holds what the article says: the fields of `Lesson` that are
not above, the constants in capitals, and ORDER (its place in the list), CAPTIONS (of figures) and

    ARGUMENTS  {(setting, value): {function: {argument: value}}}, passed to the lesson's functions
    PASSED_ON  {setting: {function: argument}}, which gets the setting's value, if it is no default

What the pages, the slides and the notebooks teach beside the code, stands there too: STEPS,
DIFFERS and EXERCISES. A lesson may lack them.
"""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ae.paths import python

PACKAGE = "tutorials"
STYLES = ("low-level", "keras")
PRESETS = ("smoke", "quick", "article")
STRATEGIES = ("mirrored", "multi-worker")  # to train on several devices; tf.distribute's
VARIANTS = ("published", "corrected")
PAIRS = ("network", "loss", "training")  # the cells that each style has
ONLY_NETWORK = "autoencoder"  # what a lesson with one network calls it


def with_network(name: str, network: str) -> str:
    """Names a network in a table: by its lesson or run, and its own name if there are several."""
    return name if network == ONLY_NETWORK else f"{name} {network}"


def label_of(network: str, style: str) -> str:
    """Names a training within its run: by its style, and by its network if there are several."""
    return style if network == ONLY_NETWORK else f"{network} {style}"


def heading_of(network: str, style: str) -> str:
    """Writes the label of a training for readers: "plain Keras"."""
    return label_of(network, "Keras" if style == "keras" else style)


def own_folders(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the folders of the user's own data that settings name, by their names; or none."""
    return settings.get("images") or settings.get("pairs") or ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What every lesson lets a user set."""

    num_epochs: int  # passes over the training data, or what the lesson counts as one
    batch_size: int
    learning_rate: float
    steps_per_call: int = 1  # minibatches in one call of a compiled function; for speed only
    jit_compile: bool = False  # whether XLA compiles the training steps; for speed only
    num_train: int | None = None  # training examples to keep, from the first; None keeps all
    num_test: int | None = None  # the same for test examples
    seed: int = 0  # of weights, shuffling, noise and sampling
    variant: str = dataclasses.field(default="published", metadata={"retrains": True})
    mixed_precision: bool = dataclasses.field(default=False, metadata={"retrains": True})
    deterministic: bool = False  # whether only operations that repeat their bits are allowed

    @property
    def compiled(self) -> dict[str, Any]:
        """What `Model.compile` takes of the settings, for speed."""
        return {"steps_per_execution": self.steps_per_call, "jit_compile": self.jit_compile}


class Option(NamedTuple):
    """A setting that one lesson adds, and usually an option of its command line."""

    default: Any  # its value in every preset that names no other
    help: str  # what the option does; "" for a setting without an option
    retrains: bool  # whether it changes the trained network; if not, `--from RUN` takes it too
    choices: tuple | None = None
    type: Any = None  # if the default does not say it: `float | None`, `tuple[int, ...]`
    bounds: tuple[int, int] | None = None  # the least and the greatest of a whole number
    folders: tuple[str, ...] = ()  # what --help calls the folders that it names; they must exist


OWN_IMAGES = Option(
    None,
    "train on the pictures in a folder instead: grey, 28 x 28 pixels; sub-folders are classes",
    retrains=True,
    type=tuple[str, ...] | None,
    folders=("FOLDER",),
)


def presets_from(
    constants: Settings,
    options: Mapping[str, Option],
    changes: Mapping[str, Mapping[str, Any]],
) -> dict[str, Settings]:
    """Makes a lesson's presets of its constants and of what its article adds and changes."""
    fields = [
        (
            name,
            (o.type or type(o.default)) if o.default is not None else o.type | None,
            dataclasses.field(default=o.default, metadata=o._asdict()),
        )
        for name, o in options.items()
    ]
    kind = dataclasses.make_dataclass(
        "LessonSettings", fields, bases=(type(constants),), frozen=True, kw_only=True
    )
    article = kind(**dataclasses.asdict(constants))
    changes = {"smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128}, **changes}
    return {p: dataclasses.replace(article, **changes.get(p, {})) for p in PRESETS}


class Claim(NamedTuple):
    """A statement of an article that can be measured on a trained network."""

    sentence: str  # what the article says, in our words
    quantity: str  # what number is measured
    # Takes network, data and settings; returns None where this machine lacks what it needs.
    measure: Callable
    why: str  # the reason for the bound; it was fixed before the recorded runs were measured
    at_least: float | None = None
    at_most: float | None = None
    of_network: bool = True  # if not, several networks on the same data are one measurement
    network: str | None = None  # the network that it is about; None: each of the lesson's

    def holds(self, value: float) -> bool:
        """Says whether a measured value is within the bound."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


class Erratum(NamedTuple):
    """Something that an article gets wrong, or that keeps its code from running."""

    quote: str  # what the article says, or its code
    problem: str
    effect: str = ""
    fix: str = ""  # what `--variant corrected` does, or both variants
    measures: Mapping[str, Callable] = MappingProxyType({})  # by quantity; as a claim's
    change: tuple[str, str] = ("variant", "corrected")  # the setting that makes the difference
    network: str = ONLY_NETWORK  # the network that it makes a difference to


class Step(NamedTuple):
    """A part of a network, or of its training, that stands in the cells of both styles.

    `low_level` and `keras` are pieces of code, each within one line of that style's cells. The
    lines that hold them are joined on the lesson's page. A piece that occurs several times joins
    all its lines.
    """

    name: str  # "initializer", "layer", "code", "loss", "gradient", "update", "loop" ...
    low_level: tuple[str, ...]
    keras: tuple[str, ...]
    equation: str = ""  # in LaTeX, without dollars: what these lines compute


class Exercise(NamedTuple):
    """One thing to change in a lesson: predict what happens, then run it.

    The numbers of the answer come from recorded runs: the quick preset in the Keras style, without
    and with `options`.
    """

    task: str  # what to change, and what to predict
    options: tuple[str, ...]  # of the command line, such as ("--code-size", "8")
    # What happens, and why. {before} and {after} stand for the number without and with the options,
    # and take formats: "{before:.4f}".
    answer: str
    # Takes network, data and settings, as a claim's. None: the loss that the lesson prints.
    measure: Callable | None = None
    network: str = ONLY_NETWORK  # the network that the number is of


class Examples(NamedTuple):
    """Images whose reconstructions a run keeps as training goes on.

    Digits have shape (n, 784), images (n, height, width, 1); all are in [0, 1].
    """

    x: Any  # what the network gets
    target: Any = None  # what it should make of them, if that is not `x`


class Style(NamedTuple):
    """One network in one style."""

    # Takes the settings, returns the untrained network: a `tf.Module` with `weights`, `encode` and
    # `decode`, or a Keras model with sub-models "encoder" and "decoder".
    build: Callable
    train: Callable  # takes network, data, settings and an `ae.training.run.Run`


def fit_line(epoch: int, logs: Mapping[str, float]) -> str:
    """Writes what `Model.fit` prints of an epoch: its number, the loss, the validation loss."""
    losses = [f"{name}: {logs[name]:.4f}" for name in ("loss", "val_loss") if name in logs]
    return " - ".join([f"Epoch {epoch}", *losses])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outline:
    """What the command line asks of a lesson before it runs it; `ae.outlines` reads it."""

    name: str
    doc: str
    presets: Mapping[str, Settings]  # with the article's PRESETS (changes) and OPTIONS (additions)
    networks: Mapping[str, Mapping[str, Any]]  # by name and style
    # What the script does if its first argument is such a name; takes the lesson and the others.
    commands: Mapping[str, Callable]

    @property
    def title(self) -> str:
        """The first line of the lesson's docstring."""
        return self.doc.strip().partition("\n")[0]

    @property
    def command(self) -> str:
        """What starts the lesson in a shell: its file, if that was started so, or its module."""
        script = Path(sys.argv[0])
        if script.name == f"{self.name}.py" and sys.modules["__main__"].__spec__ is None:
            return f"{python()} {shlex.quote(str(script))}"
        return f"{python()} -m {PACKAGE} {self.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lesson(Outline):
    """A lesson and its article, as the command line runs them."""

    file: Path | None  # None if the lesson stands in a notebook's cells
    load: Callable  # takes settings and the user's data folder; the data have a `provenance`
    networks: Mapping[str, Mapping[str, Style]]
    # Takes network, data, settings and an `ae.runs.drawing.Report`, which has a `network_name`.
    draw: Callable
    examples: Callable  # takes the data, returns `Examples`
    # Draws what is about all networks, or none; takes data, settings, report and `networks`, a
    # function without arguments that returns the run's networks by their names.
    appendix: Callable | None
    # Takes network, data and the network's name; returns an `ae.report.snapshots.Plane` or None.
    plane: Callable | None
    # Takes network and settings; returns a sentence to print before training, or "".
    notice: Callable
    figures_by: Mapping[str, tuple[str, ...]]  # those of the "article", and of its "notebook"
    summed: tuple[str, ...]  # networks whose loss adds up over a minibatch; the others' is a mean
    printed_loss: str  # what the article printed: "loss", an epoch's mean, or "last_batch_loss"
    # Columns of data/published/NAME.csv, by network and history entry.
    published: Mapping[str, Mapping[str, tuple[str, ...]]]
    published_with: Mapping[str, Any]  # settings in which the published run is not the article's
    claims: tuple[Claim, ...]
    errata: tuple[Erratum, ...]
    link: str  # the article's address, or that of its code; "" if there is none
    steps: tuple[Step, ...]
    # What differs between the styles, and why: a paragraph for each of `PAIRS` that the lesson has.
    differs: Mapping[str, str]
    exercises: tuple[Exercise, ...]
    epoch_line: Callable[[int, Mapping[str, float]], str]  # writes what the article printed
