"""`python -m tutorials`: lists the lessons; `python -m tutorials run` runs several.

Each lesson also runs alone: `python -m tutorials.NAME`.
"""

import ast
import importlib
import sys
from pathlib import Path

NAMES = (
    "dense_ae",
    "sigmoid_ae",
    "low_level_ae",
    "conv_denoiser",
    "document_cleaner",
    "fashion_vae",
)


def summary(name):
    """Reads the first line of a lesson's docstring without importing the lesson."""
    source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)).partition("\n")[0]


def print_list():
    """Prints the lessons, a line each."""
    for name in NAMES:
        print(f"{name:18}{summary(name)}")
    print("\nRun one: python -m tutorials.NAME. Or python -m tutorials COMMAND:\n")
    for name, function in COMMANDS.items():
        print(f"{name:18}{function.__doc__.partition(';')[0].rstrip('.')}")
    print("\n--help, after either, lists the options.")


def chosen(names):
    """Imports the lessons of these names; none means all.

    Raises:
        InputError: if one is no lesson.
    """
    from ae.errors import InputError

    for name in names:
        if name not in NAMES:
            raise InputError(f"There is no lesson '{name}'; the lessons are {', '.join(NAMES)}.")
    return [importlib.import_module(f"tutorials.{name}").LESSON for name in names or NAMES]


