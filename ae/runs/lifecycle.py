"""Runs a lesson in a folder: begins a run, resumes one, or draws one again."""

import dataclasses
import datetime
import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, label_of
from ae.paths import files_in, refuse_to_overwrite, remember
from ae.runs import drawing, records
from ae.runs.folder import (
    claimed,
    is_unfinished,
    refuse_what_would_be_lost,
    require_unfinished,
    whole,
)
from ae.runs.records import RECORD, UNFINISHED, read_run
from ae.runs.saved import load_data, load_network, load_networks
from ae.runs.unfinished import Unfinished
from ae.runs.workers import assist, begin
from ae.terminal import colored, counted, say, working
from ae.training import precision, strategies
from ae.training.memory import keep_freed_memory


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
    strategy: str | None = None,
    overwrite: bool = False,
    observers: Sequence[type] = (),
    expected: str = "",
) -> dict[str, Any] | None:
    """Trains a lesson's networks, draws their figures and writes the record.

    Args:
        folder: where everything goes.
        preset: the preset that the settings come from; claims are measured at "article".
        style: "low-level", "keras" or "both".
        strategy: one of `ae.lesson.STRATEGIES`, to train on several devices.
        overwrite: whether to replace what this run would not make again.
        observers: what keeps more of each training; see `ae.runs.unfinished.Unfinished`.
        expected: how long it may take, in words.

    Returns:
        The record, as `record.json` in the folder holds it, and the `folder`. None, if this is one
        of several workers and another keeps the run.
    """
    keep_freed_memory()
    about = beginning(lesson, settings, preset, style, tensorboard, strategy)
    cluster = strategies.require(strategy, settings, style)
    if cluster is not None and not cluster.is_chief:
        return assist(lesson, cluster, _source(lesson) | about, settings, folder, data_dir)
    with claimed(folder):
        refuse_what_would_be_lost(folder, about, overwrite)
        precision.require(settings, style)
        with working(f"{lesson.name}: loading the data"):
            data = lesson.load(settings, data_dir)
        notice = {"data": {"notice": data.provenance.notice}}  # generated data are others
        refuse_what_would_be_lost(folder, about | notice, overwrite)
        record = {
            **about,
            "data": data.provenance._asdict(),
            **records.environment(),
            **_source(lesson),
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "printed_loss": lesson.printed_loss,
            "trainings": [],
        }
        replicas = begin(lesson, cluster, record, folder, resumed=False)
        if replicas is not None:
            record["replicas"] = replicas.number
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        say(_header(lesson, record, settings, len(data.x_train), expected))
        run = Unfinished(
            *(lesson, settings, data, record, folder, data_dir, show, observers), replicas
        )
        return run.finish()


def beginning(
    lesson: Lesson,
    settings: Settings,
    preset: str,
    style: str,
    tensorboard: bool,
    strategy: str | None,
) -> dict[str, Any]:
    """Returns how the record of a run begins: with what the user chose."""
    return {
        "lesson": lesson.name,
        "preset": preset,
        "style": style,
        "tensorboard": tensorboard,
        "settings": dataclasses.asdict(settings),
        **({} if strategy is None else {"strategy": strategy}),
    }


def resume(
    lesson: Lesson,
    folder: Path,
    data_dir: Path | None = None,
    show: bool = False,
    observers: Sequence[type] = (),
    strategy: str | None = None,
) -> dict[str, Any] | None:
    """Resumes an interrupted run after its last finished epoch, on the same data.

    The record is the same as that of a run that was never interrupted. It says which strategy
    trains, but to the workers of other machines, which return None as in `train`.
    """
    keep_freed_memory()
    folder, cluster = whole(folder), None
    unfinished = folder / UNFINISHED
    recorded = records.read_record(unfinished).get("strategy") if is_unfinished(folder) else None
    if "multi-worker" in (strategy, recorded):
        cluster = strategies.read_cluster()
        if not cluster.is_chief:
            about = {"lesson": lesson.name, "strategy": "multi-worker"}
            return assist(lesson, cluster, _source(lesson) | about, None, folder, data_dir)
    require_unfinished(folder)
    if strategy not in (None, recorded):
        begun = f"with --strategy {recorded}" if recorded else "without --strategy"
        raise InputError(f"{folder}: this run began {begun}; resume it so.")
    with claimed(folder):
        record, settings = read_run(lesson, unfinished)
        precision.require(settings, record["style"])
        with working(f"{lesson.name}: loading the data"):
            data = load_data(lesson, folder, record, settings, data_dir)
        replicas = begin(lesson, cluster, record, folder, resumed=True)
        say(_header(lesson, record, settings, len(data.x_train), "resumed"))
        changes = []
        if replicas is not None and record["replicas"] != replicas.number:
            changes.append(f"{record['replicas']} replicas, not {replicas.number},")
        if record["versions"] != records.environment()["versions"]:
            changes.append("other versions of its packages")
        if record.get("source_sha256") != _source(lesson)["source_sha256"]:
            changes.append(f"another version of {lesson.name}.py")
        if changes:
            print(
                f"{folder}: this run began with {' and '.join(changes)}, so it may end with other "
                "numbers than without the interruption.",
                file=sys.stderr,
            )
        run = Unfinished(
            *(lesson, settings, data, record, folder, data_dir, show, observers), replicas
        )
        return run.finish()


