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
"""

import dataclasses
import functools
import importlib
import inspect
import itertools
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from ae.errors import InputError, did_you_mean
from ae.networks import codec, require_network
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
class Lesson:
    """A lesson and its article, as the command line runs them."""

    name: str
    doc: str
    file: Path | None  # None if the lesson stands in a notebook's cells
    presets: Mapping[str, Settings]  # with the article's PRESETS (changes) and OPTIONS (additions)
    load: Callable  # takes settings and the user's data folder; the data have a `provenance`
    networks: Mapping[str, Mapping[str, Style]]
    # Takes network, data, settings and an `ae.runs.records.Report`, which has a `network_name`.
    draw: Callable
    examples: Callable  # takes the data, returns `Examples`
    appendix: Callable | None  # takes data, settings and report; draws what needs no network
    # Takes network, data and the network's name; returns an `ae.report.snapshots.Plane` or None.
    plane: Callable | None
    figures_by: Mapping[str, tuple[str, ...]]  # those of the "article", and of its "notebook"
    printed_loss: str  # what the article printed: "loss", an epoch's mean, or "last_batch_loss"
    # Columns of data/published/NAME.csv, by network and history entry.
    published: Mapping[str, Mapping[str, tuple[str, ...]]]
    published_with: Mapping[str, Any]  # settings in which the published run is not the article's
    claims: tuple[Claim, ...]
    errata: tuple[Erratum, ...]
    epoch_line: Callable[[int, Mapping[str, float]], str]  # writes what the article printed
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


def load(name: str) -> Lesson:
    """Imports a lesson and its article."""
    return gather(_import(f"{PACKAGE}.{name}"), name)


def load_all() -> list[Lesson]:
    """Imports all lessons and their articles."""
    return [load(name) for name in importlib.import_module(PACKAGE).names()]


def gather(module: ModuleType, name: str) -> Lesson:
    """Puts a lesson together from its module, or a notebook's, and the article's of the name.

    Raises:
        InputError: if the lesson is not made as this module says.
    """
    article = _import(f"{PACKAGE}.articles.{name}", needed=False)
    part = functools.partial(getattr, article)
    for mistake in _mistakes(module, article):
        raise InputError(f"{name}: {mistake}")
    captions, arguments = part("CAPTIONS", {}), part("ARGUMENTS", {})
    article_preset = _settings(module.SETTINGS, part("OPTIONS", {}))
    changes = {"smoke": {"num_epochs": 1, "num_train": 512, "num_test": 128}, **part("PRESETS", {})}

    def passed_to(function: Callable, settings: Settings) -> dict[str, Any]:
        """Returns what the settings pass to one of the lesson's functions."""
        found: dict[str, Any] = {}
        for (setting, value), functions in arguments.items():
            if getattr(settings, setting) == value:
                found.update(functions.get(function.__name__, {}))
        return found

    def build(function: Callable, settings: Settings) -> Any:
        told = _told(function, seed=settings.seed)  # one that draws noise of its own
        network = function(**told, **passed_to(function, settings))
        require_network(network, f"{name}: `{function.__name__}`")
        return network

    def train(function: Callable, network: Any, data: Any, settings: Settings, run: Any) -> None:
        function(network, data, settings, run, **passed_to(function, settings))
        if not run.is_over:
            raise InputError(
                f"{name}: `{function.__name__}` ended after {run.epochs_done} of {run.num_epochs} "
                "epochs; loop over `run.epochs(optimizer)`, or give `fit` run.callbacks() and "
                "epochs=settings.num_epochs."
            )

    def load_data(settings: Settings, data_dir: Path | None) -> Any:
        data = module.load(settings, data_dir, **passed_to(module.load, settings))
        for field in ("_fields", "x_train", "x_test", "provenance"):
            if not hasattr(data, field):
                raise InputError(
                    f"{name}: `load` must return a named tuple with x_train, x_test and "
                    f"provenance; what it returns has no {field}."
                )
        return data

    def draw(network: Any, data: Any, settings: Settings, report: Any) -> None:
        told = _told(module.draw, network_name=report.network_name)
        figures = module.draw(*codec(network)[:2], data, **told)
        if not isinstance(figures, Mapping):
            raise InputError(f"{name}: `draw` must return a dictionary {{name: figure}}.")
        for title, figure in figures.items():
            report.figure(title, figure, captions.get(title, title.replace("-", " ")))
        if more := part("draw", None):
            more(network, data, settings, report)

    def plane(network: Any, data: Any, network_name: str = ONLY_NETWORK) -> Any:
        return article.plane(network, data, **_told(article.plane, network_name=network_name))

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
        plane=plane if hasattr(article, "plane") else None,
        figures_by=part("FIGURES_BY", {}),
        printed_loss=part("PRINTED_LOSS", "loss"),
        published=part("PUBLISHED", {}),
        published_with=part("PUBLISHED_WITH", {}),
        claims=tuple(part("CLAIMS", ())),
        errata=tuple(part("ERRATA", ())),
        epoch_line=part("epoch_line", fit_line),
        commands=part("COMMANDS", {}),
    )


