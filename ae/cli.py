"""The command line that all lessons share."""

import argparse
import dataclasses
import io
import os
import shlex
import signal
import sys
import textwrap
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ae.errors import InputError, Interrupted
from ae.lesson import PRESETS, STYLES, VARIANTS, Lesson, Settings
from ae.paths import python
from ae.runs import lifecycle, records, saved
from ae.runs.folder import claimed, was_interrupted

import matplotlib.pyplot
from matplotlib.backends.registry import BackendFilter, backend_registry

LARGEST_BATCH = 60_000  # every training image of MNIST
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


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("must name a folder")
    return Path(text)


def _terminate(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def guard(command: Callable[[], int | None]) -> int:
    """Runs a command and turns what a user can mend, or did, into a sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A locale may lack a letter, and who reads a log should not wait for a full buffer.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)  # a scheduler's end, too, can be gone on from
    try:
        code = command() or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our output has gone; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.filename is None:  # not of a name that somebody gave
            raise
        print(f"{error.filename}: {error.strerror}; give another place.", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _run_script(lesson: Lesson, arguments: Sequence[str] | None) -> None:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in lesson.commands:
        lesson.commands[arguments[0]](lesson, arguments[1:])
        return
    parser = Parser(
        prog=lesson.command,
        description=lesson.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser, default_preset="article")
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--from", dest="from_run", type=Path, metavar="RUN",
        help="redraw the figures of a run")  # fmt: skip
    earlier.add_argument("--resume", type=Path, metavar="RUN",
        help="go on with an interrupted run, with the settings that it began with")  # fmt: skip
    add_settings(parser, lesson)
    options = parser.parse_args(arguments)
    draw_out_of_sight(options)
    if options.from_run is not None:
        _refuse_other_options(parser, options, "from_run", "style", "out", *_own(lesson))
        record = redraw(lesson, options)
    elif options.resume is not None:
        _refuse_other_options(parser, options, "resume")
        record = lifecycle.resume(lesson, options.resume, options.data_dir, options.show)
    else:
        record = run(lesson, options, options.out or Path("runs") / lesson.name)
    print(records.table([record]))
    print(f"Figures: {Path(record['folder']) / 'figures'}")
    show_figures(options)


def _refuse_other_options(parser: Parser, options: argparse.Namespace, *allowed: str) -> None:
    """Refuses, beside --resume or --from, what the run began with."""
    for name, value in vars(options).items():
        if name not in (*allowed, "data_dir", "show") and value != parser.get_default(name):
            flag = "--resume" if options.resume is not None else "--from"
            parser.error(f"{flag} takes its settings from the run; leave the other options out")


def _own(lesson: Lesson) -> list[str]:
    """Names the options of a lesson's own that leave a run of its kind: they may go with --from."""
    fields = dataclasses.fields(lesson.presets["article"])
    return [f.name for f in fields if f.metadata.get("makes_other_numbers") is False]


def draw_out_of_sight(options: argparse.Namespace) -> None:
    """Has figures drawn without windows, unless the user asked for them.

    Raises:
        InputError: if the user did, and windows cannot be opened here.
    """
    if not options.show:
        matplotlib.use("Agg")
    elif not _opens_windows(matplotlib.get_backend()):
        raise InputError(
            "--show: no window can be opened here (that takes a display, and Tk or Qt for Python); "
            "leave it out, and look at the figures in the run's folder."
        )


def _opens_windows(backend: str) -> bool:
    """Says whether one of Matplotlib's backends shows figures, and can be loaded here."""
    if backend.lower() in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE):
        return False
    try:
        matplotlib.pyplot.switch_backend(backend)
    except ImportError:
        return False
    return True


def show_figures(options: argparse.Namespace) -> None:
    """Shows the figures in windows, if the user asked for it, until they are closed."""
    if options.show:
        matplotlib.pyplot.show()


def print_wrapped(text: str, indent: str) -> None:
    """Prints a paragraph 96 columns wide, its first line after `indent`, the others as far in."""
    print(textwrap.fill(text, 96, initial_indent=indent, subsequent_indent=" " * len(indent)))


