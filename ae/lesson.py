"""What a lesson is made of: its own module, and the article's module of the same name.

A lesson, `tutorials/NAME.py`, defines

    SETTINGS   an `ae.lesson.Settings`, the article's constants
    load       (settings, data_dir) -> data
    NETWORKS   {network: {style: (build, train)}}
    draw       (encode, decode, data) -> {name: figure}

where `build()` returns an untrained network and `train(network, data, settings, run)` trains it.
What the article says stands in `tutorials/articles/NAME.py`, which may define PRESETS, OPTIONS,
ARGUMENTS, CAPTIONS, PRINTED_LOSS, PUBLISHED, PUBLISHED_WITH, CLAIMS, ERRATA, COMMANDS, ORDER,
epoch_line, examples, plane, draw and appendix; `Lesson` says what each is. Both are found by name.
"""

import dataclasses
import functools
import importlib
import inspect
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from ae.networks import codec
from ae.paths import python

PACKAGE = "tutorials"
STYLES = ("low-level", "keras")
PRESETS = ("smoke", "quick", "article")
VARIANTS = ("published", "corrected")
ONLY_NETWORK = "autoencoder"  # what a lesson with one network calls it


def with_network(name: str, network: str) -> str:
    """Names a network in a table: by its lesson or run, and its own name if there are several."""
    return name if network == ONLY_NETWORK else f"{name} {network}"


def label_of(network: str, style: str) -> str:
    """Names a training within its run: by its style, and by its network if there are several."""
    return style if network == ONLY_NETWORK else f"{network} {style}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What every lesson lets a user set.

    Attributes:
        num_epochs: passes over the training data, or what the lesson counts as one.
        batch_size: examples in a minibatch.
        learning_rate: the optimizer's step size.
        steps_per_call: minibatches in one call of a compiled function; changes only the speed.
        jit_compile: whether XLA compiles the training steps.
        num_train: training examples to keep, from the first; None keeps all.
        num_test: test examples to keep, from the first; None keeps all.
        seed: seeds weights, shuffling, noise and sampling.
        variant: "published" does what the article's code did, "corrected" applies the errata.
        mixed_precision: whether networks multiply and convolve in bfloat16.
        deterministic: whether TensorFlow may use only operations that give the same bits each time.
    """

    num_epochs: int
    batch_size: int
    learning_rate: float
    steps_per_call: int = 1
    jit_compile: bool = False
    num_train: int | None = None
    num_test: int | None = None
    seed: int = 0
    variant: str = dataclasses.field(default="published", metadata={"retrains": True})
    mixed_precision: bool = dataclasses.field(default=False, metadata={"retrains": True})
    deterministic: bool = False

    @property
    def compiled(self) -> dict[str, Any]:
        """What `Model.compile` takes of the settings, for speed."""
        return {"steps_per_execution": self.steps_per_call, "jit_compile": self.jit_compile}


class Option(NamedTuple):
    """A setting that one lesson adds, and usually an option of its command line.

    Attributes:
        default: its value in every preset that names no other.
        help: what the option does; "" for a setting without an option.
        retrains: whether networks must be trained again for another value. Runs that differ in it
            are of different kinds. If False, `--from RUN` takes the option.
        choices: the values it may have, or None.
        type: its type, if that is not the default's.
    """

    default: Any
    help: str
    retrains: bool
    choices: tuple | None = None
    type: Any = None


class Claim(NamedTuple):
    """A statement of an article that can be measured on a trained network.

    Attributes:
        sentence: what the article says, in our words.
        quantity: what number is measured.
        measure: takes network, data and settings; returns the number, or None where what it needs
            is missing on this machine.
        why: the reason for the bound, which was fixed before the recorded runs were measured.
        at_least: the smallest value with which the claim holds, or None.
        at_most: the largest, or None.
        of_network: whether the number depends on the trained network. If not, several networks on
            the same data are one measurement.
    """

    sentence: str
    quantity: str
    measure: Callable
    why: str
    at_least: float | None = None
    at_most: float | None = None
    of_network: bool = True

    def holds(self, value: float) -> bool:
        """Says whether a measured value is within the bound."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


