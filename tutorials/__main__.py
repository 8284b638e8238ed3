"""`python -m tutorials`: lists the lessons, runs one or several, and checks them.

A lesson also runs by itself: `python -m tutorials NAME`. Only after its arguments are parsed does a
command import what starts TensorFlow: help and mistakes need not wait for that.
"""

import functools
import os
import shlex
import sys
from pathlib import Path

import tutorials


def print_list():
    """Prints the lessons and the commands, a line each."""
    for name in tutorials.names():
        print(f"{name:18}{tutorials.summary(name)}")
    print("\nRun one: python -m tutorials NAME. Or python -m tutorials COMMAND:\n")
    for name, function in COMMANDS.items():
        print(f"{name:18}{function.__doc__.partition(';')[0].rstrip('.')}")
    print("\n--help, after either, lists the options; --version says what runs here.")


def chosen(names):
    """Loads the lessons of these names; none means all.

    Raises:
        InputError: if there is no such lesson; said before TensorFlow starts.
    """
    from ae.errors import InputError, did_you_mean

    known = tutorials.names()
    for name in names:
        if name not in known:
            raise InputError(f"There is no lesson '{name}'{did_you_mean(name, known)}")
    from ae import lessons

    return [lessons.load(name) for name in names or known]


def parser_of(command, names=True):
    """Makes the parser of a command; most take names of lessons."""
    from ae import console

    about = COMMANDS[command].__doc__
    parser = console.Parser(prog=f"python -m tutorials {command}", description=about)
    if names:
        parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    return parser


def run_lessons(arguments):
    """Runs several lessons, or all, and prints a table of what they reached."""
    from ae import console
    from ae.errors import InputError
    from ae.options import add_options, choose_settings
    from ae.paths import python
    from ae.runs.records import table

    parser = parser_of("run")
    add_options(parser, default_preset="quick")
    parser.add_argument(
        "--resume", action="store_true", help="resume interrupted runs, keep finished ones"
    )
    options = parser.parse_args(arguments)
    out = options.out or Path("runs")
    records = []
    lessons = chosen(options.names)
    if options.strategy == "multi-worker":
        raise InputError(
            "run: --strategy multi-worker trains one lesson at a time, as in python -m tutorials "
            f"{lessons[0].name} --strategy multi-worker --style low-level"
        )
    from ae import cli
    from ae.training import precision, strategies

    cli.draw_out_of_sight(options)
    for lesson in lessons:
        settings = choose_settings(lesson, options)
        precision.require(settings, options.style)
        strategies.require(options.strategy, settings, options.style)
    if not options.resume:
        planned = ((lesson, out / lesson.name, options) for lesson in lessons)
        cli.refuse_lossy(planned, "run", arguments)
    for number, lesson in enumerate(lessons, start=1):
        print(f"\nLesson {number} of {len(lessons)}: {lesson.title}")
        run = cli.run_or_resume if options.resume else cli.run
        with cli.resumed_by("run", arguments):
            records.append(run(lesson, options, out / lesson.name))
    print(f"\n{table(records)}")
    print("\nFigures:")
    for record in records:
        print(f"  {record['folder'] / 'figures'}")
    console.print_time()
    report = f"{python()} -m tutorials report {shlex.quote(str(out))}"
    print(f"Open these folders, or make pages: {report}")
    cli.show_figures(options)


def check_curves(arguments):
    """Compares our curves and claims with the published ones; returns 1 if a curve differs."""
    from ae import console
    from ae.options import article_options
    from ae.runs.records import read_record

    parser = parser_of("check")
    parser.add_argument(
        "--seeds",
        type=console.up_to(99),
        metavar="N",
        help="runs to train at the article's settings; default: 3",
    )
    taken = parser.add_mutually_exclusive_group()
    taken.add_argument(
        "--from",
        dest="from_runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="take these runs instead of training",
    )
    taken.add_argument("--kept", action="store_true", help="take the runs in data/reproduced")
    parser.add_argument(
        "--resume", action="store_true", help="resume the runs of an interrupted check"
    )
    parser.add_out("for runs and figures; default: %(default)s", Path("runs") / "check")
    options = parser.parse_args(arguments)
    if (options.seeds or options.resume) and (options.kept or options.from_runs):
        parser.error("--seeds and --resume are for training; leave them out with --kept or --from")
    for folder in options.from_runs or ():
        read_record(folder)
    lessons = chosen(options.names)
    from ae import cli
    from ae.proof import bands, check

    options.seeds = options.seeds or bands.FEWEST_RUNS
    if not (options.resume or options.kept or options.from_runs):
        planned = (
            (lesson, folder, article_options(**changes))
            for lesson in lessons
            for folder, changes in check.planned(lesson, options)
        )
        cli.refuse_lossy(planned, "check", arguments)
    run = cli.run_or_resume if options.resume else cli.run

    def train(lesson, folder, changes):
        return run(lesson, article_options(**changes), folder)

    with cli.resumed_by("check", arguments):
        return check.main(lessons, options, train)


