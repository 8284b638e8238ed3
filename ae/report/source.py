"""A lesson's source, cut at its cell titles into rows: low-level left, Keras right."""

import re
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from ae.errors import InputError
from ae.lesson import PAIRS, Step

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

TITLE = "# %% "  # begins a cell
PIECES = {"Low-level": attrgetter("low_level"), "Keras": attrgetter("keras")}  # of a step
TWINS = {f"Low-level: {part}": f"Keras: {part}" for part in PAIRS}  # titles of one row


class Line(NamedTuple):
    """One line of a cell."""

    number: int  # in the file
    code: str
    markup: str  # the code, highlighted
    steps: tuple[int, ...]  # those of the lesson's steps that it is part of, counted from 1

    @property
    def html(self) -> Markup:
        """An element that can wrap. Its text is the code and the line's end, nothing else."""
        steps, badge = "", ""
        if self.steps:
            numbers = " ".join(map(str, self.steps))
            described = " ".join(f"step-{step}" for step in self.steps)
            steps = f' data-steps="{numbers}" tabindex="0" aria-describedby="{described}"'
            badge = f'<i class="badge" data-of="{numbers.replace(" ", ",")}"></i>'
        indent = len(self.code) - len(self.code.lstrip())
        # A call may wrap after its bracket; a long one would be cut inside a name.
        markup = re.sub(r"(\([(\[{]*</span>)", r"\1<wbr>", self.markup)
        return Markup(
            f'<span class="line" id="line-{self.number}" data-number="{self.number}" '
            f'style="--indent: {indent}"{steps}>{badge}{markup}\n</span>'
        )


class Cell(NamedTuple):
    """One cell, without the line of its title."""

    title: str  # "" for what stands before the first title
    lines: tuple[Line, ...]

    @property
    def style(self) -> str:
        """The first half of a title such as "Keras: loss"; "" for what both styles share."""
        return self.title.partition(": ")[0] if self.part else ""

    @property
    def part(self) -> str:
        """Which of `PAIRS` it is; "" for what both styles share."""
        style, _, part = self.title.partition(": ")
        return part if style in PIECES and part in PAIRS else ""

    @property
    def html(self) -> Markup:
        """Its lines as one element."""
        lines = Markup("").join(line.html for line in self.lines)
        return Markup(f'<pre class="highlight"><code>{lines}</code></pre>')


def rows(path: Path, steps: Sequence[Step] = ()) -> list[tuple[Cell, Cell | None]]:
    """Cuts a lesson into rows in the order of the file, and finds the lines of its steps.

    A row is a low-level cell and its Keras twin, or a cell without a twin and None.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the lesson's source cannot be read.") from error
    cells, number = {}, 1
    for code in re.split(f"^(?={TITLE})", text, flags=re.MULTILINE):
        first, _, rest = code.partition("\n")
        title = first.removeprefix(TITLE) if first.startswith(TITLE) else ""
        cells[title] = _cell(title, rest if title else code, number + bool(title), steps)
        number += code.count("\n")
    twins = {a: cells.pop(b) for a, b in TWINS.items() if a in cells and b in cells}
    return [(cell, twins.get(title)) for title, cell in cells.items()]


def _cell(title: str, code: str, number: int, steps: Sequence[Step]) -> Cell:
    code = code.rstrip()
    lexer = PythonLexer(stripnl=False)  # it would drop blank lines and make the numbers wrong
    markup = highlight(f"{code}\n", lexer, HtmlFormatter(nowrap=True)).split("\n")
    pieces = PIECES.get(title.partition(": ")[0], lambda step: ())
    lines = []
    for n, line in enumerate(code.split("\n")):
        found = [i for i, step in enumerate(steps, 1) if any(p in line for p in pieces(step))]
        lines.append(Line(number + n, line, markup[n], tuple(found)))
    return Cell(title, tuple(lines))


def lines_of(step: int, style: str, cells: Iterable[Cell]) -> list[int]:
    """Returns the numbers of the lines that a step has in one style."""
    lines = (line for cell in cells if cell.style == style for line in cell.lines)
    return [line.number for line in lines if step in line.steps]


def stylesheet() -> str:
    """Returns the colours of the highlighted code, on paper, on a light and on a dark page."""
    light, dark = (HtmlFormatter(style=name) for name in ("default", "monokai"))
    of_dark = dark.get_style_defs('[data-theme="dark"] .highlight')
    return f"{light.get_style_defs('.highlight')}\n@media screen {{\n{of_dark}\n}}\n"
