"""Runs a lesson in a folder: begins a run, resumes one, or draws one again."""

import dataclasses
import datetime
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import Lesson, Settings, label_of
from ae.runs import records
from ae.runs.folder import (
    claimed,
    is_unfinished,
    refuse_a_pattern,
    refuse_another_s_figures,
    refuse_what_would_be_lost,
)
from ae.runs.records import RECORD, UNFINISHED
from ae.runs.saved import load_data, load_network, read_run
from ae.runs.unfinished import Observer, Unfinished
from ae.training import precision


def train(
    lesson: Lesson,
    settings: Settings,
    folder: Path,
    *,
    preset: str,
    style: str = "both",
    data_dir: Path | None = None,
    show: bool = False,
    tensorboard: bool = False,
    observers: Sequence[type[Observer]] = (),
) -> dict[str, Any]:
    """Trains a lesson's networks, draws their figures and writes the record.

    Args:
        folder: where everything goes; a finished run of the lesson there is replaced.
        preset: which settings these are a choice of; claims are measured at "article".
        style: "low-level", "keras" or "both".
        tensorboard: whether to write TensorBoard's event files.
        observers: what keeps more of each training.

    Returns:
        The record, as `record.json` in the folder holds it, and the `folder`.

    Raises:
        InputError: if the data or the folder cannot be used, the folder holds a run to resume or
            something that is no run of the lesson, the low-level style cannot compute in
            bfloat16 as asked, or a loss stops being a number.
        Interrupted: if Ctrl-C was pressed after the run had begun.
    """
    with claimed(folder):
        refuse_what_would_be_lost(folder, lesson.name)
        precision.require(settings, style)
        data = lesson.load(settings, data_dir)
        record = {
            "lesson": lesson.name,
            "preset": preset,
            "style": style,
            "tensorboard": tensorboard,
            "settings": dataclasses.asdict(settings),
            "data": data.provenance._asdict(),
            **records.environment(),
            "source_sha256": _source_sha256(lesson),
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "printed_loss": lesson.printed_loss,
            "trainings": [],
        }
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        return Unfinished(
            lesson, settings, data, record, folder, data_dir, show, observers
        ).finish()


def resume(
    lesson: Lesson,
    folder: Path,
    data_dir: Path | None = None,
    show: bool = False,
    observers: Sequence[type[Observer]] = (),
) -> dict[str, Any]:
    """Resumes an interrupted run after its last finished epoch.

    Args:
        observers: as for `train`.

    Returns:
        The record, the same as that of a run that was never interrupted.

    Raises:
        InputError: if there is no unfinished run of this lesson, its folder has a name that
            checkpoints cannot be found by, or the data are others than before; and as `train`.
        Interrupted: as `train`.
    """
    if folder.name == UNFINISHED:
        folder = folder.parent
    if not is_unfinished(folder):
        finished = (folder / RECORD).is_file()
        raise InputError(
            f"{folder}: this run is finished; there is nothing to resume."
            if finished
            else f"{folder}: there is no run here to resume."
        )
    refuse_a_pattern(folder)
    with claimed(folder):
        record, settings = read_run(lesson, folder / UNFINISHED)
        precision.require(settings, record["style"])
        data = load_data(lesson, folder, record, settings, data_dir)
        changes = []
        if record["versions"] != records.environment()["versions"]:
            changes.append("other versions of its packages")
        if record.get("source_sha256", _source_sha256(lesson)) != _source_sha256(lesson):
            changes.append(f"another version of {lesson.name}.py")
        if changes:
            print(
                f"{folder}: this run began with {' and '.join(changes)}, so it may end with other "
                "numbers than without the interruption.",
                file=sys.stderr,
            )
        return Unfinished(
            lesson, settings, data, record, folder, data_dir, show, observers
        ).finish()


def redraw(
    lesson: Lesson,
    folder: Path,
    out: Path | None = None,
    *,
    asked: Mapping[str, Any],
    style: str = "both",
    data_dir: Path | None = None,
    show: bool = False,
) -> dict[str, Any]:
    """Draws the figures of an earlier run again, from its saved networks.

    Where they go into the run's own folder, its record lists what it did not list before; the
    settings in it stay those that the networks were trained with.

    Args:
        out: where the figures go; into the run's own folder if it is None.
        asked: settings that replace the run's own.
        style: whose figures: "low-level", "keras" or "both".

    Returns:
        The run's record, with `out` for `folder`.

    Raises:
        InputError: if there is no such run, it has no network of that style, data or folder
            cannot be used, or another run is in `out`.
    """
    if folder.name == UNFINISHED:
        folder = folder.parent
    out = out or folder
    record, settings = read_run(lesson, folder, asked)
    if style not in ("both", *(training["style"] for training in record["trainings"])):
        raise InputError(f"{folder}: this run has no {style} network; leave --style out.")
    with claimed(out):
        if not out.samefile(folder):
            refuse_another_s_figures(out)
        if "data" not in asked:
            data = load_data(lesson, folder, record, settings, data_dir)
        else:
            data = lesson.load(settings, data_dir)
            others = record["data"]["sha256"] != data.provenance.sha256
            if others and out.samefile(folder):
                raise InputError(
                    f"{folder}: this run was on other data ({record['data']['source']}); "
                    "give figures of these a folder of their own, with --out."
                )
        try:
            for training in record["trainings"]:
                if style not in (training["style"], "both"):
                    continue
                network = load_network(lesson, folder, training, settings)
                label = label_of(training["network"], training["style"])
                report = records.draw(lesson, network, label, data, settings, out, show)
                _add(training, report.as_recorded(out))
                if out.samefile(folder):
                    records.write_record(folder, record)
            appendix = record.setdefault("appendix", {})
            _add(appendix, records.draw_appendix(lesson, data, settings, out, show))
            if out.samefile(folder):
                records.write_record(folder, record)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"--out {out}: a figure cannot be written ({error.strerror or error})."
            ) from error
    return {**record, "folder": out}


def _source_sha256(lesson: Lesson) -> str | None:
    return lesson.file and hashlib.sha256(lesson.file.read_bytes()).hexdigest()


def _add(part: dict[str, Any], drawn: Mapping[str, Any]) -> None:
    """Adds newly drawn figures and results to a part of a record."""
    part["figures"] = list(dict.fromkeys([*part.get("figures", ()), *map(str, drawn["figures"])]))
    part["results"] = {**part.get("results", {}), **drawn["results"]}