class Erratum(NamedTuple):
    """Something that an article gets wrong, or that keeps its code from running.

    Attributes:
        quote: what the article says or its code does there.
        problem: what is wrong with it.
        effect: what happens because of it; "" if nothing does.
        fix: what this project does instead: `--variant corrected`, or both variants if the code
            could not run otherwise; "" if there is nothing to do.
        measures: functions of network, data and settings that return a number, by its quantity.
            None if both variants do the same, or no network shows the difference.
        change: the setting that makes the difference, and its value.
        network: the network that it makes a difference to.
    """

    quote: str
    problem: str
    effect: str = ""
    fix: str = ""
    measures: Mapping[str, Callable] = MappingProxyType({})
    change: tuple[str, str] = ("variant", "corrected")
    network: str = ONLY_NETWORK


class Examples(NamedTuple):
    """Images whose reconstructions a run keeps as training goes on.

    Attributes:
        x: what the network gets: digits (n, 784) or images (n, height, width, 1) in [0, 1].
        target: what it should make of them, in the same shape; None if that is `x`.
    """

    x: Any
    target: Any = None


class Style(NamedTuple):
    """One network in one style.

    Attributes:
        build: takes the settings, returns the untrained network: a `tf.Module` with `weights`,
            `encode` and `decode`, or a Keras model with sub-models "encoder" and "decoder".
        train: takes network, data, settings and an `ae.training.run.Run`; trains in place.
    """

    build: Callable
    train: Callable


def fit_line(epoch: int, logs: Mapping[str, float]) -> str:
    """Writes what `Model.fit` prints of an epoch: its number, the loss, the validation loss."""
    losses = [f"{name}: {logs[name]:.4f}" for name in ("loss", "val_loss") if name in logs]
    return " - ".join([f"Epoch {epoch}", *losses])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lesson:
    """A lesson and its article, as the command line runs them.

    Attributes:
        name: the module's name.
        doc: the module's docstring; its first line is the lesson's title.
        file: the module's file; None if the lesson stands in a notebook's cells.
        presets: settings by the preset's name. The article's PRESETS holds what "quick" and "smoke"
            change; OPTIONS holds further settings, by name.
        load: takes settings and the user's data folder or None; returns the lesson's data, whose
            `provenance` says where they came from.
        networks: styles by the network's name. The article's ARGUMENTS holds, for a setting and its
            value, keyword arguments for the lesson's functions by the function's name.
        draw: takes a trained network, the data, the settings and a `Report`; draws the lesson's
            figures, then the article's further ones.
        examples: takes the data, returns the `Examples` to follow.
        appendix: takes data, settings and a report; draws what needs no network of the lesson.
        plane: takes a trained network and the data; returns the `Plane` of its codes.
        printed_loss: the history entry that the article printed: "loss" is a mean over the epoch,
            "last_batch_loss" the last minibatch's.
        published: columns of `data/published/NAME.csv`, by network and history entry.
        published_with: settings in which the published run differs from the article.
        claims: what the article says that can be measured.
        errata: what the article gets wrong.
        epoch_line: formats what the article's code printed after an epoch from number and logs.
        commands: what the script does if its first argument is such a name; each function takes the
            lesson and the other arguments.
    """

    name: str
    doc: str
    file: Path | None
    presets: Mapping[str, Settings]
    load: Callable
    networks: Mapping[str, Mapping[str, Style]]
    draw: Callable
    examples: Callable
    appendix: Callable | None
    plane: Callable | None
    printed_loss: str
    published: Mapping[str, Mapping[str, tuple[str, ...]]]
    published_with: Mapping[str, Any]
    claims: tuple[Claim, ...]
    errata: tuple[Erratum, ...]
    epoch_line: Callable[[int, Mapping[str, float]], str]
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
        return f"{python()} -m {PACKAGE}.{self.name}"


