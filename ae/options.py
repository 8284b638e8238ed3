"""The options of a lesson: its command line, parsed without TensorFlow."""

import argparse
import dataclasses
import importlib
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ae import console, outlines
from ae.console import Parser, positive, up_to
from ae.errors import InputError
from ae.lesson import PACKAGE, PRESETS, STRATEGIES, STYLES, VARIANTS, Outline, Settings
from ae.paths import PRETRAINED, data_folder
from ae.proof import times
from ae.runs import records
from ae.runs.folder import require_unfinished, whole
from ae.terminal import counted

ALREADY = "pretrained"  # as a run: the network that comes with the project
LARGEST_BATCH = 60_000  # every training image of MNIST
LARGEST_SEED = 2**31 - 1
PRESETS_OF_ALL = (
    "smoke: an epoch of few examples, shows only that all works; quick: a short training; "
    "article: as published; --help of a lesson says how long each takes"
)


def answer_script() -> None:
    """Answers a lesson's script, if that takes no TensorFlow, and ends the process then.

    A script's first import calls it, so that the others do not delay the answer.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    folders = [Path(folder).resolve() for folder in importlib.import_module(PACKAGE).__path__]
    if script and Path(script).resolve().parent in folders:
        code = console.guard(lambda: answer(Path(script).stem, sys.argv[1:]))
        if code:
            raise SystemExit(code)


def answer(name: str, arguments: Sequence[str]) -> None:
    """Answers the arguments of a lesson, if that takes no TensorFlow: help, and mistakes.

    Raises:
        SystemExit: the help is printed.
        InputError: as `parse`.
    """
    lesson = outlines.read(name)
    if lesson and not (arguments and arguments[0] in lesson.commands):
        parse(lesson, arguments)


def parse(lesson: Outline, arguments: Sequence[str]) -> argparse.Namespace:
    """Parses the arguments of a lesson.

    Raises:
        InputError: for a mistake in them, or for a run or a folder that is not there.
    """
    parser = Parser(
        prog=lesson.command,
        description=lesson.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, "article", _presets_of(lesson))
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--from", dest="from_run", type=Path, metavar="RUN",
        help="redraw the figures of a run, or of the network that comes with the project: "
        f"--from {ALREADY}")  # fmt: skip
    earlier.add_argument("--resume", type=Path, metavar="RUN",
        help="resume an interrupted run, with its own settings")  # fmt: skip
    add_settings(parser, lesson)
    options = parser.parse_args(arguments)
    if options.from_run is not None:
        if options.from_run == Path(ALREADY):
            options.from_run = _pretrained(lesson)
            options.out = options.out or Path("runs") / lesson.name
        redrawn = redrawn_with(lesson)
        _refuse_other_options(parser, options, "from_run", "style", "out", "overwrite", *redrawn)
        records.read_run(lesson, whole(options.from_run))
    if options.resume is not None:
        _refuse_other_options(parser, options, "resume", "strategy")
        if options.strategy != "multi-worker":  # else another machine may have it
            require_unfinished(whole(options.resume))
    return options


def redrawn_with(lesson: Outline) -> list[str]:
    """Lists the lesson's options that `--from` takes: they change no trained network."""
    return [field.name for field in _options_of(lesson) if not field.metadata["retrains"]]


def _pretrained(lesson: Outline) -> Path:
    folder = PRETRAINED / lesson.name
    if not (folder / records.RECORD).is_file():
        there = sorted(path.parent.name for path in PRETRAINED.glob(f"*/{records.RECORD}"))
        raise InputError(
            f"No trained network of {lesson.name} comes with the project, only of "
            f"{', '.join(there)}; train it, `{lesson.command} --preset quick`."
        )
    return folder


def _refuse_other_options(parser: Parser, options: argparse.Namespace, *allowed: str) -> None:
    """Refuses options beside --resume or --from that the run has settings for."""
    for name, value in vars(options).items():
        if name not in (*allowed, "data_dir", "show") and value != parser.get_default(name):
            flag = "--resume" if options.resume is not None else "--from"
            parser.error(f"{flag} takes its settings from the run; leave the other options out")


def _presets_of(lesson: Outline) -> str:
    """Says what each preset of a lesson is, and how long it may take."""
    about = []
    for name, settings in lesson.presets.items():
        size = counted(settings.num_train, "training example") if settings.num_train else ""
        aim = {"smoke": "shows only that all works", "article": "as published"}.get(name, "")
        time = times.expected(lesson, settings, "both")
        parts = (counted(settings.num_epochs, "epoch"), size, aim, time)
        about.append(f"{name}: {', '.join(filter(None, parts))}")
    return "; ".join(about)


