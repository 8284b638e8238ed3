"""Loads lessons: puts each together from its module and its article's, and checks both.

`ae/lesson.py` says what these modules define.
"""

import dataclasses
import functools
import importlib
import inspect
import itertools
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ae import datasets
from ae.errors import InputError, did_you_mean
from ae.lesson import (
    ONLY_NETWORK,
    PACKAGE,
    PAIRS,
    PRESETS,
    STYLES,
    VARIANTS,
    Claim,
    Erratum,
    Examples,
    Exercise,
    Lesson,
    Settings,
    Step,
    Style,
    fit_line,
    presets_from,
)
from ae.networks import codec, require_network


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
    article = _article(name)
    part = functools.partial(getattr, article)
    for mistake in _mistakes(module, article):
        raise InputError(f"{name}: {mistake}")
    captions, arguments = part("CAPTIONS", {}), part("ARGUMENTS", {})
    passed_on = part("PASSED_ON", {})
    presets = presets_of(module.SETTINGS, name)
    article_preset = presets["article"]

    def passed_to(function: Callable, settings: Settings) -> dict[str, Any]:
        """Returns what the settings pass to one of the lesson's functions."""
        found: dict[str, Any] = {}
        for (setting, value), functions in arguments.items():
            if getattr(settings, setting) == value:
                found.update(functions.get(function.__name__, {}))
        for setting, functions in passed_on.items():
            value, default = (getattr(s, setting) for s in (settings, article_preset))
            if value != default and function.__name__ in functions:  # else the lesson's constant
                found[functions[function.__name__]] = value
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
        source = _own_data(settings) or data_dir
        data = module.load(settings, source, **passed_to(module.load, settings))
        for field in ("_fields", "x_train", "x_test", "provenance"):
            if not hasattr(data, field):
                raise InputError(
                    f"{name}: `load` must return a named tuple with x_train, x_test and "
                    f"provenance; what it returns has no {field}."
                )
        if not len(data.x_train):
            raise InputError(
                f"{name}: no training examples are left of {data.provenance.source}, because the "
                "corrected variant sets 10,000 aside; leave --variant out, or give more."
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

    def appendix(data: Any, settings: Settings, report: Any, networks: Callable) -> None:
        article.appendix(data, settings, report, **_told(article.appendix, networks=networks))

    def plane(network: Any, data: Any, network_name: str = ONLY_NETWORK) -> Any:
        return article.plane(network, data, **_told(article.plane, network_name=network_name))

    return Lesson(
        name=name,
        doc=module.__doc__ or "",
        file=Path(module.__file__) if getattr(module, "__file__", None) else None,
        presets=presets,
        load=load_data,
        networks={
            network: {
                style: Style(functools.partial(build, build_it), functools.partial(train, train_it))
                for style, (build_it, train_it) in styles.items()
            }
            for network, styles in module.NETWORKS.items()
        },
        draw=draw,
        examples=functools.partial(examples_of, name),
        appendix=appendix if hasattr(article, "appendix") else None,
        plane=plane if hasattr(article, "plane") else None,
        notice=part("notice", lambda network, settings: ""),
        figures_by=part("FIGURES_BY", {}),
        summed=tuple(part("SUMMED", ())),
        printed_loss=part("PRINTED_LOSS", "loss"),
        published=part("PUBLISHED", {}),
        published_with=part("PUBLISHED_WITH", {}),
        claims=tuple(part("CLAIMS", ())),
        errata=tuple(part("ERRATA", ())),
        link=part("LINK", ""),
        steps=tuple(part("STEPS", ())),
        differs=part("DIFFERS", {}),
        exercises=tuple(part("EXERCISES", ())),
        epoch_line=part("epoch_line", fit_line),
        commands=part("COMMANDS", {}),
    )


def presets_of(constants: Settings, name: str) -> dict[str, Settings]:
    """Makes a lesson's presets of its constants and of what its article adds and changes."""
    part = functools.partial(getattr, _article(name))
    return presets_from(constants, part("OPTIONS", {}), part("PRESETS", {}))


def examples_of(name: str, data: Any) -> Examples:
    """Chooses the examples that are followed through a training: the article's choice, or ten."""
    chosen = getattr(_article(name), "examples", None)
    return chosen(data) if chosen else Examples(data.x_test[:10])


def _own_data(settings: Settings) -> datasets.OwnImages | datasets.OwnPairs | None:
    """Returns what a lesson loads instead of its data set, if the user named folders."""
    if images := getattr(settings, "images", None):
        return datasets.OwnImages(Path(images[0]), settings.seed)
    if pairs := getattr(settings, "pairs", None):
        return datasets.OwnPairs(*map(Path, pairs), settings.seed)
    return None


def _article(name: str) -> ModuleType | None:
    return _import(f"{PACKAGE}.articles.{name}", needed=False)


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
    steps, exercises = part("STEPS", ()), part("EXERCISES", ())
    for name, kind, found in (
        ("CLAIMS", Claim, claims),
        ("ERRATA", Erratum, errata),
        ("STEPS", Step, steps),
        ("EXERCISES", Exercise, exercises),
    ):
        if not all(isinstance(one, kind) for one in found):
            yield f"{name} must be a list of `{kind.__name__}`."
    settings = {field.name: None for field in dataclasses.fields(module.SETTINGS)}
    settings |= {"variant": VARIANTS, **{name: o.choices for name, o in options.items()}}
    named = [
        ("PRESETS has no preset", part("PRESETS", {}), PRESETS),
        *(("PRESETS: no setting is called", c, settings) for c in part("PRESETS", {}).values()),
        ("SUMMED: no network is called", part("SUMMED", ()), networks),
        ("CLAIMS: no network is called", [c.network for c in claims if c.network], networks),
        ("ERRATA: no network is called", [e.network for e in errata if e.measures], networks),
        ("EXERCISES: no network is called", [e.network for e in exercises], networks),
        ("DIFFERS: the styles have no pair of cells called", part("DIFFERS", {}), PAIRS),
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
    for setting, passed in part("PASSED_ON", {}).items():
        named += [
            ("PASSED_ON: no setting is called", [setting], settings),
            ("PASSED_ON: neither `load` nor NETWORKS has a function", passed, functions),
        ]
        for function in functions.keys() & passed:
            takes = inspect.signature(functions[function]).parameters
            named.append((f"PASSED_ON: `{function}` has no argument", [passed[function]], takes))
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