def redraw(
    lesson: Lesson,
    folder: Path,
    out: Path | None = None,
    *,
    asked: Mapping[str, Any],
    style: str = "both",
    data_dir: Path | None = None,
    show: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draws the figures of an earlier run again, from its saved networks.

    They go to `out`, by default the run's own folder, whose record lists them then. `asked` are
    settings that replace the run's own. Returns the record, with `out` for `folder`.
    """
    folder = whole(folder)
    out = out or folder
    record, settings = read_run(lesson, folder, asked)
    if style not in ("both", *(training["style"] for training in record["trainings"])):
        raise InputError(f"{folder}: this run has no {style} network; leave --style out.")
    with claimed(out):
        in_place = out.samefile(folder)
        if not in_place and ((out / RECORD).exists() or is_unfinished(out)):
            raise InputError(
                f"--out {out}: another run is in this folder, and its figures would be lost; "
                "choose another folder."
            )
        refuse_to_overwrite(out, files_in(out / "figures"), overwrite)
        if "data" in asked:
            data = lesson.load(settings, data_dir)
            if in_place and record["data"]["sha256"] != data.provenance.sha256:
                raise InputError(
                    f"{folder}: this run was on other data ({record['data']['source']}); "
                    "give figures of these a folder of their own, with --out."
                )
        else:
            data = load_data(lesson, folder, record, settings, data_dir)

        def keep(part: dict[str, Any], drawn: Mapping[str, Any]) -> None:
            _add(part, drawn)
            files = [out / figure for figure in drawn["figures"]]
            remember(out, [*files, records.write_record(out, record)] if in_place else files)

        try:
            for training in record["trainings"]:
                if style in (training["style"], "both"):
                    network = load_network(lesson, folder, training, settings)
                    about = training["network"], training["style"], training["history"]
                    with working(f"{label_of(*about[:2])}: figures"):
                        drawn = drawing.draw(lesson, data, settings, out, show, network, *about)
                    keep(training, drawn)
            appendix = record.setdefault("appendix", {})
            networks = partial(load_networks, lesson, folder, record, settings)
            chosen = lesson, data, settings, out, show
            results = appendix.get("results", {})
            with working(f"{lesson.name}: further figures"):
                drawn = drawing.draw_appendix(*chosen, networks, results)
            keep(appendix, drawn)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"{out}: a figure cannot be written ({error.strerror or error})."
            ) from error
    return {**record, "folder": out}


def _header(
    lesson: Lesson, record: Mapping[str, Any], settings: Settings, num_train: int, more: str
) -> str:
    """Says what is going to be trained, on how much, and how long."""
    style = record["style"]
    networks = [f"{len(lesson.networks)} networks"] if len(lesson.networks) > 1 else []
    styles = f"{style.replace('keras', 'Keras')} style" if style in STYLES else "both styles"
    amount = [counted(num_train, "training example"), counted(settings.num_epochs, "epoch")]
    replicas = [counted(record["replicas"], "replica")] if "replicas" in record else []
    parts = filter(None, [*amount, *networks, styles, *replicas, more])
    return f"{colored(lesson.name, 'bold')}: {', '.join(parts)}"


def _source(lesson: Lesson) -> dict[str, str | None]:
    sha256 = lesson.file and hashlib.sha256(lesson.file.read_bytes()).hexdigest()
    return {"source_sha256": sha256}


def _add(part: dict[str, Any], drawn: Mapping[str, Any]) -> None:
    """Adds newly drawn figures and results to a part of a record."""
    part["figures"] = list(dict.fromkeys([*part.get("figures", ()), *map(str, drawn["figures"])]))
    part["results"] = {**part.get("results", {}), **drawn["results"]}
