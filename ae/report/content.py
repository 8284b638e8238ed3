"""What the templates show of one run, besides its record and its lesson."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.lesson import ONLY_NETWORK, Lesson, heading_of, label_of
from ae.proof import errata, exercises, pictures, published
from ae.report import charts, live, source
from ae.report.equations import mathml
from ae.report.verdicts import claims_table, expected_claims, summary, verdicts
from ae.runs.records import changed_settings, read_run

from PIL import Image

COMPARED = "published-and-corrected"  # the figure that `ae.proof.variants` draws


def page(lesson: Lesson, run: Path, out: Path) -> dict[str, Any]:
    """Collects what the pages show of a run, and copies its pictures to `out`/LESSON.

    Raises:
        InputError: the run cannot be read. A run that lacks something raises errors of other kinds.
    """
    record, settings = read_run(lesson, run)
    for name in ("figures", "snapshots", "plane"):
        if (run / name).is_dir():
            shutil.copytree(run / name, out / lesson.name / name)
    trainings, examples = record["trainings"], record["examples"]
    with Image.open(out / lesson.name / examples["input"]) as picture:
        sides = picture.height, picture.width // examples["count"]
    figures = list(_by_author(lesson, list(_figures(lesson, record, out))))
    changed = [f"{name} {value}" for name, value in changed_settings(lesson, record).items()]
    kept = errata.read(lesson)
    about = [(text, _table(text)) for text in lesson.doc.strip().split("\n\n")[1:]]
    rows = source.rows(run / record["source"], lesson.steps) if record["source"] else []
    return {
        "name": lesson.name,
        "lesson": lesson,
        "run": run,
        "record": record,
        "preset": record["preset"] + (f", but {', '.join(changed)}" if changed else ""),
        "departures": ", ".join(published.departures(lesson, record)),
        "article": next((r[1] for _, table in about for r in table if r[0] == "Article"), ""),
        "about": about,
        "verdicts": list(verdicts(lesson, record)),
        "verdict": summary(lesson, record),
        "live": live.of(lesson, run, record, settings),
        "networks": [
            {
                "name": name,
                "styles": " and ".join(training["style"] for training in of),
                "parts": charts.diagram(
                    lesson.networks[name or ONLY_NETWORK]["keras"].build(settings), sides
                ),
                "curves": charts.curves(lesson, name or ONLY_NETWORK, record),
            }
            for name, of in _by_network(trainings)
        ],
        "figures": figures,
        "best": list(_chosen(figures, best=True)),
        "more": list(_chosen(figures, best=False)),
        "cover": _cover(figures),
        "small": sides[0] < 100,  # pixels; then each can be seen
        "learning": [
            (name, [(t, frames(lesson, t)) for t in of]) for name, of in _by_network(trainings)
        ],
        "planes": [
            (name, [(t, _plane(lesson, t["plane"])) for t in of if t["plane"]])
            for name, of in _by_network(trainings)
            if any(t["plane"] for t in of)
        ],
        "claims": claims_table(record),
        "expected": expected_claims(lesson, record),
        "published_pictures": pictures.rows(lesson, trainings),
        "errata": [(e, errata.differences(lesson, e)) for e in errata.by_effect(lesson)],
        "measured_on": errata.circumstances(kept) if kept else "",
        "rows": rows,
        "pairs": list(pairs(lesson, rows)),
        "rest": [cell for cell, _ in rows if not cell.part],
        "exercises": [
            (one, exercises.command(lesson, one), exercises.answer(lesson, one))
            for one in lesson.exercises
        ],
    }


def pairs(
    lesson: Lesson, rows: Sequence[tuple[source.Cell, source.Cell | None]]
) -> Iterator[dict[str, Any]]:
    """Yields what stands side by side: the cells of both styles, their steps, and what differs.

    Args:
        lesson: whose steps the lines were joined by.
        rows: what `source.rows` cut; those that both styles share are left out.
    """
    shown: set[int] = set()  # steps whose equations stand above an earlier pair
    cells = [cell for row in rows for cell in row if cell]
    for row in rows:
        if not row[0].part:
            continue
        of_style = {cell.style: cell for cell in row if cell}
        found = {n for cell in of_style.values() for line in cell.lines for n in line.steps}
        steps = []
        for number in sorted(found):
            step = lesson.steps[number - 1]
            equation = "" if number in shown else step.equation
            steps.append(
                {
                    "number": number,
                    "name": step.name,
                    "first": number not in shown,
                    "equation": [mathml(part) for part in equation.split(r", \quad ") if part],
                    "lines": {s: source.lines_of(number, s, cells) for s in source.PIECES},
                }
            )
        shown |= found
        yield {
            "part": row[0].part,
            "cells": {style: of_style.get(style) for style in source.PIECES},
            "steps": steps,
            "differs": lesson.differs.get(row[0].part, ""),
        }


def _by_network(
    trainings: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yields the trainings of each network, with its name if there are several networks."""
    for network in dict.fromkeys(training["network"] for training in trainings):
        name = "" if network == ONLY_NETWORK else network
        yield name, [training for training in trainings if training["network"] == network]


