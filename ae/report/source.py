"""A lesson's source, cut at its cell titles and set in two columns: low-level left, Keras right."""

import re
from pathlib import Path
from typing import NamedTuple

from ae.errors import InputError
from ae.lesson import PAIRS

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TITLE = "# %% "  # begins a cell
TWINS = {  # the left cell's title: the right one's
    f"Low-level: {part}": f"Keras: {part}" for part in PAIRS
}
STYLES = {"light": "default", "dark": "monokai"}  # Pygments's names


class Cell(NamedTuple):
    """One cell."""

    title: str  # "" for what stands before the first title
    html: str  # the lines, highlighted, numbered as in the file


def rows(path: Path) -> list[tuple[Cell, Cell | None]]:
    """Cuts a lesson into rows in the order of the file.

    A row is a cell and its twin, or a cell that spans both columns and None.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the lesson's source cannot be read.") from error
    cells, first_line = {}, 1
    for code in re.split(f"^(?={TITLE})", text, flags=re.MULTILINE):
        line = code.partition("\n")[0]
        title = line.removeprefix(TITLE) if line.startswith(TITLE) else ""
        lexer = PythonLexer(stripnl=False)  # it would drop blank lines and make the numbers wrong
        formatter = HtmlFormatter(linenos="table", linenostart=first_line, wrapcode=True)
        html = highlight(code.rstrip() + "\n", lexer, formatter)
        cells[title] = Cell(title, html)
        first_line += code.count("\n")
    twins = {a: cells.pop(b) for a, b in TWINS.items() if a in cells and b in cells}
    return [(cell, twins.get(title)) for title, cell in cells.items()]


def stylesheet() -> str:
    """Returns the colours of the highlighted code, for a light and a dark page."""
    return "\n".join(
        HtmlFormatter(style=style).get_style_defs(f'[data-theme="{theme}"] .highlight')
        for theme, style in STYLES.items()
    )