def print_errata(arguments):
    """Prints what the articles get wrong, what follows, and what correcting it changes."""
    from ae import cli
    from ae.errors import InputError
    from ae.proof import errata

    parser = cli.Parser(prog="python -m tutorials errata", description=print_errata.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    parser.add_argument("--measure", nargs="+", type=Path, metavar="RUN",
        help="measure what one lesson's errata change, on these runs, and keep it")  # fmt: skip
    options = parser.parse_args(arguments)
    lessons = chosen(options.names)
    if options.measure:
        if len(lessons) != 1:
            raise InputError("--measure takes one lesson: errata NAME --measure RUN ...")
        print(errata.measure(lessons[0], options.measure))
    for lesson in lessons:
        print(f"\n{lesson.name}")
        for erratum in lesson.errata:
            cli.print_wrapped(f"{erratum.place} {erratum.does}: {erratum.follows}.", "  - ")
            cli.print_wrapped(f"Corrected: {erratum.corrected}.", "    ")
            for difference in errata.differences(lesson, erratum):
                cli.print_wrapped(f"Measured: {difference}.", "    ")
        if kept := errata.read(lesson):
            cli.print_wrapped(errata.circumstances(kept), "  ")


def run_lessons(arguments):
    """Runs several lessons, or all six, and prints a table of what they reached."""
    from ae import cli, precision
    from ae.runs.records import table

    parser = cli.Parser(prog="python -m tutorials run", description=run_lessons.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    cli.add_options(parser, default_preset="quick")
    parser.add_argument("--resume", action="store_true",
        help="go on with interrupted runs, and take finished ones as they are")  # fmt: skip
    options = parser.parse_args(arguments)
    cli.draw_out_of_sight(options)
    out = options.out or Path("runs")
    records = []
    lessons = chosen(options.names)
    for lesson in lessons:
        precision.require(cli.choose_settings(lesson, options), options.style)
    if not options.resume:
        cli.refuse_interrupted((out / lesson.name for lesson in lessons), "run", arguments)
    for lesson in lessons:
        print(f"\n{lesson.name}: {summary(lesson.name)}")
        run = cli.run_or_resume if options.resume else cli.run
        with cli.resumed_by("run", arguments):
            records.append(run(lesson, options, out / lesson.name))
    print(f"\n{table(records)}")
    print("\nFigures:")
    for record in records:
        print(f"  {record['folder'] / 'figures'}")
    cli.show_figures(options)


def check_curves(arguments):
    """Lays our curves over the published ones; returns 1 if a point is outside the band."""
    from ae import cli
    from ae.proof import check

    parser = cli.Parser(prog="python -m tutorials check", description=check_curves.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    parser.add_argument("--seeds", type=cli.up_to(99), metavar="N",
        help="runs to train at the article's settings; default: 3")  # fmt: skip
    taken = parser.add_mutually_exclusive_group()
    taken.add_argument("--from", dest="from_runs", nargs="+", type=Path, metavar="RUN",
        help="take these runs instead of training")  # fmt: skip
    taken.add_argument("--kept", action="store_true", help="take the runs in data/reproduced")
    parser.add_argument("--resume", action="store_true",
        help="go on with the runs of a check that was interrupted")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs") / "check",
        help="for runs and figures; default: runs/check")  # fmt: skip
    options = parser.parse_args(arguments)
    if (options.seeds or options.resume) and (options.kept or options.from_runs):
        parser.error("--seeds and --resume are for training; leave them out with --kept or --from")
    options.seeds = options.seeds or check.FEWEST_RUNS
    lessons = chosen(options.names)
    if not (options.resume or options.kept or options.from_runs):
        folders = (folder for lesson in lessons for folder, _ in check.planned(lesson, options))
        cli.refuse_interrupted(folders, "check", arguments)
    with cli.resumed_by("check", arguments):
        return check.main(lessons, options)


def compare_styles(arguments):
    """Runs both styles from equal weights on equal batches; returns 1 if they differ."""
    from ae import cli
    from ae.proof import parity

    parser = cli.Parser(prog="python -m tutorials parity", description=compare_styles.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    parser.add_argument("--steps", type=cli.up_to(10_000), default=50, metavar="N",
        help="steps to take at least; default: 50")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs") / "parity",
        help="for the figures; default: runs/parity")  # fmt: skip
    options = parser.parse_args(arguments)
    return parity.main(chosen(options.names), options)


def keep_runs(arguments):
    """Copies the records of article-scale runs into data/reproduced."""
    from ae import cli
    from ae.proof import reproduced
    from ae.runs import records

    parser = cli.Parser(prog="python -m tutorials keep", description=keep_runs.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="one for each seed")
    parser.add_argument("--add", action="store_true", help="beside those that are kept already")
    options = parser.parse_args(arguments)
    (lesson,) = chosen([records.read_record(options.runs[0])["lesson"]])
    runs = [reproduced.read_finished(lesson, folder) for folder in options.runs]
    print(reproduced.keep(lesson, runs, options.add))


def fill_gallery(arguments):
    """Copies the figures of article-scale runs that the README shows into data/gallery."""
    from ae import cli, gallery

    parser = cli.Parser(prog="python -m tutorials gallery", description=fill_gallery.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="one of each lesson")
    for path in gallery.fill(chosen(()), parser.parse_args(arguments).runs):
        print(path)


def write_tables(arguments):
    """Puts the tables of kept runs and of survived faults into the README."""
    from ae import cli, readme, reliability
    from ae.proof import reproduced

    parser = cli.Parser(prog="python -m tutorials table", description=write_tables.__doc__)
    parser.add_argument("--tests", type=Path, metavar="XML",
        help="count the faults in this report of the tests first")  # fmt: skip
    parser.add_argument("--times", type=Path, metavar="RUNS",
        help="keep the times of these runs of the preset 'quick' first")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.tests is not None:
        print(reliability.keep(options.tests))
    if options.times is not None:
        print(reproduced.keep_times(chosen(()), options.times))
    readme.put("reproduced", reproduced.table(chosen(())))
    readme.put("times", reproduced.times_table(chosen(())))
    readme.put("reliability", reliability.table())


def write_report(arguments):
    """Turns the records of runs into pages to look at."""
    from ae import cli, report
    from ae.errors import InputError

    parser = cli.Parser(prog="python -m tutorials report", description=write_report.__doc__)
    parser.add_argument("runs", nargs="?", type=Path, default=Path("runs"), metavar="RUNS",
        help="a run, or a folder of runs, of a lesson the newest; default: runs")  # fmt: skip
    parser.add_argument("--out", type=Path, help="default: RUNS/report")
    options = parser.parse_args(arguments)
    runs = report.find_runs(options.runs)
    names = [name for name in NAMES if name in runs]
    if not names:
        raise InputError(f"{options.runs}: no run here is of a lesson that there is.")
    print(report.write(chosen(names), runs, options.out or options.runs / "report"))


def write_notebooks(arguments):
    """Writes lessons as notebooks."""
    from ae import cli, notebooks
    from ae.errors import InputError
    from ae.lesson import PRESETS

    parser = cli.Parser(prog="python -m tutorials notebooks", description=write_notebooks.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    parser.add_argument("--preset", choices=PRESETS, default="quick",
        help="what the last cell trains at; default: quick")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("notebooks"),
        help="default: notebooks")  # fmt: skip
    options = parser.parse_args(arguments)
    left = []
    for lesson in chosen(options.names):
        source = Path(__file__).with_name(f"{lesson.name}.py")
        try:
            print(notebooks.write(source, options.out, options.preset))
        except notebooks.EditedError:
            left.append(f"{lesson.name}.ipynb")
    if left:
        raise InputError(
            f"--out {options.out}: run or edited since written, and so left alone: "
            f"{', '.join(left)}; move them away, or choose another --out."
        )


COMMANDS = {
    "run": run_lessons,
    "check": check_curves,
    "parity": compare_styles,
    "errata": print_errata,
    "report": write_report,
    "notebooks": write_notebooks,
    "keep": keep_runs,
    "gallery": fill_gallery,
    "table": write_tables,
}


def main(arguments=None):
    """Lists the lessons, or runs them."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        print_list()
        return 0
    from ae import cli

    return cli.guard(lambda: command(arguments))


def command(arguments):
    """Carries out the subcommand; returns its exit code, or None for success."""
    from ae.errors import InputError
    from ae.paths import python

    if arguments[0] in ("-h", "--help"):
        return print_list()
    if arguments[0] not in COMMANDS:
        lesson = f".{arguments[0]}" if arguments[0] in NAMES else ""
        raise InputError(
            f"'{arguments[0]}' is not a command; try `{python()} -m tutorials{lesson}`."
        )
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
