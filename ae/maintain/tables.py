"""The tables of the READMEs that are made from records, each between two marks."""

from pathlib import Path

from ae.errors import InputError
from ae.paths import DATA, REPOSITORY

READMES = {  # which README holds which table
    "reproduced": DATA / "reproduced" / "README.md",
    "times": DATA / "reproduced" / "README.md",
    "speed": REPOSITORY / "benchmarks" / "README.md",
    "costs": REPOSITORY / "benchmarks" / "README.md",
    "reliability": REPOSITORY / "tests" / "README.md",
}
END = "<!-- end of table -->"


def block(name: str, table: str) -> str:
    """Returns a table between its marks, as it stands in its README."""
    return f"{_begin(name)}\n{table}\n{END}"


def put(name: str, table: str) -> Path:
    """Replaces the table between the marks of this name, in its README.

    Args:
        name: what the first mark names, one of `READMES`.
        table: Markdown.

    Returns:
        The README.

    Raises:
        InputError: if the README has no such marks.
    """
    path = READMES[name]
    before, begin, rest = path.read_text(encoding="utf-8").partition(_begin(name))
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{path}: the marks '{_begin(name)}' and '{END}' are missing.")
    partial = path.with_suffix(".partial")
    partial.write_text(f"{before}{block(name, table)}{after}", encoding="utf-8")
    return partial.replace(path)


def _begin(name: str) -> str:
    return f"<!-- table: {name} -->"
