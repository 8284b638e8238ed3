"""The report: the records of runs as pages that need neither internet nor server."""

import json
import os
import re
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import Lesson
from ae.paths import python
from ae.report import source
from ae.report.content import page
from ae.runs import records
from ae.runs.folder import is_unfinished
from ae.runs.records import RECORD, UNFINISHED

import jinja2
from markupsafe import Markup, escape

FOLDER = Path(__file__).resolve().parent
MARK = "report.json"  # marks a report, so that no other folder is overwritten


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
                f"{candidate}: left out, because this run is not finished; "
                f"resume it: --resume {candidate}.",
                file=sys.stderr,
            )
    if not found:
        below = sorted({path.parents[1] for path in folder.glob(f"*/*/{RECORD}")})
        raise InputError(
            f"{folder}: there is no run here, but in {' and '.join(map(str, below))}; name one."
            if below
            else f"{folder}: there is no run here; `{python()} -m tutorials run` makes some."
        )
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
        pages = [page(lesson, runs[lesson.name], partial) for lesson in lessons]
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
    for one in pages:
        html = templates.get_template("lesson.html").render(pages=pages, page=one, here=one["name"])
        (folder / f"{one['name']}.html").write_text(html, encoding="utf-8")


def _prose(text: str) -> Markup:
    """Marks up as code what stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
