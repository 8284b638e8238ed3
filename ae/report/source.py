"""A lesson's source, cut at its cell titles and set in two columns: low-level left, Keras right."""

import re
from pathlib import Path
from typing import NamedTuple

from ae.errors import InputError

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TITLE = re.compile(r"^# %% (?P<title>.+)$", re.MULTILINE)
TWINS = {  # the left cell's title: the right one's
    "Low-level: network": "Keras: network",
    "Low-level: loss": "Keras: loss",
    "Low-level: training": "Keras: training",
}
STYLES = {"light": "default", "dark": "monokai"}  # Pygments's names


class Cell(NamedTuple):
    """One cell.

    Attributes:
        title: what stands after "# %%"; "" for what stands before the first title.
        first_line: number in the file of its first line.
        html: its lines, highlighted, numbered as in the file.
    """

    title: str
    first_line: int
    html: str


class Row(NamedTuple):
    """A cell and its twin, or a cell that spans both columns (`right` is None)."""

    left: Cell
    right: Cell | None


def rows(path: Path) -> list[Row]:
    """Cuts a lesson into rows, in the order of the file.

    Args:
        path: the lesson's file.

    Returns:
        Every line of the file once; a Keras cell stands beside its low-level twin.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the lesson's source cannot be read.") from error
    cells = _cells(text)
    right = {title for left, title in TWINS.items() if left in cells and title in cells}
    return [
        Row(cell, cells[TWINS[title]] if TWINS.get(title) in right else None)
        for title, cell in cells.items()
        if title not in right
    ]


def stylesheet() -> str:
    """Returns the colours of the highlighted code, for a light and a dark page."""
    sheets = []
    for theme, style in STYLES.items():
        formatter = HtmlFormatter(style=style)
        sheets.append(formatter.get_style_defs(f'[data-theme="{theme}"] .highlight'))
    return "\n".join(sheets)


def _cells(text: str) -> dict[str, Cell]:
    starts = [(0, "")] + [(match.start(), match["title"]) for match in TITLE.finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    cells = {}
    for (start, title), end in zip(starts, ends, strict=True):
        first_line = text.count("\n", 0, start) + 1
        # stripnl would drop leading blank lines, and with them the numbers would be wrong
        code = text[start:end].rstrip() + "\n"
        formatter = HtmlFormatter(linenos="table", linenostart=first_line, wrapcode=True)
        html = highlight(code, PythonLexer(stripnl=False), formatter)
        cells[title] = Cell(title, first_line, html)
    return cells
