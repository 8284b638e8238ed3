"""The report: the records of runs as pages that need neither internet nor server."""

import dataclasses
import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae import claims, published
from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, Lesson, label_of
from ae.proof import check, errata
from ae.proof.reproduced import kept_in_float32, kept_like, trainings_of
from ae.report import charts, source
from ae.runs import records
from ae.runs.folder import is_unfinished
from ae.runs.records import RECORD, UNFINISHED
from ae.runs.saved import read_run

import jinja2
from markupsafe import Markup, escape
from PIL import Image, UnidentifiedImageError

FOLDER = Path(__file__).resolve().parent
MARK = "report.json"  # lies in every report, so that no other folder is overwritten


def find_runs(folder: Path) -> dict[str, Path]:
    """Finds the newest run of each lesson in a folder.

    Args:
        folder: a run's folder, or one that holds folders of runs.

    Returns:
        Run folders by lesson name.

    Raises:
        InputError: if there is no run, or a record cannot be read.
    """
    candidates = [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
    found: dict[str, tuple[str, Path]] = {}
    for candidate in candidates:
        if candidate.name == UNFINISHED or not os.access(candidate, os.R_OK | os.X_OK):
            continue
        if (candidate / RECORD).is_file():
            record = records.read_record(candidate)
            name, started = str(record["lesson"]), str(record.get("started", ""))
            if name not in found or started > found[name][0]:
                found[name] = (started, candidate)
        elif is_unfinished(candidate):
            print(
                f"{candidate}: left out, for this run is not finished; "
                f"go on with it: --resume {candidate}.",
                file=sys.stderr,
            )
    if not found:
        raise InputError(f"{folder}: there is no run here; `python -m tutorials run` makes some.")
    return {name: run for name, (_, run) in found.items()}


def write(lessons: Sequence[Lesson], runs: Mapping[str, Path], out: Path) -> Path:
    """Writes the report of runs.

    Args:
        lessons: the lessons that were run, in the order of the pages.
        runs: a run's folder for each, by name.
        out: the folder to write; an older report there is replaced once the new one is complete.

    Returns:
        The first page.

    Raises:
        InputError: if a run cannot be read, or `out` is something else than a report.
    """
    out = out.resolve()
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out}: this is not a report, and is not overwritten.")
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex}")  # another may be writing here too
    try:
        partial.mkdir(parents=True)
        pages = [_page(lesson, runs[lesson.name], partial) for lesson in lessons]
        _render(pages, partial)
        (partial / MARK).write_text(json.dumps([page["name"] for page in pages]) + "\n")
        if out.exists():
            shutil.rmtree(out)
        partial.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: this cannot be written ({error}).") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out / "index.html"


def _render(pages: Sequence[Mapping[str, Any]], folder: Path) -> None:
    shutil.copytree(FOLDER / "static", folder / "static")
    (folder / "static" / "code.css").write_text(source.stylesheet(), encoding="utf-8")
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["prose"] = _prose
    html = templates.get_template("index.html").render(pages=pages, here="index")
    (folder / "index.html").write_text(html, encoding="utf-8")
    for page in pages:
        html = templates.get_template("lesson.html").render(
            pages=pages, page=page, here=page["name"]
        )
        (folder / f"{page['name']}.html").write_text(html, encoding="utf-8")


