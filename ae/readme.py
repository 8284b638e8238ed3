"""The tables of the README that are made from records, each between two marks."""

from pathlib import Path

from ae.errors import InputError

README = Path(__file__).resolve().parents[1] / "README.md"


def block(name: str, table: str) -> str:
    """Returns a table between its marks, as it stands in the README."""
    return f"<!-- table: {name} -->\n{table}\n<!-- end of table -->"


def put(name: str, table: str) -> None:
    """Puts a table into the README, in the place of the one between the same marks.

    Args:
        name: what the first mark names.
        table: Markdown.

    Raises:
        InputError: if the README has no such marks.
    """
    begin, end = block(name, "\n").split("\n\n\n")
    before, first, rest = README.read_text(encoding="utf-8").partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise InputError(f"{README}: the marks '{begin}' and '{end}' are missing.")
    README.write_text(f"{before}{block(name, table)}{after}", encoding="utf-8")
