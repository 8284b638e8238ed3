"""What a page of the report says of one run, ready for its template."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, Lesson, label_of
from ae.proof import errata, published
from ae.report import charts, source, verdicts
from ae.runs.records import changed_settings
from ae.runs.saved import read_run

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError


def page(lesson: Lesson, run: Path, out: Path) -> dict[str, Any]:
    """Collects what the pages say of one run, and copies its pictures.

    Args:
        out: the report's; the pictures go into a folder of the lesson's name.

    Raises:
        InputError: if the run cannot be read, or lacks something.
        OSError: if a picture cannot be written.
    """
    record, settings = read_run(lesson, run)
    title, *about = lesson.doc.strip().split("\n\n")
    try:
        pictures = [name for name in ("figures", "snapshots", "plane") if (run / name).is_dir()]
        for name in pictures:
            shutil.copytree(run / name, out / lesson.name / name)
        networks = [
            _network(lesson, name, record, settings, out / lesson.name)
            for name in dict.fromkeys(t["network"] for t in record["trainings"])
        ]
        planes = [
            {
                "label": _label(t),
                "data": {
                    **t["plane"],
                    **{key: f"{lesson.name}/{t['plane'][key]}" for key in ("decoded", "items")},
                },
            }
            for t in record["trainings"]
            if t["plane"]
        ]
        figures = list(_figures(lesson, record, out))
        sections = ("network", "figures", "learning", "plane", "curves", "claims", "errata",
                    "code", "run")  # fmt: skip
        texts = ("The network", "Figures", "Watch it learn", "Plane of codes", "Learning curves",
                 "Claims", "Errata", "Side by side", "The run")  # fmt: skip
        kept = errata.read(lesson)
        return {
            "name": lesson.name,
            "title": title,
            "about": [{"text": text, "table": _table(text)} for text in about],
            "preset": _preset(lesson, record),
            "departures": ", ".join(published.departures(lesson, record)),
            "notice": record["data"]["notice"],
            "trainings": [_row(lesson, t) for t in record["trainings"]],
            "verdicts": list(verdicts.cards(lesson, record)),
            "sections": [
                pair for pair in zip(sections, texts, strict=True) if planes or pair[0] != "plane"
            ],
            "networks": networks,
            "figures": figures,
            "cover": figures[0][0],
            "example_noun": "page" if record["examples"]["count"] == 1 else "images",
            "learning": [_learning(lesson, record, t, out) for t in record["trainings"]],
            "planes": planes,
            **verdicts.claims_table(lesson, record),
            "errata": [
                {**e._asdict(), "differences": errata.differences(lesson, e)} for e in lesson.errata
            ],
            "measured_on": errata.circumstances(kept) if kept else "",
            "rows": [
                source.Row(_marked(row.left), row.right and _marked(row.right))
                for row in (source.rows(run / record["source"]) if record["source"] else [])
            ],
            "source_name": record["source"],
            "facts": _facts(lesson, record, run),
        }
    except (
        *(KeyError, TypeError, ValueError, IndexError),
        *(FileNotFoundError, UnidentifiedImageError),
    ) as error:
        raise InputError(
            f"{run}: this run lacks what a report needs ({error}); run the lesson again."
        ) from error


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


def _label(training: Mapping[str, Any]) -> str:
    return label_of(training["network"], training["style"])


def _marked(cell: source.Cell) -> source.Cell:
    return cell._replace(html=Markup(cell.html))  # Pygments has escaped it


def _network(lesson, name, record, settings, folder) -> dict[str, Any]:
    model = lesson.networks[name]["keras"].build(settings)
    with Image.open(folder / record["examples"]["input"]) as picture:
        sides = picture.height, picture.width // record["examples"]["count"]
    styles = " and ".join(t["style"] for t in record["trainings"] if t["network"] == name)
    return {
        "name": "" if name == ONLY_NETWORK else name,
        "parts": charts.diagram(model, sides),
        "curves": Markup(charts.curves(lesson, name, record)),
        "curve_alt": f"Loss after each epoch, {styles}, and what was published, if anything was",
    }


def _row(lesson: Lesson, training: Mapping[str, Any]) -> dict[str, str]:
    printed = training["published"]
    losses = " and ".join(f"{loss:.4f}" for loss in printed["losses"]) if printed else ""
    return {
        "label": _label(training),
        "epochs": str(len(training["history"])),
        "time": f"{training['seconds']:.0f} s",
        "loss": f"{training['history'][-1][lesson.printed_loss]:.4f}",
        "published": f"{losses} (epoch {printed['epoch']})" if printed else "no number",
    }


def _figures(
    lesson: Lesson, record: Mapping[str, Any], out: Path
) -> Iterator[list[dict[str, str]]]:
    """Yields the pictures of each figure: both styles of a network beside each other."""
    for network in lesson.networks:
        rows: dict[str, list[dict[str, str]]] = {}
        for training in (t for t in record["trainings"] if t["network"] == network):
            label = _label(training)
            for path in training["figures"]:
                title = Path(path).stem.removeprefix(label.replace(" ", "-") + "-")
                rows.setdefault(title, []).append(_picture(out, lesson.name, path, title, label))
        yield from rows.values()
    for path in record["appendix"]["figures"]:
        yield [_picture(out, lesson.name, path, Path(path).stem)]


def _picture(out: Path, name: str, path: str, title: str, label: str = "") -> dict[str, str]:
    """Captions a figure with what its file says that it shows, or else with its name."""
    with Image.open(out / name / path) as picture:
        caption = picture.info.get("Description", title.replace("-", " "))
    caption = f"{caption}: {label}" if label else caption
    return {"path": f"{name}/{path}", "caption": caption, "alt": f"{name}, {caption}"}


def _learning(lesson, record, training, out) -> dict[str, Any]:
    examples, history = record["examples"], training["history"]
    frames = [
        {
            "epoch": snapshot["epoch"],
            "image": f"{lesson.name}/{snapshot['image']}",
            "loss": f"{history[snapshot['epoch'] - 1][lesson.printed_loss]:.4f}",
        }
        for snapshot in training["snapshots"]
    ]
    with Image.open(out / lesson.name / examples["input"]) as picture:
        pixels = picture.height < 100
    return {
        "label": _label(training),
        "frames": frames,
        "pixels": pixels,
        "tiles": examples["count"],
        "input": f"{lesson.name}/{examples['input']}",
        "input_alt": f"What {lesson.name} is given",
        "output_alt": f"What the {_label(training)} network makes of it",
        "target": f"{lesson.name}/{examples['target']}" if "target" in examples else "",
        "target_alt": f"What {lesson.name} should make of it",
    }


def _preset(lesson: Lesson, record: Mapping[str, Any]) -> str:
    changed = [f"{name} {value}" for name, value in changed_settings(lesson, record).items()]
    return record["preset"] + (f", but {', '.join(changed)}" if changed else "")


def _facts(lesson: Lesson, record: Mapping[str, Any], run: Path) -> list[tuple[str, str]]:
    settings = {name: value for name, value in record["settings"].items() if value is not None}
    return [
        ("folder", str(run)),
        ("started", record["started"]),
        ("machine", record["device"]),
        ("data", record["data"]["source"]),
        ("preset", _preset(lesson, record)),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("versions", ", ".join(f"{name} {value}" for name, value in record["versions"].items())),
    ]