def frames(lesson: Lesson, training: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lists the snapshots of a training: epoch, image and loss of each."""
    return [
        {
            "epoch": snapshot["epoch"],
            "image": f"{lesson.name}/{snapshot['image']}",
            "loss": f"{training['history'][snapshot['epoch'] - 1][lesson.printed_loss]:.4f}",
        }
        for snapshot in training["snapshots"]
    ]


def _plane(lesson: Lesson, plane: Mapping[str, Any]) -> dict[str, Any]:
    return {**plane, **{key: f"{lesson.name}/{plane[key]}" for key in ("decoded", "items")}}


def _figures(
    lesson: Lesson, record: Mapping[str, Any], out: Path
) -> Iterator[list[dict[str, str]]]:
    """Yields the pictures of each figure: both styles of a network beside each other."""
    figures: dict[tuple[str, str], list[dict[str, str]]] = {}
    for training in record["trainings"]:
        label = label_of(training["network"], training["style"])
        for path in training["figures"]:
            title = Path(path).stem.removeprefix(label.replace(" ", "-") + "-")
            pictures = figures.setdefault((training["network"], title), [])
            of = heading_of(training["network"], training["style"])
            pictures.append(_picture(lesson, path, title, out, f"{of}: "))
    yield from figures.values()
    for path in record["appendix"]["figures"]:
        yield [_picture(lesson, path, Path(path).stem, out)]


def _by_author(
    lesson: Lesson, figures: Sequence[list[dict[str, str]]]
) -> Iterator[tuple[str, list[list[dict[str, str]]]]]:
    """Sorts figures under headings: the article's, its notebook's, and ours."""
    drawn = {title: by for by, titles in lesson.figures_by.items() for title in titles}
    for heading, by in (
        ("The article's figures", "article"),
        ("Its notebook's figures", "notebook"),
        ("Our figures", None),
    ):
        of_author = [figure for figure in figures if drawn.get(figure[0]["title"]) == by]
        if of_author:
            yield heading, of_author


def _chosen(
    figures: Sequence[tuple[str, list[list[dict[str, str]]]]], best: bool
) -> Iterator[tuple[str, list[list[dict[str, str]]]]]:
    """Divides the figures: best are the first kind, of all networks, and the variants compared."""
    titles = {figures[0][1][0][0]["title"], COMPARED}
    for heading, group in figures:
        if chosen := [figure for figure in group if (figure[0]["title"] in titles) == best]:
            yield heading, chosen


def _cover(figures: Sequence[tuple[str, list[list[dict[str, str]]]]]) -> dict[str, str]:
    """Chooses the picture that stands for a lesson: the article's first, of the last network."""
    first = figures[0][1]
    return [one[0] for one in first if one[0]["title"] == first[0][0]["title"]][-1]


def _picture(lesson: Lesson, path: str, title: str, out: Path, of: str = "") -> dict[str, str]:
    """Captions a figure with what its file says that it shows, or else with its title."""
    path = f"{lesson.name}/{path}"
    with Image.open(out / path) as picture:
        caption = of + picture.info.get("Description", title.replace("-", " "))
    about = {"path": path, "title": title, "caption": caption}
    return {**about, "alt": f"{lesson.name}, {caption}"}


def _table(text: str) -> list[list[str]]:
    """Cuts a paragraph of a lesson's docstring that is set as a table into rows of two cells.

    Two spaces or more stand between the cells. A line with one cell continues the row before it.
    """
    rows: list[list[str]] = []
    if "   " in text:
        for line in text.split("\n"):
            first, *second = re.split(" {2,}", line.strip(), maxsplit=1)
            if second or not rows:
                rows.append([first, *second])
            else:
                rows[-1][-1] += f" {first}"
    return rows