def load(name: str) -> Lesson:
    """Imports a lesson and its article."""
    return gather(importlib.import_module(f"{PACKAGE}.{name}"), name)


def load_all() -> list[Lesson]:
    """Imports all lessons and their articles."""
    return [load(name) for name in importlib.import_module(PACKAGE).names()]


def gather(module: ModuleType, name: str) -> Lesson:
    """Puts a lesson together from its module and the article's module of the same name.

    Args:
        module: where the lesson's functions are; a notebook's `__main__` will do.

    Raises:
        ValueError: if the article passes arguments to a function that the lesson lacks.
    """
    article = _article(name)
    part = functools.partial(getattr, article)
    arguments = part("ARGUMENTS", {})
    for function in {function for passed in arguments.values() for function in passed}:
        if not callable(getattr(module, function, None)):
            raise ValueError(f"{name} has no function '{function}' to pass arguments to.")

    def passed_to(function: Callable, settings: Settings) -> dict[str, Any]:
        """Returns what the settings pass to one of the lesson's functions."""
        found: dict[str, Any] = {}
        for (setting, value), functions in arguments.items():
            if getattr(settings, setting) == value:
                found.update(functions.get(function.__name__, {}))
        return found

    def build(function: Callable, settings: Settings) -> Any:
        takes_seed = "seed" in inspect.signature(function).parameters  # it draws noise of its own
        seed = {"seed": settings.seed} if takes_seed else {}
        return function(**seed, **passed_to(function, settings))

    def train(function: Callable, network: Any, data: Any, settings: Settings, run: Any) -> None:
        function(network, data, settings, run, **passed_to(function, settings))

    def load_data(settings: Settings, data_dir: Path | None) -> Any:
        return module.load(settings, data_dir, **passed_to(module.load, settings))

    def draw(network: Any, data: Any, settings: Settings, report: Any) -> None:
        for title, figure in module.draw(*codec(network)[:2], data).items():
            report.figure(title, figure, captions.get(title, title.replace("-", " ")))
        if more := part("draw", None):
            more(network, data, settings, report)

    captions = part("CAPTIONS", {})
    article_preset = _settings(module.SETTINGS, part("OPTIONS", {}))
    changes = {"smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128}, **part("PRESETS", {})}
    return Lesson(
        name=name,
        doc=module.__doc__ or "",
        file=Path(module.__file__) if getattr(module, "__file__", None) else None,
        presets={p: dataclasses.replace(article_preset, **changes.get(p, {})) for p in PRESETS},
        load=load_data,
        networks={
            network: {
                style: Style(functools.partial(build, build_it), functools.partial(train, train_it))
                for style, (build_it, train_it) in styles.items()
            }
            for network, styles in module.NETWORKS.items()
        },
        draw=draw,
        examples=part("examples", lambda data: Examples(data.x_test[:10])),
        appendix=part("appendix", None),
        plane=part("plane", None),
        printed_loss=part("PRINTED_LOSS", "loss"),
        published=part("PUBLISHED", {}),
        published_with=part("PUBLISHED_WITH", {}),
        claims=tuple(part("CLAIMS", ())),
        errata=tuple(part("ERRATA", ())),
        epoch_line=part("epoch_line", fit_line),
        commands=part("COMMANDS", {}),
    )


def _article(name: str) -> ModuleType | None:
    path = f"{PACKAGE}.articles.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        return None  # such as for a copy of a lesson that somebody changes


def _settings(constants: Settings, options: Mapping[str, Option]) -> Settings:
    """Adds the article's options to the lesson's settings."""
    fields = [
        (
            name,
            option.type or type(option.default),
            dataclasses.field(
                default=option.default,
                metadata={k: v for k, v in option._asdict().items() if k in _METADATA},
            ),
        )
        for name, option in options.items()
    ]
    kind = dataclasses.make_dataclass(
        "LessonSettings", fields, bases=(type(constants),), frozen=True, kw_only=True
    )
    return kind(**dataclasses.asdict(constants))


_METADATA = ("help", "retrains", "choices")
