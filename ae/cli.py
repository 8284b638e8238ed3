"""The command line that all lessons share, and the run that it starts."""

import argparse
import dataclasses
import datetime
import inspect
import os
import sys
import tempfile
import time
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ae import claims, published, records
from ae.errors import InputError
from ae.lesson import (
    PRESETS,
    STYLES,
    VARIANTS,
    Lesson,
    Settings,
    count_parameters,
    reconstruct,
)
from ae.snapshots import Snapshots, write_examples, write_plane
from ae.training import Run

import keras
import matplotlib.pyplot

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
BROKEN_PIPE = 141  # and for one whose reader went away


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence instead of its usage."""

    def error(self, message: str) -> NoReturn:
        """Reports a mistake in the arguments."""
        raise InputError(f"{self.prog}: {message} (--help lists the options).")


def main(lesson: Lesson, arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one lesson as a script and exits.

    Args:
        lesson: the lesson.
        arguments: the command line without the program's name; None takes the process's own.
    """
    raise SystemExit(guard(lambda: _run_script(lesson, arguments)))


def guard(command: Callable[[], int | None]) -> int:
    """Runs a command and turns what a user can mend, or did, into a sentence and an exit code."""
    try:
        return command() or 0
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print("Interrupted: this training is not saved.", file=sys.stderr)
        return INTERRUPTED


def _run_script(lesson: Lesson, arguments: Sequence[str] | None) -> None:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in lesson.commands:
        lesson.commands[arguments[0]](lesson, arguments[1:])
        return
    parser = Parser(
        prog=lesson.name,
        description=lesson.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, default_preset="article")
    add_settings(parser, lesson)
    options = parser.parse_args(arguments)
    if options.from_run is not None:
        record = redraw(lesson, options)
    else:
        record = run(lesson, options, options.out or Path("runs") / lesson.name)
    print(records.table([record]))
    print(f"Figures: {Path(record['folder']) / 'figures'}")
    show_figures(options)


def show_figures(options: argparse.Namespace) -> None:
    """Shows the figures in windows, if the user asked for it, until they are closed."""
    if options.show:
        matplotlib.pyplot.show()


def add_options(parser: argparse.ArgumentParser, default_preset: str) -> None:
    """Adds the options that every lesson takes."""
    add = parser.add_argument
    add("--style", choices=(*STYLES, "both"), default="both", help="default: both")
    add("--preset", choices=PRESETS, default=default_preset, help=f"default: {default_preset}")
    add("--variant", choices=VARIANTS, help="as published (default), or with the errata applied")
    add("--epochs", type=_positive(int), help="epochs to train for")
    add("--batch-size", type=_positive(int), help="examples in a minibatch")
    add("--learning-rate", type=_positive(float), help="the optimizer's step size")
    add("--seed", type=_natural, help="seed of weights, shuffling and noise; default: 0")
    add("--data-dir", type=Path, help="folder with the data sets; default: $AE_DATA_DIR")
    add("--out", type=Path, help="folder for record, figures and networks; default: runs/NAME")
    add("--from", dest="from_run", type=Path, metavar="RUN", help="redraw the figures of a run")
    add("--show", action="store_true", help="show the figures in windows too")
    add("--tensorboard", action="store_true", help="write TensorBoard logs beside the record")
    add("--mixed-precision", action="store_true", default=None,
        help="compute the Keras network in bfloat16")  # fmt: skip
    add("--xla", dest="jit_compile", action=argparse.BooleanOptionalAction,
        help="compile the training steps with XLA; default: the lesson's choice")  # fmt: skip


def add_settings(parser: argparse.ArgumentParser, lesson: Lesson) -> None:
    """Adds the options that a lesson declares in its settings."""
    kind = type(lesson.presets["article"])
    types = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if "help" not in field.metadata:
            continue
        flag, about = "--" + field.name.replace("_", "-"), field.metadata["help"]
        if types[field.name] is bool:
            parser.add_argument(flag, action="store_true", default=None, help=about)
        else:
            parser.add_argument(flag, choices=field.metadata["choices"], help=about)


