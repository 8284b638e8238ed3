"""What maintainers do with runs: keep records, measure errata, fill the gallery and the tables."""

import argparse
import sys
from pathlib import Path

from ae import console, lesson
from ae.maintain import gallery, reliability, tables
from ae.proof import errata, reproduced
from ae.runs import records


def _of_one_lesson(runs: list[Path]) -> lesson.Lesson:
    return lesson.load(records.read_record(runs[0])["lesson"])


def keep(options: argparse.Namespace) -> None:
    """Copies the records of article-scale runs into data/reproduced."""
    of = _of_one_lesson(options.runs)
    runs = [reproduced.read_finished(of, folder) for folder in options.runs]
    print(reproduced.keep(of, runs, options.add))


def measure_errata(options: argparse.Namespace) -> None:
    """Measures what a lesson's errata change, on runs with and without the change."""
    print(errata.measure(_of_one_lesson(options.runs), options.runs))


def fill_gallery(options: argparse.Namespace) -> None:
    """Copies the figures that the READMEs show into data/gallery."""
    for path in gallery.fill(lesson.load_all(), options.runs):
        print(path)


def write_tables(options: argparse.Namespace) -> None:
    """Makes the tables of the READMEs again."""
    lessons = lesson.load_all()
    if options.tests is not None:
        print(reliability.keep(options.tests))
    if options.times is not None:
        print(reproduced.keep_times(lessons, options.times))
    tables.put("reproduced", reproduced.table(lessons))
    tables.put("times", reproduced.times_table(lessons))
    tables.put("reliability", reliability.table())


def run(arguments: list[str] | None = None) -> None:
    """Carries out a maintainer's command."""
    parser = console.Parser(
        prog="python -m ae.maintain",
        description=__doc__,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, function, runs in (
        ("keep", keep, "one for each seed"),
        ("errata", measure_errata, "some as published, some with an erratum's change"),
        ("gallery", fill_gallery, "one of each lesson"),
    ):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=runs)
        if function is keep:
            command.add_argument("--add", action="store_true", help="keep earlier records too")
    command = commands.add_parser("table", help=write_tables.__doc__)
    command.set_defaults(function=write_tables)
    command.add_argument(
        "--tests", type=Path, metavar="XML", help="first count the faults in this report of tests"
    )
    command.add_argument(
        "--times", type=Path, metavar="RUNS", help="first keep the times of these quick runs"
    )
    options = parser.parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    sys.exit(console.guard(run))