def add_options(parser: argparse.ArgumentParser, default_preset: str) -> None:
    """Adds the options that every lesson takes."""
    add = parser.add_argument
    add("--style", choices=(*STYLES, "both"), default="both",
        help="tf.Variable and GradientTape, compile and fit, or both; default: both")  # fmt: skip
    add("--preset", choices=PRESETS, default=default_preset, help=f"default: {default_preset}")
    add("--variant", choices=VARIANTS, help="as published (default), or with the errata applied")
    add("--epochs", type=_positive(int), help="epochs to train for; default: the preset's")
    add("--batch-size", type=up_to(LARGEST_BATCH),
        help="examples in a minibatch; default: the preset's")  # fmt: skip
    add(
        "--learning-rate",
        type=_positive(float),
        help="the optimizer's step size; default: the preset's",
    )
    add("--seed", type=_natural, help="seed of weights, shuffling and noise; default: 0")
    add("--data-dir", type=Path, help="folder with the data sets; default: $AE_DATA_DIR")
    add("--out", type=_folder,
        help="for record, figures and networks; default: runs/NAME; of several, runs")  # fmt: skip
    add("--show", action="store_true", help="show the figures in windows too")
    add("--tensorboard", action="store_true", help="write TensorBoard logs beside the record")
    add("--mixed-precision", action="store_true", default=None,
        help="multiply and convolve in bfloat16; the low-level style not with XLA")  # fmt: skip
    add("--deterministic", action="store_true", default=None,
        help="use only operations that give the same bits each time, on a GPU too")  # fmt: skip
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
    """Trains a lesson's networks as `ae.runs.lifecycle.train` does, with options for settings.

    Args:
        lesson: the lesson.
        options: what `add_options` and `add_settings` parsed.
        folder: where everything goes.

    Returns:
        The record.
    """
    return lifecycle.train(
        lesson,
        choose_settings(lesson, options),
        folder,
        preset=options.preset,
        style=options.style,
        data_dir=options.data_dir,
        show=options.show,
        tensorboard=options.tensorboard,
    )


def run_or_resume(lesson: Lesson, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs a lesson, unless the folder holds a run already.

    One that was interrupted is gone on with, and a finished one is taken as it is.

    Raises:
        InputError: if the run there is of other options; as `train` and `resume` of
            `ae.runs.lifecycle`.
    """
    chosen = dataclasses.asdict(choose_settings(lesson, options))
    wanted = {name: vars(options)[name] for name in ("preset", "style", "tensorboard")} | chosen
    for place in (folder / records.UNFINISHED, folder):
        if (place / records.RECORD).is_file():
            record, settings = saved.read_run(lesson, place)
            found = {**record, **dataclasses.asdict(settings)}
            for name, value in wanted.items():
                if found[name] != value:
                    raise InputError(
                        f"{folder}: the run there has {name} {found[name]}, not {value}; "
                        "go on with the options that it began with, or choose another --out."
                    )
            if place == folder:
                return {**record, "folder": folder}
            return lifecycle.resume(lesson, folder, options.data_dir, options.show)
    return run(lesson, options, folder)


@contextmanager
def resumed_by(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Has an interruption name the command of several runs, and not the run that it befell.

    Args:
        command: a command of `python -m tutorials` that takes --resume.
        arguments: its own.
    """
    try:
        yield
    except Interrupted as interrupt:
        raise Interrupted(f"Interrupted; to go on: {again(command, arguments)}") from interrupt


def again(command: str, arguments: Sequence[str]) -> str:
    """Returns what to type to go on with a command of several runs; arguments as `resumed_by`."""
    same = shlex.join([command, *(a for a in arguments if a != "--resume"), "--resume"])
    return f"{python()} -m tutorials {same}"


def refuse_interrupted(folders: Iterable[Path], command: str, arguments: Sequence[str]) -> None:
    """Keeps a command of several runs from beginning anew, before the first of them is trained.

    Args:
        folders: of the runs.
        command: a command of `python -m tutorials` that takes --resume.
        arguments: its own.

    Raises:
        InputError: if one of the runs was interrupted after an epoch or more, or still goes on.
    """
    for folder in folders:
        if not was_interrupted(folder):
            continue
        with claimed(folder):  # which refuses a run that still goes on with words of its own
            raise InputError(
                f"{folder}: a run was interrupted here; go on with it and the others, "
                f"{again(command, arguments)}, or delete {folder / records.UNFINISHED}."
            )


def redraw(lesson: Lesson, options: argparse.Namespace) -> dict[str, Any]:
    """Draws the figures of the run `options.from_run` as `ae.runs.lifecycle.redraw` does."""
    chosen = vars(options)
    asked = {name: chosen[name] for name in _own(lesson) if chosen[name] is not None}
    return lifecycle.redraw(
        lesson,
        options.from_run,
        options.out,
        asked=asked,
        style=options.style,
        data_dir=options.data_dir,
        show=options.show,
    )


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


def up_to(most: int) -> Callable[[str], int]:
    """Makes a function that parses a whole number from 1 to `most`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from 1 to {most}, not '{text}'"
            )
        return int(text)

    return parse


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number below 2147483648, not '{text}'")
    return int(text)
