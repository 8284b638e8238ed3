"""The command line that all lessons share; a lesson imports it first, before Keras."""

import argparse
import importlib.util
import inspect
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ae import console
from ae.errors import InputError, Interrupted
from ae.lesson import PACKAGE, Lesson
from ae.options import answer_script, choose_settings, parse, redrawn_with
from ae.paths import python
from ae.proof import times

answer_script()  # what follows starts TensorFlow

from ae.lessons import gather, load
from ae.proof.claims import Verdicts
from ae.report.snapshots import Snapshots
from ae.runs import lifecycle, records
from ae.runs.folder import (
    claimed,
    differences,
    is_unfinished,
    refuse_what_would_be_lost,
    was_interrupted,
)

import matplotlib.pyplot
from matplotlib.backends.registry import BackendFilter, backend_registry

OBSERVERS = (Verdicts, Snapshots)  # what a run keeps besides histories, figures and networks


def main(module: ModuleType) -> None:
    """Runs a lesson as a script and exits; in a notebook, with its defaults, and returns."""
    if _stands_in_cells(module):  # then the arguments are those of the kernel
        console.guard(lambda: run_script(gather(module, _name_of(module)), []))
        return
    raise SystemExit(console.guard(lambda: run_script(_lesson_in(module), sys.argv[1:])))


def _stands_in_cells(module: ModuleType) -> bool:
    """Says whether an editor or Jupyter runs a lesson's cells in a kernel, and not its file."""
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        return False
    file = getattr(module, "__file__", None)
    return file is None or Path(file).resolve() != Path(sys.argv[0]).resolve()


def _name_of(module: ModuleType) -> str:
    """Names the lesson whose file has most of the functions in a notebook's cells, as they are."""
    codes = []
    for function in filter(inspect.isfunction, vars(module).values()):
        with suppress(OSError, TypeError):  # no source is known, as of a wrapped builtin
            codes.append(inspect.getsource(function))
    package = importlib.import_module(PACKAGE)
    files = {name: importlib.util.find_spec(f"{PACKAGE}.{name}").origin for name in package.names()}
    texts = {name: Path(file).read_text(encoding="utf-8") for name, file in files.items()}
    found = {name: sum(code in text for code in codes) for name, text in texts.items()}
    best = max(found, key=found.get)
    return best if found[best] else "notebook"  # a lesson that has no article


def _lesson_in(module: ModuleType) -> Lesson:
    """Loads a script's lesson under its own name, so that its article can import it too."""
    path = Path(module.__file__).resolve()
    package = importlib.import_module(PACKAGE)
    if path.parent in [Path(folder).resolve() for folder in package.__path__]:
        return load(path.stem)
    return gather(module, path.stem)


def run_script(lesson: Lesson, arguments: Sequence[str]) -> int | None:
    """Does what a lesson's command line says; returns an exit code, or None for 0."""
    if arguments and arguments[0] in lesson.commands:
        return lesson.commands[arguments[0]](lesson, arguments[1:])
    options = parse(lesson, arguments)
    draw_out_of_sight(options)
    if options.from_run is not None:
        asked = {name: getattr(options, name) for name in redrawn_with(lesson)}
        record = lifecycle.redraw(
            lesson,
            options.from_run,
            options.out,
            asked={name: value for name, value in asked.items() if value is not None},
            style=options.style,
            data_dir=options.data_dir,
            show=options.show,
            overwrite=options.overwrite,
        )
    elif options.resume is not None:
        chosen = options.resume, options.data_dir, options.show, OBSERVERS, options.strategy
        record = lifecycle.resume(lesson, *chosen)
    else:
        record = run(lesson, options, options.out or Path("runs") / lesson.name)
    if record is None:  # another worker keeps the run
        return None
    print(f"\n{records.table([record])}\n")
    console.print_time()
    print(f"Open {Path(record['folder']) / 'figures'}")
    show_figures(options)
    return None


def draw_out_of_sight(options: argparse.Namespace) -> None:
    """Draws figures without windows, unless the user asked for windows and they can be opened."""
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
    """Shows the figures in windows until they are closed, if the user asked for it."""
    if options.show:
        matplotlib.pyplot.show()


def run(lesson: Lesson, options: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Trains a lesson as its options say; returns the record, as `ae.runs.lifecycle.train`."""
    settings = choose_settings(lesson, options)
    return lifecycle.train(
        lesson,
        settings,
        folder,
        preset=options.preset,
        style=options.style,
        data_dir=options.data_dir,
        show=options.show,
        tensorboard=options.tensorboard,
        strategy=options.strategy,
        overwrite=options.overwrite,
        observers=OBSERVERS,
        expected="" if options.strategy else times.expected(lesson, settings, options.style),
    )


def _beginning(lesson: Lesson, options: argparse.Namespace) -> dict[str, Any]:
    """Returns how the record of a run begins that a lesson's options ask for."""
    settings = choose_settings(lesson, options)
    chosen = options.preset, options.style, options.tensorboard, options.strategy
    return lifecycle.beginning(lesson, settings, *chosen)


def run_or_resume(lesson: Lesson, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Runs a lesson, resumes its interrupted run of the same options, or takes a finished one."""
    place = folder / records.UNFINISHED if is_unfinished(folder) else folder
    if not (place / records.RECORD).is_file():
        return run(lesson, options, folder)
    record, _ = records.read_run(lesson, place)
    others = differences(record, _beginning(lesson, options))
    if others and place == folder:
        return run(lesson, options, folder)  # if it may be overwritten
    if others:
        raise InputError(
            f"{folder}: the run there has {others[0]}; "
            "resume it with its own options, or choose another --out."
        )
    if place == folder:
        return {**record, "folder": folder}
    return lifecycle.resume(lesson, folder, options.data_dir, options.show, OBSERVERS)


# Commands of several runs: `python -m tutorials COMMAND ARGUMENTS`, with --resume to resume them


def _again(command: str, arguments: Sequence[str]) -> str:
    """Returns what to type to resume a command of several runs."""
    same = shlex.join([command, *(a for a in arguments if a != "--resume"), "--resume"])
    return f"{python()} -m tutorials {same}"


@contextmanager
def resumed_by(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Makes the Ctrl-C message name the whole command."""
    try:
        yield
    except Interrupted as error:
        raise Interrupted(f"Interrupted; to resume: {_again(command, arguments)}") from error


def refuse_lossy(
    planned: Iterable[tuple[Lesson, Path, argparse.Namespace]],
    command: str,
    arguments: Sequence[str],
) -> None:
    """Stops a command of several runs before its first one, if one of them would be refused."""
    for lesson, folder, options in planned:
        if not was_interrupted(folder):
            wanted = _beginning(lesson, options)
            refuse_what_would_be_lost(folder, wanted, options.overwrite)
            continue
        with claimed(folder):  # or says that the run is still going
            raise InputError(
                f"{folder}: a run was interrupted here; resume it and the others, "
                f"{_again(command, arguments)}, or delete {folder / records.UNFINISHED}."
            )
