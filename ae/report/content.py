"""What the templates show of one run, besides its record and its lesson."""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.lesson import ONLY_NETWORK, Lesson, label_of
from ae.proof import errata, pictures, published
from ae.report import charts, source
from ae.report.verdicts import claims_table, expected_claims, verdicts
from ae.runs.records import changed_settings
from ae.runs.saved import read_run

from PIL import Image


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
    figures = list(_figures(lesson, record, out))
    changed = [f"{name} {value}" for name, value in changed_settings(lesson, record).items()]
    kept = errata.read(lesson)
    return {
        "name": lesson.name,
        "lesson": lesson,
        "run": run,
        "record": record,
        "preset": record["preset"] + (f", but {', '.join(changed)}" if changed else ""),
        "departures": ", ".join(published.departures(lesson, record)),
        "about": [(text, _table(text)) for text in lesson.doc.strip().split("\n\n")[1:]],
        "verdicts": list(verdicts(lesson, record)),
        "networks": [
            {
                "name": "" if name == ONLY_NETWORK else name,
                "styles": " and ".join(t["style"] for t in trainings if t["network"] == name),
                "parts": charts.diagram(lesson.networks[name]["keras"].build(settings), sides),
                "curves": charts.curves(lesson, name, record),
            }
            for name in dict.fromkeys(t["network"] for t in trainings)
        ],
        "figures": list(_by_author(lesson, figures)),
        "cover": figures[0][0],
        "small": sides[0] < 100,  # pixels; then each can be seen
        "learning": [(training, frames(lesson, training)) for training in trainings],
        "planes": [(t, _plane(lesson, t["plane"])) for t in trainings if t["plane"]],
        "claims": claims_table(record),
        "expected": expected_claims(lesson, record),
        "published_pictures": pictures.rows(lesson, trainings),
        "errata": [(e, errata.differences(lesson, e)) for e in errata.by_effect(lesson)],
        "measured_on": errata.circumstances(kept) if kept else "",
        "rows": source.rows(run / record["source"]) if record["source"] else [],
    }


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
            pictures.append(_picture(lesson, path, title, out, f": {label}"))
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


def _picture(lesson: Lesson, path: str, title: str, out: Path, of: str = "") -> dict[str, str]:
    """Captions a figure with what its file says that it shows, or else with its title."""
    path = f"{lesson.name}/{path}"
    with Image.open(out / path) as picture:
        caption = picture.info.get("Description", title.replace("-", " ")) + of
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
