"""The command line that all lessons share."""

import argparse
import dataclasses
import importlib.util
import inspect
import shlex
import sys
import typing
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from ae import console
from ae.console import Parser, positive, up_to
from ae.errors import InputError, Interrupted
from ae.lesson import PACKAGE, PRESETS, STYLES, VARIANTS, Lesson, Settings
from ae.lessons import gather, load
from ae.paths import PRETRAINED, python
from ae.proof import times
from ae.proof.claims import Verdicts
from ae.report.snapshots import Snapshots
from ae.runs import lifecycle, records, saved
from ae.runs.folder import (
    claimed,
    differences,
    is_unfinished,
    refuse_what_would_be_lost,
    was_interrupted,
)
from ae.terminal import counted
from ae.training.strategies import STRATEGIES

import matplotlib.pyplot
from matplotlib.backends.registry import BackendFilter, backend_registry

ALREADY = "pretrained"  # as a run: the network that comes with the project
LARGEST_BATCH = 60_000  # every training image of MNIST
LARGEST_SEED = 2**31 - 1
OBSERVERS = (Verdicts, Snapshots)  # what a run keeps besides histories, figures and networks
PRESETS_OF_ALL = (
    "smoke: an epoch of few examples, shows only that all works; quick: a short training; "
    "article: as published; --help of a lesson says how long each takes"
)


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
    draw_out_of_sight(options)
    if options.from_run is not None:
        if options.from_run == Path(ALREADY):
            options.from_run = _pretrained(lesson)
            options.out = options.out or Path("runs") / lesson.name
        redrawn = [f.name for f in _options_of(lesson) if not f.metadata["retrains"]]
        _refuse_other_options(parser, options, "from_run", "style", "out", "overwrite", *redrawn)
        record = lifecycle.redraw(
            lesson,
            options.from_run,
            options.out,
            asked={n: getattr(options, n) for n in redrawn if getattr(options, n) is not None},
            style=options.style,
            data_dir=options.data_dir,
            show=options.show,
            overwrite=options.overwrite,
        )
    elif options.resume is not None:
        _refuse_other_options(parser, options, "resume", "strategy")
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


def _pretrained(lesson: Lesson) -> Path:
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


def _presets_of(lesson: Lesson) -> str:
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
    add("--data-dir", type=Path, help="folder with the data sets; default: $AE_DATA_DIR")
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


def add_settings(parser: argparse.ArgumentParser, lesson: Lesson) -> None:
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
        elif single in (int, float):
            how["type"] = console.number(single, several=single is not kind)
        flag, about = "--" + field.name.replace("_", "-"), field.metadata["help"].replace("%", "%%")
        try:
            parser.add_argument(flag, help=about, **how)
        except argparse.ArgumentError as error:
            raise InputError(
                f"{lesson.name}: every lesson has an option {flag} already; rename its own."
            ) from error


def _options_of(lesson: Lesson) -> list[dataclasses.Field]:
    """Lists the settings that a lesson makes options of its own."""
    fields = dataclasses.fields(lesson.presets["article"])
    return [field for field in fields if field.metadata.get("help")]


def choose_settings(lesson: Lesson, options: argparse.Namespace) -> Settings:
    """Takes a preset's settings, replaced where the user chose others."""
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
    record, _ = saved.read_run(lesson, place)
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
