"""A lesson as slides: what its page shows, cut into pieces that a projector can show.

Every slide is laid out on 1280 x 720 pixels and then scaled, so what fits there fits everywhere.
`static/slides.css` sets the same lengths, in units of 16 of these pixels.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.lesson import PAIRS, Exercise, Lesson
from ae.proof import claims, reproduced
from ae.report.source import Line

from PIL import Image

WIDTH, HEIGHT = 1232, 590  # of what stands between a slide's heading and its foot
GAP = 16  # between two columns
HEAD = 32  # of a column
CODE_SIZES = (28, 24, 22, 20, 18, 16, 14)  # of letters; the first with fewest slides is taken
TEXT_SIZES = (30, 26, 23, 20, 17, 15)  # the first that fits
NOTE_SIZE = 18  # of a text beside code
ADVANCE = 0.603  # width of a letter of code, in its size: the widest of the usual fonts
LETTER = 0.58  # mean width of a letter of text
CODE_LINE, TEXT_LINE = 1.35, 1.4  # heights of lines, in the size of their letters
NUMBERS = 3  # letters of code that the line numbers take
HANG = 4  # letters by which the rest of a wrapped line is indented further
STEP_SIZE = 17  # of the code beside an equation
LINES_OF_STEP = 3  # at most, in each style
TALL, LOW = 80, 44  # heights of equations: with a fraction or limits, and of others
FRAME = 90  # height of what is around it and its code
HEADINGS = {
    "network": "The network",
    "loss": "The loss",
    "training": "The training step and the loop",
}


class Slide(NamedTuple):
    """One slide."""

    kind: str  # how the template shows it
    title: str
    about: Mapping[str, Any]
    continued: bool = False  # whether it goes on with the slide before it


class Column(NamedTuple):
    """What stands on one slide of one style's cell."""

    style: str
    lines: Sequence[Line]
    note: str = ""  # what differs between the styles; stands below the lines


def slides_of(page: Mapping[str, Any]) -> list[Slide]:
    """Cuts what `ae.report.content.page` returns into slides."""
    lesson = page["lesson"]
    found = [Slide("title", lesson.title, {}), *_introduction(page)]
    pairs = sorted(page["pairs"], key=lambda pair: PAIRS.index(pair["part"]))
    cells = [cell for pair in pairs for cell in pair["cells"].values() if cell]
    lines = {line.number: line for cell in cells for line in cell.lines}
    for pair in pairs:
        found += [*_pair(pair), *_equations(pair, lines)]
    found += [_figure(page, figure) for _, figures in page["figures"] for figure in figures]
    return [*found, *_claims(lesson, page["record"]), *_exercises(page["exercises"])]


def _introduction(page: Mapping[str, Any]) -> Iterator[Slide]:
    """Yields what the docstring says, without its commands: its first table, and the rest."""
    blocks = [block for block in page["about"] if not block[0].lstrip().startswith("python -m")]
    if tables := [table for _, table in blocks if table]:
        rows = [row for row in tables[0] if len(row) == 2]
        size = _size([second for _, second in rows], WIDTH - 200)
        yield Slide("table", "In short", {"rows": rows, "size": size})
    if blocks := [(text, table) for text, table in blocks if table not in tables[:1]]:
        lines = [line for text, table in blocks for line in (text.split("\n") if table else [text])]
        yield Slide("blocks", "What to see", {"blocks": blocks, "size": _size(lines)})


def _size(texts: Sequence[str], width: float = WIDTH, height: float = HEIGHT) -> int:
    """Chooses the size of letters with which texts fit, each followed by half a line."""
    return next(
        (size for size in TEXT_SIZES if _height(texts, size, width) <= height), TEXT_SIZES[-1]
    )


def _height(texts: Sequence[str], size: float, width: float) -> float:
    rows = sum(len(_wrap(text, width / (size * LETTER))) + 0.5 for text in texts)
    return rows * size * TEXT_LINE


def _wrap(text: str, letters: float, hang: int = 0) -> list[str]:
    """Breaks one line as a browser does, between words; an empty line is one."""
    indent = " " * (len(text) - len(text.lstrip()) + hang)
    broken = textwrap.wrap(
        text, int(letters), subsequent_indent=indent if hang else "", break_on_hyphens=False
    )
    return broken or [""]


def _figure(page: Mapping[str, Any], figure: Sequence[Mapping[str, str]]) -> Slide:
    """Shows a figure of both styles: beside each other, or below where they are wide."""
    path = page["run"] / Path(figure[0]["path"]).relative_to(page["name"])
    with Image.open(path) as picture:
        wide = picture.width > 2.2 * picture.height
    title = figure[0]["title"].replace("-", " ").capitalize()
    return Slide("figure", title, {"pictures": figure, "wide": wide})


# Code


def _pair(pair: Mapping[str, Any]) -> Iterator[Slide]:
    """Yields both styles' cells beside each other, and in the shorter column what differs."""
    lines = {style: cell.lines if cell else () for style, cell in pair["cells"].items()}
    both = all(lines.values()) or pair["differs"]
    width = (WIDTH - GAP) / 2 if both else WIDTH
    ways = {size: _columns(lines, pair["differs"], size, width) for size in CODE_SIZES}
    size = min(ways, key=lambda size: len(ways[size]))  # the first of the least
    for number, row in enumerate(ways[size]):
        columns = row if both else [column for column in row if column.lines]
        about = {"columns": columns, "size": size}
        yield Slide("code", HEADINGS[pair["part"]], about, continued=number > 0)