def _import(path: str, needed: bool = True) -> ModuleType | None:
    """Imports a lesson, or its article, which the copy of a lesson that somebody changes lacks."""
    try:
        return importlib.import_module(path)
    except InputError:
        raise
    except Exception as error:
        if not needed and isinstance(error, ModuleNotFoundError) and error.name == path:
            return None
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f.lineno for f in frames if Path(f.filename).stem == path.rpartition(".")[2]]
        where = f"line {lines[-1]}: " if lines else ""
        raise InputError(
            f"{path} cannot be imported ({where}{type(error).__name__}: {error}); correct it."
        ) from error


def _told(function: Callable, **about: Any) -> dict[str, Any]:
    """Returns those arguments that a function has parameters for."""
    return {n: about[n] for n in inspect.signature(function).parameters if n in about}


def _mistakes(module: ModuleType, article: ModuleType | None) -> Iterator[str]:
    """Yields what keeps two modules from being a lesson and its article.

    After the first mistake, the others may follow from it.
    """
    part = functools.partial(getattr, article)
    for name in ("SETTINGS", "load", "NETWORKS", "draw"):
        if not hasattr(module, name):
            yield f"the lesson lacks `{name}`; ae/lesson.py says what a lesson defines."
    networks = module.NETWORKS
    if not networks or not all(map(_is_in_both_styles, networks.values())):
        yield "NETWORKS must be {network: {style: (build, train)}}, each in both styles."
    pairs = [pair for styles in networks.values() for pair in styles.values()]
    functions = {f.__name__: f for f in (module.load, *itertools.chain(*pairs))}
    options, claims, errata = part("OPTIONS", {}), part("CLAIMS", ()), part("ERRATA", ())
    for name, option in options.items():
        if option.type is None and not isinstance(option.default, int | float | str):
            yield f"the option '{name}' needs a type, such as type=float | None."
    for name, kind, found in (("CLAIMS", Claim, claims), ("ERRATA", Erratum, errata)):
        if not all(isinstance(one, kind) for one in found):
            yield f"{name} must be a list of `{kind.__name__}`."
    settings = {field.name: None for field in dataclasses.fields(module.SETTINGS)}
    settings |= {"variant": VARIANTS, **{name: o.choices for name, o in options.items()}}
    named = [
        ("PRESETS has no preset", part("PRESETS", {}), PRESETS),
        *(("PRESETS: no setting is called", c, settings) for c in part("PRESETS", {}).values()),
        ("CLAIMS: no network is called", [c.network for c in claims if c.network], networks),
        ("ERRATA: no network is called", [e.network for e in errata if e.measures], networks),
    ]
    for (setting, value), passed in part("ARGUMENTS", {}).items():
        named += [
            ("ARGUMENTS: no setting is called", [setting], settings),
            (f"ARGUMENTS: {setting} is never", [value], settings.get(setting) or [value]),
            ("ARGUMENTS: neither `load` nor NETWORKS has a function", passed, functions),
        ]
        option = options.get(setting)
        if option and not option.choices and not isinstance(option.default, bool):
            yield f"ARGUMENTS: '{setting}' may have values that no entry names; give it choices."
        for function in functions.keys() & passed:
            takes = inspect.signature(functions[function]).parameters
            named.append((f"ARGUMENTS: `{function}` has no argument", passed[function], takes))
    for what, words, known in named:
        for word in words:
            if word not in known:
                yield f"{what} '{word}'{did_you_mean(str(word), map(str, known))}"


def _is_in_both_styles(styles: Any) -> bool:
    return (
        isinstance(styles, Mapping)
        and set(styles) == set(STYLES)
        and all(len(p) == 2 and all(hasattr(f, "__name__") for f in p) for p in styles.values())
    )


def _settings(constants: Settings, options: Mapping[str, Option]) -> Settings:
    """Adds the article's options to the lesson's settings."""
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
    return kind(**dataclasses.asdict(constants))
