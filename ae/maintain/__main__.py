"""What maintainers do with runs: keep records, measure errata, fill the gallery and the tables."""

import argparse
import sys
from pathlib import Path

from ae import console, lessons
from ae.lesson import Lesson
from ae.maintain import (
    dead_units,
    exercises,
    gallery,
    page_cleaner,
    pictures,
    pretrained,
    reliability,
    tables,
    variants,
    ways_to_clean,
)
from ae.proof import claims, errata, reproduced
from ae.runs import records


def keep(options: argparse.Namespace) -> None:
    """Adds the records of article-scale runs to those in data/reproduced."""
    of = _lesson_of(options.runs)
    print(reproduced.keep(of, reproduced.read_runs(of, options.runs)))


def measure_claims(options: argparse.Namespace) -> None:
    """Measures the claims that the records of article-scale runs lack, such as new ones."""
    of = _lesson_of(options.runs)
    for folder, record in zip(options.runs, reproduced.read_runs(of, options.runs), strict=True):
        for line in claims.complete(of, folder, record):
            print(line)


def measure_errata(options: argparse.Namespace) -> None:
    """Measures what a lesson's errata change, on runs with and without the change."""
    print(errata.measure(_lesson_of(options.runs), options.runs))


def _lesson_of(runs: list[Path]) -> Lesson:
    return lessons.load(records.read_record(runs[0])["lesson"])


def answer_exercises(options: argparse.Namespace) -> None:
    """Trains what the exercises of lessons ask for, and keeps the numbers of their answers."""
    for name in options.names:
        print(exercises.keep(lessons.load(name), options.out))


def fill_gallery(options: argparse.Namespace) -> None:
    """Copies the figures that the READMEs show into data/gallery."""
    print(*gallery.fill(options.runs), sep="\n")


def draw_variants(options: argparse.Namespace) -> None:
    """Draws the picture of the first README, from four runs."""
    print(variants.draw(options.runs))


def measure_pictures(options: argparse.Namespace) -> None:
    """Measures the pictures that articles' notebooks published."""
    print(pictures.keep(options.folder))


def keep_pretrained(options: argparse.Namespace) -> None:
    """Keeps the Keras networks of a run in data/pretrained."""
    print(pretrained.keep_run(options.run))


def train_page_cleaner(options: argparse.Namespace) -> None:
    """Trains our page cleaner, and keeps it in data/pretrained."""
    print(page_cleaner.keep(options.steps))


def judge_cleaners(options: argparse.Namespace) -> None:
    """Measures ways to clean pages on pages that none was fitted on."""
    print(page_cleaner.judge(options.steps, options.article, options.folds))


def count_dead_units(options: argparse.Namespace) -> None:
    """Counts the units that die in a TensorFlow 1 session, for data/tried."""
    print(dead_units.keep())


def write_tables(options: argparse.Namespace) -> None:
    """Makes the tables of the READMEs again."""
    known = lessons.load_all()
    if options.tests is not None:
        print(reliability.keep(options.tests))
    if options.times is not None:
        print(reproduced.keep_times(known, options.times))
    tables.put("reproduced", reproduced.table(known))
    tables.put("cleaners", ways_to_clean.table())
    tables.put("times", reproduced.times_table(known))
    tables.put("reliability", reliability.table())


def run(arguments: list[str] | None = None) -> None:
    """Carries out a maintainer's command."""
    parser = console.Parser(prog="python -m ae.maintain", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, function, runs in (
        ("keep", keep, "one for each seed"),
        ("claims", measure_claims, "with their networks"),
        ("errata", measure_errata, "some as published, some with an erratum's change"),
        ("gallery", fill_gallery, "one of each lesson"),
        ("variants", draw_variants, "of sigmoid_ae and low_level_ae, published and corrected"),
    ):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help=runs)
    command = commands.add_parser("exercises", help=answer_exercises.__doc__)
    command.set_defaults(function=answer_exercises)
    command.add_argument("names", nargs="+", metavar="NAME", help="lessons")
    command.add_argument("--out", type=Path, default=Path("runs") / "exercises",
        help="for the runs; default: %(default)s")  # fmt: skip
    command = commands.add_parser("table", help=write_tables.__doc__)
    command.set_defaults(function=write_tables)
    for option, metavar, about in (
        ("--tests", "XML", "first count the faults in this report of tests"),
        ("--times", "RUNS", "first keep the times of these quick runs"),
    ):
        command.add_argument(option, type=Path, metavar=metavar, help=about)
    command = commands.add_parser("pictures", help=measure_pictures.__doc__)
    command.set_defaults(function=measure_pictures)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="with all of them, as PNG")
    command = commands.add_parser("pretrained", help=keep_pretrained.__doc__)
    command.set_defaults(function=keep_pretrained)
    command.add_argument("run", type=Path, metavar="RUN", help="at the article's settings")
    for name, function in (("page-cleaner", train_page_cleaner), ("cleaners", judge_cleaners)):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        command.add_argument("--steps", type=console.positive(int), default=page_cleaner.STEPS,
            help="of a training of our network; default: %(default)s")  # fmt: skip
    command.add_argument("--article", type=Path, metavar="RUN",
        help="a corrected run of document_cleaner, to be judged too")  # fmt: skip
    folds = ways_to_clean.FOLDS
    command.add_argument("--folds", nargs="*", choices=folds, default=folds,
        metavar="FOLD", help="default: %(default)s")  # fmt: skip
    command = commands.add_parser("dead-units", help=count_dead_units.__doc__)
    command.set_defaults(function=count_dead_units)
    options = parser.parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    sys.exit(console.guard(run))