def _columns(
    lines: Mapping[str, Sequence[Line]], note: str, size: int, width: float
) -> list[list[Column]]:
    """Lays both styles out on slides, the columns of each; the note where there is room for it."""
    columns = {
        style: [Column(style, piece) for piece in _cut(lines[style], size, width)]
        for style in lines
    }
    if note:
        shorter = min(columns, key=lambda style: _height_of_code(lines[style], size, width))
        last = columns[shorter][-1] if columns[shorter] else None
        used = _height_of_note(note, width)
        if last and used + _height_of_code(last.lines, size, width) <= HEIGHT - HEAD:
            columns[shorter][-1] = last._replace(note=note)
        else:
            columns[shorter].append(Column(shorter, (), note))
    count = max(map(len, columns.values()))
    return [
        [of[number] if number < len(of) else Column(style, ()) for style, of in columns.items()]
        for number in range(count)
    ]


def _cut(lines: Sequence[Line], size: int, width: float) -> Iterator[list[Line]]:
    """Cuts a cell into pieces of a slide's height, after an empty line where one is near."""
    piece: list[Line] = []
    for line in lines:
        if _height_of_code([*piece, line], size, width) > HEIGHT - HEAD:
            after = [k for k, one in enumerate(piece, 1) if not one.code and k > len(piece) / 2]
            cut = after[-1] if after else len(piece)
            yield piece[:cut]
            piece = piece[cut:]
        piece.append(line)
    if piece:
        yield piece


def _height_of_code(lines: Sequence[Line], size: int, width: float) -> float:
    letters = width / (size * ADVANCE) - NUMBERS - 2  # and the frame
    return sum(len(_wrap(line.code, letters, HANG)) for line in lines) * size * CODE_LINE + 12


def _height_of_note(note: str, width: float) -> float:
    return _height(["What differs, and why", note], NOTE_SIZE, width - 40) + 24


# Equations


def _equations(pair: Mapping[str, Any], lines: Mapping[int, Line]) -> Iterator[Slide]:
    """Yields the equations of a pair's steps, each above the lines that compute it."""
    group: list[dict[str, Any]] = []
    title, free, continued = f"{HEADINGS[pair['part']]}: equations", HEIGHT, False
    letters = (WIDTH - GAP) / 2 / (STEP_SIZE * ADVANCE) - 2
    for step in pair["steps"]:
        if not step["equation"]:
            continue
        code = {}
        for style, numbers in step["lines"].items():
            found = {lines[n].code.strip(): lines[n].markup for n in numbers}
            code[style] = list(found.items())[:LINES_OF_STEP]
        rows = (sum(len(_wrap(text, letters, HANG)) for text, _ in of) for of in code.values())
        height = FRAME + max(rows) * STEP_SIZE * CODE_LINE
        for equation in step["equation"]:
            height += TALL if "<mfrac>" in equation or "<munder" in equation else LOW
        if group and height > free:
            yield Slide("equations", title, {"steps": group}, continued)
            group, free, continued = [], HEIGHT, True
        free -= height
        group.append({**step, "code": code})
    if group:
        yield Slide("equations", title, {"steps": group}, continued)


# Claims and exercises


def _claims(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[Slide]:
    """Yields how often each sentence of the article held, what failed first."""
    measured = [training["claims"] for training in record["trainings"] if training["claims"]]
    of_run = bool(measured)
    if not of_run:
        kept = reproduced.kept(reproduced.title(lesson, record))
        measured = [training.about["claims"] for training in kept]
    counts: dict[str, list[bool]] = {}
    for results in claims.by_claim(lesson, measured).values():
        for result in results:
            if result["holds"] is not None and not result["claim"].startswith("Ours"):
                counts.setdefault(result["claim"], []).append(result["holds"])
    rows = [
        {
            "kind": "passed" if all(holds) else "mixed" if any(holds) else "failed",
            "sentence": sentence,
            "held": f"{sum(holds)} of {len(holds)}",
        }
        for sentence, holds in counts.items()
    ]
    rows.sort(key=lambda row: ("failed", "mixed", "passed").index(row["kind"]))
    if rows:
        size = _size([row["sentence"] for row in rows], WIDTH - 160, HEIGHT - 60)
        yield Slide(
            "claims", "What the article claims", {"rows": rows, "of_run": of_run, "size": size}
        )


def _exercises(
    exercises: Sequence[tuple[Exercise, str, str | None]],
) -> Iterator[Slide]:
    """Yields each exercise, and on the next slide its answer, if there is one."""
    for number, (exercise, command, answer) in enumerate(exercises, 1):
        size = _size([exercise.task], height=HEIGHT - 140)
        about = {"texts": [exercise.task], "command": command, "size": size}
        yield Slide("text", f"Exercise {number}", about)
        if answer:
            about = {"texts": [answer], "command": "", "size": _size([answer])}
            yield Slide("text", f"Exercise {number}: answer", about)