def choose_settings(lesson: Lesson, options: argparse.Namespace) -> Settings:
    """Takes a preset's settings and puts in their place what the user chose."""
    preset = lesson.presets[options.preset]
    chosen = {**vars(options), "num_epochs": options.epochs}
    names = [field.name for field in dataclasses.fields(preset)]
    return dataclasses.replace(
        preset, **{name: chosen[name] for name in names if chosen.get(name) is not None}
    )


def article_options(**chosen: Any) -> argparse.Namespace:
    """Returns what parsing `--preset article` would, with some options chosen."""
    parser = Parser()
    add_options(parser, default_preset="article")
    return argparse.Namespace(**{**vars(parser.parse_args([])), **chosen})


def run(lesson: Lesson, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains a lesson's networks, draws their figures and writes the record.

    Args:
        lesson: the lesson.
        options: what `add_options` and `add_settings` parsed.
        folder: where everything goes.

    Returns:
        The record, as `record.json` in the folder holds it.

    Raises:
        InputError: if the data or the folder cannot be used, or a loss stops being a number.
    """
    if not options.show:
        matplotlib.use("Agg")
    settings = choose_settings(lesson, options)
    is_new = not folder.exists()
    _check_folder(folder)
    try:
        data = lesson.load(settings, options.data_dir)
    except InputError:
        if is_new:
            folder.rmdir()
        raise
    examples = lesson.examples(data)
    record: dict[str, Any] = {
        "lesson": lesson.name,
        "preset": options.preset,
        "settings": dataclasses.asdict(settings),
        "data": data.provenance._asdict(),
        **records.environment(),
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "measure": lesson.measure,
        "trainings": [],
    }
    source = _source(lesson)
    for network_name, style in _chosen(lesson, options.style):
        network = _build(lesson, network_name, style, settings)
        label = _label(lesson, network_name, style)
        log_dir = folder / "tensorboard" / label.replace(" ", "-") if options.tensorboard else None
        snapshots = Snapshots(folder, label, examples, partial(reconstruct, network))
        training = Run(
            *(f"{lesson.name} {label}", settings.num_epochs, lesson.epoch_line, log_dir),
            after_epoch=snapshots.after_epoch,
        )
        started = time.perf_counter()
        lesson.networks[network_name][style].train(network, data, settings, training)
        seconds = time.perf_counter() - started
        snapshots.keep(len(training.history))
        saved = records.save_network(network, folder / "networks", label.replace(" ", "-"))
        report = _draw(lesson, network, label, data, settings, folder, options.show)
        claimed = []
        if options.preset == "article":
            claimed = claims.measure(lesson, network_name, network, data, settings)
            print("\n".join(f"{label}: {line}" for line in claims.lines(claimed)))
        record["trainings"].append(
            {
                "network": network_name,
                "style": style,
                "parameters": count_parameters(network),
                "seconds": seconds,
                "published": _published(lesson, network_name, record, len(training.history)),
                "history": training.history,
                "results": report.results,
                "claims": claimed,
                "snapshots": snapshots.kept,
                "plane": _plane(lesson, network, label, data, folder),
                "saved": saved.relative_to(folder),
                "figures": [path.relative_to(folder) for path in report.figures],
            }
        )
        keras.backend.clear_session()
    record["appendix"] = _draw_appendix(lesson, data, settings, folder, options.show)
    record["examples"] = write_examples(folder, examples)
    record["source"] = None
    if source is not None:
        record["source"] = f"{lesson.name}.py"
        (folder / record["source"]).write_text(source, encoding="utf-8")
    records.write_record(folder, record)
    return {**records.read_record(folder), "folder": folder}


def redraw(lesson: Lesson, options: argparse.Namespace) -> dict[str, Any]:
    """Draws the figures of an earlier run again, from its saved networks."""
    if not options.show:
        matplotlib.use("Agg")
    folder = options.from_run
    asked = {
        field.name: vars(options)[field.name]
        for field in dataclasses.fields(lesson.presets["article"])
        if "help" in field.metadata and vars(options)[field.name] is not None
    }
    record, settings = read_run(lesson, folder, asked)
    out = options.out or folder
    _check_folder(out)
    data = lesson.load(settings, options.data_dir)
    for training in record["trainings"]:
        if options.style not in (training["style"], "both"):
            continue
        network = load_network(lesson, folder, training, settings)
        label = _label(lesson, training["network"], training["style"])
        _draw(lesson, network, label, data, settings, out, options.show)
    _draw_appendix(lesson, data, settings, out, options.show)
    return {**record, "folder": out}


def read_run(
    lesson: Lesson, folder: Path, asked: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Settings]:
    """Reads what an earlier run of a lesson was.

    Args:
        lesson: the lesson.
        folder: the run's.
        asked: settings to put in the place of the run's own.

    Returns:
        Its record and its settings.

    Raises:
        InputError: if there is no such run, or it is of another lesson or does not fit this one.
    """
    record = records.read_record(folder)
    if record["lesson"] != lesson.name:
        raise InputError(f"{folder}: this is a run of {record['lesson']}, not of {lesson.name}.")
    try:
        settings = type(lesson.presets["article"])(**{**record["settings"], **(asked or {})})
        for training in record["trainings"]:
            lesson.networks[training["network"]][training["style"]]  # what the record names exists
            folder / training["saved"]
        records.table([record])  # what is printed at the end can be
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{folder}: its record does not fit this version of {lesson.name}; run it again."
        ) from error
    return record, settings


def load_network(
    lesson: Lesson, folder: Path, training: Mapping[str, Any], settings: Settings
) -> Any:
    """Builds a network of an earlier run and fills it with the weights that the run saved.

    Args:
        lesson: the lesson.
        folder: the run's.
        training: one of the trainings in its record.
        settings: the run's.

    Raises:
        InputError: if the weights are missing or are another network's.
    """
    network = _build(lesson, training["network"], training["style"], settings)
    records.load_weights(network, folder / training["saved"])
    return network


def _published(lesson, network, record, num_epochs) -> dict[str, Any] | None:
    """Looks up what was published for the epoch that a run ended with, or the last before it."""
    columns = published.columns(lesson, network, record["settings"], record["data"]["notice"])
    if not columns:
        return None
    curve = published.curve(lesson.name)
    row = min(num_epochs, len(curve["epoch"])) - 1
    return {"epoch": int(curve["epoch"][row]), "losses": [curve[c][row] for c in columns]}


def _chosen(lesson: Lesson, style: str) -> list[tuple[str, str]]:
    return [
        (network, s)
        for network, styles in lesson.networks.items()
        for s in styles
        if style in (s, "both")
    ]


def _build(lesson: Lesson, network: str, style: str, settings: Settings) -> Any:
    keras.utils.set_random_seed(settings.seed)
    mixed = settings.mixed_precision and style == "keras"
    if settings.mixed_precision and not mixed:
        print(f"{lesson.name}: the low-level style computes in float32.", file=sys.stderr)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if mixed else "float32")
    try:
        return lesson.networks[network][style].build(settings)
    finally:
        keras.mixed_precision.set_global_policy("float32")


def _draw(lesson, network, label, data, settings, folder, show) -> records.Report:
    prefix = label.replace(" ", "-") + "-"
    report = records.Report(folder / "figures", prefix, data.provenance.notice, show)
    lesson.draw(network, data, settings, report)
    return report


def _source(lesson: Lesson) -> str | None:
    """Reads the lesson's file, for the report to show what ran; a notebook's cells have none."""
    path = inspect.getsourcefile(lesson.load)
    if path is None or not Path(path).is_file():
        return None
    return Path(path).read_text(encoding="utf-8")


def _plane(lesson, network, label, data, folder) -> dict[str, Any] | None:
    if lesson.plane is None:
        return None
    return write_plane(folder, label, lesson.plane(network, data))


def _draw_appendix(lesson, data, settings, folder, show) -> dict[str, Any]:
    report = records.Report(folder / "figures", "", data.provenance.notice, show)
    if lesson.appendix is not None:
        lesson.appendix(data, settings, report)
    return {
        "results": report.results,
        "figures": [path.relative_to(folder) for path in report.figures],
    }


def _label(lesson: Lesson, network: str, style: str) -> str:
    return style if len(lesson.networks) == 1 else f"{network} {style}"


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # a folder that exists may still be one that nothing can be written to
    except OSError as error:
        raise InputError(
            f"--out {folder}: this folder cannot be made or used ({error.strerror})."
        ) from error


def _positive(kind: type) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            noun = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"must be a {noun} above zero, not '{text}'")
        return value

    return parse


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number below 2147483648, not '{text}'")
    return int(text)