def compare_styles(arguments):
    """Trains both styles from equal weights on equal batches; returns 1 if they differ."""
    from ae import console

    parser = parser_of("parity")
    parser.add_argument(
        "--steps",
        type=console.up_to(10_000),
        default=50,
        metavar="N",
        help="steps to take at least; default: 50",
    )
    parser.add_out("for the figures; default: %(default)s", Path("runs") / "parity")
    options = parser.parse_args(arguments)
    lessons = chosen(options.names)
    from ae.proof import parity

    return parity.main(lessons, options)


def print_errata(arguments):
    """Prints what the articles get wrong, its effect, and what this project does instead."""
    lessons = chosen(parser_of("errata").parse_args(arguments).names)
    from ae.proof import errata

    errata.print_all(lessons)


def write_report(arguments):
    """Turns the records of runs into pages to look at."""
    from ae.errors import InputError
    from ae.runs.folder import find_runs

    parser = parser_of("report", names=False)
    parser.add_argument(
        "runs",
        nargs="?",
        type=Path,
        default=Path("runs"),
        metavar="RUNS",
        help="a run, or a folder of runs; shows the newest of each lesson; default: runs",
    )
    parser.add_argument(
        "--slides", action="store_true", help="write each lesson as slides too: NAME-slides.html"
    )
    parser.add_out("default: RUNS/report")
    options = parser.parse_args(arguments)
    runs = find_runs(options.runs)
    names = [name for name in tutorials.names() if name in runs]
    if not names:
        raise InputError(f"{options.runs}: there are runs here, but of no lesson that there is.")
    out = options.out or options.runs / "report"
    from ae import report

    print(report.write(chosen(names), runs, out, options.overwrite, options.slides))


def write_notebooks(arguments):
    """Writes lessons as notebooks."""
    from ae.lesson import PRESETS
    from ae.paths import refuse_to_overwrite
    from ae.terminal import bar, say

    parser = parser_of("notebooks")
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="quick",
        help="settings of the full run near the end; default: quick",
    )
    parser.add_out("default: %(default)s", Path("notebooks"))
    options = parser.parse_args(arguments)
    lessons = chosen(options.names)
    paths = (options.out / f"{lesson.name}.ipynb" for lesson in lessons)
    refuse_to_overwrite(options.out, paths, options.overwrite)
    from ae.report import notebooks

    for lesson in bar("notebooks", unit="notebook", iterable=lessons):
        say(notebooks.write(lesson, options.out, options.preset))


def export_networks(arguments):
    """Writes the networks of a run as ONNX, LiteRT or SavedModel, and checks each."""
    from ae.export import KINDS
    from ae.paths import PRETRAINED, data_folder, run_folder
    from ae.runs.records import read_record

    parser = parser_of("export", names=False)
    about = "folder of an earlier run, or pretrained/NAME"
    parser.add_argument("run", type=run_folder, metavar="RUN", help=about)
    parser.add_argument("--to", choices=KINDS, default="onnx", help="default: %(default)s")
    parser.add_argument(
        "--float16", action="store_true", help="halve the files, with weights of 16 bits"
    )
    parser.add_argument("--data-dir", type=data_folder, help="folder with the data sets")
    parser.add_out("default: RUN/exported; of pretrained/NAME, runs/NAME/exported")
    options = parser.parse_args(arguments)
    if options.float16 and options.to == "savedmodel":
        parser.error("--float16 is for onnx and litert; leave it out")
    (lesson,) = chosen([read_record(options.run)["lesson"]])
    is_ours = PRETRAINED in options.run.resolve().parents
    out = options.out or (Path("runs") / lesson.name if is_ours else options.run) / "exported"
    from ae.export import models

    chosen_as = options.to, out, options.overwrite, options.data_dir, options.float16
    for line in models.write(lesson, options.run, *chosen_as):
        print(line)


def clean_scans(arguments):
    """Cleans scans, pictures or PDFs, with a trained network."""
    from ae.cleaning import command

    return command.main(arguments)


COMMANDS = {
    "run": run_lessons,
    "check": check_curves,
    "parity": compare_styles,
    "errata": print_errata,
    "report": write_report,
    "notebooks": write_notebooks,
    "export": export_networks,
    "clean": clean_scans,
}


def main(arguments=None):
    """Lists the lessons, or carries out a command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        return print_to_any_reader(print_list)
    from ae import console, versions

    if arguments == ["--version"]:
        return console.guard(lambda: print(versions.running()))
    return console.guard(functools.partial(command, *arguments))


def print_to_any_reader(show):
    """Prints without importing TensorFlow, as `console.guard` would; `head` may stop reading."""
    try:
        show()
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def command(name, *arguments):
    """Carries out one command, or runs the lesson of this name."""
    from ae import options
    from ae.errors import InputError, did_you_mean

    if name in COMMANDS:
        return COMMANDS[name](list(arguments))
    known = [*COMMANDS, *tutorials.names()]
    if name not in known:
        raise InputError(f"'{name}' is no command and no lesson{did_you_mean(name, known)}")
    options.answer(name, arguments)
    (lesson,) = chosen([name])
    from ae import cli

    return cli.run_script(lesson, arguments)


if __name__ == "__main__":
    sys.exit(main())
