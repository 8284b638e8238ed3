"""The tables of the README that are made from records, each between two marks."""

from ae.errors import InputError
from ae.paths import REPOSITORY

README = REPOSITORY / "README.md"


END = "<!-- end of table -->"


def block(name: str, table: str) -> str:
    """Returns a table between its marks, as it stands in the README."""
    return f"{_begin(name)}\n{table}\n{END}"


def put(name: str, table: str) -> None:
    """Puts a table into the README, in the place of the one between the same marks.

    Args:
        name: what the first mark names.
        table: Markdown.

    Raises:
        InputError: if the README has no such marks.
    """
    before, begin, rest = README.read_text(encoding="utf-8").partition(_begin(name))
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{README}: the marks '{_begin(name)}' and '{END}' are missing.")
    partial = README.with_suffix(".partial")
    partial.write_text(f"{before}{block(name, table)}{after}", encoding="utf-8")
    partial.replace(README)


def _begin(name: str) -> str:
    return f"<!-- table: {name} -->"