def _prose(text: str) -> Markup:
    """Marks up as code what stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _page(lesson: Lesson, run: Path, out: Path) -> dict[str, Any]:
    """Collects what the pages say of one run, and copies its pictures."""
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
        figures = list(_figures(lesson, record))
        for picture in (picture for row in figures for picture in row):
            (out / picture["path"]).stat()
        sections = ("network", "figures", "learning", "plane", "curves", "claims", "errata",
                    "code", "run")  # fmt: skip
        texts = ("The network", "Figures", "Watch it learn", "Plane of codes", "Learning curves",
                 "Claims", "Errata", "Side by side", "The run")  # fmt: skip
        kept = errata.read(lesson)
        return {
            "name": lesson.name,
            "title": title,
            "about": [" ".join(paragraph.split()) for paragraph in about],
            "preset": record["preset"],
            "departures": ", ".join(published.departures(lesson, record)),
            "variant": settings.variant,
            "notice": record["data"]["notice"],
            "trainings": [_row(lesson, t) for t in record["trainings"]],
            "verdicts": list(_verdicts(lesson, record)),
            "sections": [
                pair for pair in zip(sections, texts, strict=True) if planes or pair[0] != "plane"
            ],
            "networks": networks,
            "figures": figures,
            "cover": figures[0][0],
            "example_noun": "page" if record["examples"]["count"] == 1 else "images",
            "learning": [_learning(lesson, record, t, out) for t in record["trainings"]],
            "planes": planes,
            **_claims(lesson, record),
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
        "loss": f"{training['history'][-1][lesson.measure]:.4f}",
        "published": f"{losses} (epoch {printed['epoch']})" if printed else "no number",
    }


def _figures(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[list[dict[str, str]]]:
    """Yields the pictures of each figure: both styles of a network beside each other."""
    for network in lesson.networks:
        rows: dict[str, list[dict[str, str]]] = {}
        for training in (t for t in record["trainings"] if t["network"] == network):
            label = _label(training)
            for path in training["figures"]:
                title = Path(path).stem.removeprefix(label.replace(" ", "-") + "-")
                caption = f"{title.replace('-', ' ')}: {label}"
                alt = f"{lesson.name}, {caption}"
                picture = {"path": f"{lesson.name}/{path}", "caption": caption, "alt": alt}
                rows.setdefault(title, []).append(picture)
        yield from rows.values()
    for path in record["appendix"]["figures"]:
        title = Path(path).stem.replace("-", " ")
        yield [
            {"path": f"{lesson.name}/{path}", "caption": title, "alt": f"{lesson.name}, {title}"}
        ]


def _learning(lesson, record, training, out) -> dict[str, Any]:
    examples, history = record["examples"], training["history"]
    frames = [
        {
            "epoch": snapshot["epoch"],
            "image": f"{lesson.name}/{snapshot['image']}",
            "loss": f"{history[snapshot['epoch'] - 1][lesson.measure]:.4f}",
        }
        for snapshot in training["snapshots"]
    ]
    with Image.open(out / lesson.name / examples["input"]) as picture:
        pixels = picture.height < 100
    return {
        "label": _label(training),
        "frames": frames,
        "pixels": pixels,
        "input": f"{lesson.name}/{examples['input']}",
        "input_alt": f"What {lesson.name} is given",
        "output_alt": f"What the {_label(training)} network makes of it",
        "target": f"{lesson.name}/{examples['target']}" if "target" in examples else "",
        "target_alt": f"What {lesson.name} should make of it",
    }


def _verdicts(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yields what a card says of the published curve and of the claims."""
    notice, preset = record["data"]["notice"], record["preset"]
    for network in dict.fromkeys(t["network"] for t in record["trainings"]):
        trainings = [t for t in trainings_of(record) if t.about["network"] == network]
        of = "published curve" if network == ONLY_NETWORK else f"published curve of the {network}"
        columns = published.columns(lesson, network, record["settings"], notice)
        kind = "open"
        if not lesson.published.get(network):
            text = "none was printed"
        elif notice:
            text = f"not compared: {notice}"
        elif not columns:
            text = "not compared: it was printed with other settings"
        elif preset != "article":
            text = f"not compared at the preset {preset}"
        elif found := published.departures(lesson, record):
            text = f"not compared: it has {', '.join(found)}"
        else:
            float32 = kept_in_float32(lesson, trainings[0])
            kept = [t for t in kept_like(lesson, record) if t.about["network"] == network]
            together = f"this run and {len(kept)} kept ones"
            spread = [*trainings, *kept] if float32 is None else float32
            if len(spread) < check.FEWEST_RUNS:
                text = f"not compared: {together} are too few to make a band of"
            else:
                compared = check.compare(lesson, network, [*trainings, *kept], float32)
                kind = "passed" if compared.passed else "failed"
                text = f"{check.verdict(compared)}; {together}"
        yield {"of": of, "kind": kind, "text": text}
    measured = claims.by_claim(lesson, (t["claims"] for t in record["trainings"]))
    results = [result for found in measured.values() for result in found]
    known = [result["holds"] for result in results if result["holds"] is not None]
    if not measured:
        text = f"not measured at the preset {preset}"
        if preset == "article":
            text = f"not measured: it has {', '.join(published.departures(lesson, record))}"
        yield {"of": "claims", "kind": "open", "text": text}
    else:
        text = f"{sum(known)} of {len(known)} measurements bear the article out"
        yield {"of": "claims", "kind": "passed" if all(known) else "failed", "text": text}


def _claims(lesson: Lesson, record: Mapping[str, Any]) -> dict[str, Any]:
    """Sets the claims in a table: a row for each, a column for each training."""
    trainings = [t for t in record["trainings"] if t["claims"]]
    rows: dict[str, dict[str, Any]] = {}
    for number, training in enumerate(trainings):
        for result in training["claims"]:
            row = rows.setdefault(
                result["claim"],
                {
                    "text": result["claim"],
                    "threshold": claims.threshold(result).strip(" ()"),
                    "reason": result["reason"],
                    "cells": [{"kind": "open", "text": "–"} for _ in trainings],
                },
            )
            if result["holds"] is None:
                row["cells"][number] = {"kind": "open", "text": "not measured"}
            else:
                word = "holds" if result["holds"] else "fails"
                row["cells"][number] = {
                    "kind": "passed" if result["holds"] else "failed",
                    "text": f"{result['value']:.3g}, {word}",
                }
    return {
        "claims": list(rows.values()),
        "claim_labels": [_label(t) for t in trainings],
        "claim_texts": [claim.text for claim in lesson.claims],
    }


def _facts(lesson: Lesson, record: Mapping[str, Any], run: Path) -> list[tuple[str, str]]:
    settings = {name: value for name, value in record["settings"].items() if value is not None}
    preset = json.loads(json.dumps(dataclasses.asdict(lesson.presets[record["preset"]])))
    changed = [f"{name} {value}" for name, value in settings.items() if value != preset[name]]
    return [
        ("folder", str(run)),
        ("started", record["started"]),
        ("machine", record["device"]),
        ("data", record["data"]["source"]),
        ("preset", record["preset"] + (f", but {', '.join(changed)}" if changed else "")),
        ("settings", ", ".join(f"{name} {value}" for name, value in settings.items())),
        ("versions", ", ".join(f"{name} {value}" for name, value in record["versions"].items())),
    ]