def add_options(parser: Parser, default_preset: str, presets: str = PRESETS_OF_ALL) -> None:
    """Adds the options that every lesson takes; `presets` says what the presets are."""
    add = parser.add_argument
    add("--style", choices=(*STYLES, "both"), default="both",
        help="tf.Variable and GradientTape, compile and fit, or both; default: both")  # fmt: skip
    add("--preset", choices=PRESETS, default=default_preset,
        help=f"{presets}; default: {default_preset}")  # fmt: skip
    add("--variant", choices=VARIANTS, help="as published (default), or with the errata applied")
    add("--epochs", type=positive(int), help="epochs to train for; default: the preset's")
    add("--batch-size", type=up_to(LARGEST_BATCH),
        help="examples in a minibatch; default: the preset's")  # fmt: skip
    add("--learning-rate", type=positive(float),
        help="the optimizer's step size; default: the preset's")  # fmt: skip
    add("--seed", type=up_to(LARGEST_SEED, least=0),
        help="seed of weights, shuffling and noise; default: 0")  # fmt: skip
    add("--data-dir", type=data_folder, help="folder with the data sets; default: $AE_DATA_DIR")
    parser.add_out("for record, figures and networks; default: runs/NAME; of several, runs")
    add("--show", action="store_true", help="show the figures in windows too")
    add("--tensorboard", action="store_true", help="write TensorBoard logs beside the record")
    add("--mixed-precision", action="store_true", default=None,
        help="multiply and convolve in bfloat16; the low-level style not with XLA")  # fmt: skip
    add("--deterministic", action="store_true", default=None,
        help="use only operations that give the same bits each time, on a GPU too")  # fmt: skip
    add("--strategy", choices=STRATEGIES,
        help="train on all GPUs of this machine (mirrored), or on the machines that the variable "
        "TF_CONFIG names (multi-worker, low-level style)")  # fmt: skip
    add("--xla", dest="jit_compile", action=argparse.BooleanOptionalAction,
        help="compile the training steps with XLA; default: the lesson's choice")  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, lesson: Outline) -> None:
    """Adds the options that a lesson declares in its settings."""
    types = typing.get_type_hints(type(lesson.presets["article"]))
    for field in _options_of(lesson):
        kind = types[field.name]
        if type(None) in typing.get_args(kind):
            kind = typing.get_args(kind)[0]
        single = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
        how: dict[str, Any] = {"choices": field.metadata["choices"]}
        if single is bool:
            how = {"action": argparse.BooleanOptionalAction}
        elif bounds := field.metadata["bounds"]:
            how["type"] = up_to(bounds[1], bounds[0])
        elif folders := field.metadata["folders"]:
            how = {"type": console.existing_folder, "nargs": len(folders), "metavar": folders}
        elif single in (int, float):
            how["type"] = console.number(single, several=single is not kind)
        flag, about = "--" + field.name.replace("_", "-"), field.metadata["help"].replace("%", "%%")
        try:
            parser.add_argument(flag, help=about, **how)
        except argparse.ArgumentError as error:
            raise InputError(
                f"{lesson.name}: every lesson has an option {flag} already; rename its own."
            ) from error


def _options_of(lesson: Outline) -> list[dataclasses.Field]:
    """Lists the settings that a lesson makes options of its own."""
    fields = dataclasses.fields(lesson.presets["article"])
    return [field for field in fields if field.metadata.get("help")]


def choose_settings(lesson: Outline, options: argparse.Namespace) -> Settings:
    """Takes a preset's settings, replaced where the user chose others."""
    preset = lesson.presets[options.preset]
    chosen = {**vars(options), "num_epochs": options.epochs}
    names = [field.name for field in dataclasses.fields(preset)]
    given = {name: chosen[name] for name in names if chosen.get(name) is not None}
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return dataclasses.replace(preset, **{**given, **lists})


def article_options(**chosen: Any) -> argparse.Namespace:
    """Returns what parsing `--preset article` would, with some options chosen."""
    parser = Parser()
    add_options(parser, default_preset="article")
    return argparse.Namespace(**{**vars(parser.parse_args([])), **chosen})
