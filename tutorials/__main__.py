"""`python -m tutorials`: lists the lessons; `python -m tutorials run` runs several.

Each lesson also runs alone: `python -m tutorials.NAME`.
"""

import ast
import importlib
import sys
import textwrap
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
    print("\nRun one:      python -m tutorials.NAME        (--help lists its options)")
    print("Run several:  python -m tutorials run [NAME ...] [--preset smoke|quick|article]")
    print("What the articles get wrong:  python -m tutorials errata [NAME ...]")


def chosen(names):
    """Checks names of lessons; none means all.

    Raises:
        InputError: if one is no lesson.
    """
    from ae.errors import InputError

    for name in names:
        if name not in NAMES:
            raise InputError(f"There is no lesson '{name}'; the lessons are {', '.join(NAMES)}.")
    return names or NAMES


def print_errata(names):
    """Prints what the articles get wrong, what follows, and what the corrected variant does."""
    for name in names:
        print(f"\n{name}")
        for erratum in importlib.import_module(f"tutorials.{name}").LESSON.errata:
            sentence = f"{erratum.place} {erratum.does}: {erratum.follows}."
            print(textwrap.fill(sentence, 96, initial_indent="  - ", subsequent_indent="    "))
            sentence = f"Corrected: {erratum.corrected}."
            print(textwrap.fill(sentence, 96, initial_indent="    ", subsequent_indent="    "))


def run_lessons(arguments):
    """Runs lessons one after the other and prints a table of what they reached."""
    from ae import cli
    from ae.errors import InputError

    parser = cli.Parser(prog="tutorials run", description="Run several lessons, or all six.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="lessons; default: all")
    cli.add_options(parser, default_preset="quick")
    options = parser.parse_args(arguments)
    names = chosen(options.names)
    if options.from_run is not None:
        raise InputError("--from redraws one lesson: python -m tutorials.NAME --from RUN.")
    out = options.out or Path("runs")
    records = []
    for name in names:
        lesson = importlib.import_module(f"tutorials.{name}").LESSON
        print(f"\n{name}: {summary(name)}")
        records.append(cli.run(lesson, options, out / name))
    print(f"\n{cli.table(records)}")
    print("\nFigures:")
    for record in records:
        print(f"  {record['folder'] / 'figures'}")
    cli.show_figures(options)


def main(arguments=None):
    """Lists the lessons, or runs them."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        print_list()
        return 0
    from ae import cli

    return cli.guard(lambda: command(arguments))


def command(arguments):
    """Carries out the subcommand."""
    from ae.errors import InputError

    if arguments[0] in ("-h", "--help"):
        print_list()
    elif arguments[0] == "run":
        run_lessons(arguments[1:])
    elif arguments[0] == "errata":
        print_errata(chosen(arguments[1:]))
    else:
        raise InputError(f"'{arguments[0]}' is not a command; try `python -m tutorials`.")


if __name__ == "__main__":
    sys.exit(main())
