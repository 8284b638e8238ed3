"""Article-scale runs that the repository keeps, and the tables made from them."""

import csv
import dataclasses
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, with_network
from ae.paths import DATA, replacing
from ae.proof import published
from ae.runs.records import changed_settings, write_json
from ae.runs.saved import read_run

import numpy as np

FOLDER = DATA / "reproduced"
TIMES = DATA / "times.json"
LOGGED = ("loss", "last_batch_loss", "val_loss", "seconds")


class Training(NamedTuple):
    """One training at the article's settings."""

    about: Mapping[str, Any]  # network, style, seed, settings, device ...; and measured claims
    history: Sequence[Mapping[str, float]]  # what was logged after each epoch


def title(lesson: Lesson, settings: Mapping[str, Any], notice: str = "") -> str:
    """Names a kind of run: the lesson, and every choice that needs networks of its own.

    Args:
        settings: the run's settings, as its record holds them.
        notice: the data's notice; runs on generated pages are another kind.
    """
    article = lesson.presets["article"]
    inherited = {field.name for field in dataclasses.fields(Settings)}
    names = [f.name for f in dataclasses.fields(article) if f.metadata.get("retrains")]
    chosen = [
        name if settings[name] is True else f"{name}-{settings[name]}"
        for name in sorted(names, key=inherited.__contains__)  # the lesson's own first
        if settings.get(name, getattr(article, name)) != getattr(article, name)
    ]
    return "-".join([lesson.name, *chosen, *(["synthetic"] if notice else [])])


def read_finished(lesson: Lesson, folder: Path) -> dict[str, Any]:
    """Reads the record of a run that came to its end.

    Raises:
        InputError: as `ae.runs.saved.read_run`, or if the run was interrupted.
    """
    record, _ = read_run(lesson, folder)
    if "source" not in record:
        raise InputError(f"{folder}: this run is not finished; resume it first.")
    return record


def read_article_run(lesson: Lesson, folder: Path) -> dict[str, Any]:
    """Reads the record of a finished run at the article's settings.

    Raises:
        InputError: as `read_finished`, or if the run departs from those settings.
    """
    record = read_finished(lesson, folder)
    if found := published.departures(lesson, record):
        raise InputError(
            f"{folder}: this takes runs at the article's settings, and here is {', '.join(found)}."
        )
    return record


def refuse_repeated(lesson: Lesson, records: Sequence[Mapping[str, Any]]) -> None:
    """Refuses to count one run twice.

    Raises:
        InputError: if two are of the same kind, seed and style.
    """
    seen = set()
    for record in records:
        kind = title(lesson, record["settings"], record["data"]["notice"])
        seed = record["settings"]["seed"]
        for training in record["trainings"]:
            key = (kind, seed, training["network"], training["style"])
            if key in seen:
                raise InputError(
                    f"Two runs of {kind} have the seed {seed} in the {key[-1]} style; "
                    "give one of them."
                )
            seen.add(key)


def trainings_of(record: Mapping[str, Any]) -> list[Training]:
    """Takes the trainings out of a run's record."""
    own = ("network", "style", "seconds", "parameters")
    shared = {
        "seed": record["settings"]["seed"],
        **{key: record[key] for key in ("settings", "versions", "device", "started")},
        "data": {key: record["data"][key] for key in ("sha256", "notice")},
    }
    return [
        Training({**{key: t[key] for key in own}, **shared, "claims": t["claims"]}, t["history"])
        for t in record["trainings"]
    ]


def keep(lesson: Lesson, records: Sequence[Mapping[str, Any]]) -> Path:
    """Adds article-scale runs of one kind to those in data/reproduced, as JSON and CSV.

    A run replaces the kept one of the same seed and style.

    Raises:
        InputError: if one run is given twice, or they are of different kinds.
    """
    refuse_repeated(lesson, records)
    name, *others = {title(lesson, r["settings"], r["data"]["notice"]): None for r in records}
    if others:
        raise InputError(f"These runs differ in more than the seed: {', '.join([name, *others])}.")
    new = [training for record in records for training in trainings_of(record)]
    trainings = {
        (t.about["seed"], t.about["network"], t.about["style"]): t for t in [*kept(name), *new]
    }.values()
    path = FOLDER / f"{name}.csv"
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["training", "epoch", *LOGGED])
        for number, training in enumerate(trainings):
            for epoch, logs in enumerate(training.history, start=1):
                values = [f"{logs[key]:.7g}" if key in logs else "" for key in LOGGED]
                writer.writerow([number, epoch, *values])
    about = {"lesson": lesson.name, "trainings": [training.about for training in trainings]}
    write_json(path.with_suffix(".json"), about)
    return path


def read(path: str | os.PathLike) -> list[Training]:
    """Reads the kept runs of one kind: a CSV file, and the JSON file of the same name beside it."""
    about = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    trainings = [Training(training, []) for training in about["trainings"]]
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            logs = {key: float(row[key]) for key in LOGGED if row[key]}
            trainings[int(row["training"])].history.append(logs)
    return trainings


def kept(name: str) -> list[Training]:
    """Reads the kept runs of the kind with this title, if there are any."""
    path = FOLDER / f"{name}.csv"
    return read(path) if path.exists() else []


def kept_of(lesson: Lesson) -> dict[str, list[Training]]:
    """Reads all kept runs of a lesson by their title: first those that are as the article says."""
    return {name: kept(name) for name in sorted(p.stem for p in FOLDER.glob(f"{lesson.name}*.csv"))}


def kept_in_float32(lesson: Lesson, training: Training) -> list[Training] | None:
    """Reads the kept runs in float32 that are else like one in bfloat16; None for another run."""
    about = training.about
    if not about["settings"].get("mixed_precision"):
        return None
    settings = {**about["settings"], "mixed_precision": False}
    alike = kept(title(lesson, settings, about["data"]["notice"]))
    return [t for t in alike if t.about["network"] == about["network"]]


def kept_like(lesson: Lesson, record: Mapping[str, Any]) -> list[Training]:
    """Reads the kept runs of the same kind as a run, except those of its own seed and style."""
    own = {(record["settings"]["seed"], training["style"]) for training in record["trainings"]}
    alike = kept(title(lesson, record["settings"], record["data"]["notice"]))
    return [t for t in alike if (t.about["seed"], t.about["style"]) not in own]


def table(lessons: Sequence[Lesson]) -> str:
    """Makes the README's table of what was published and what we reproduced, in Markdown."""
    lines = [
        "| lesson | loss | published | reproduced, mean ± sd | runs |",
        "|---|---|---|---|---|",
    ]
    devices = set()
    for lesson in lessons:
        for kind, trainings in kept_of(lesson).items():
            devices.update(t.about["device"] for t in trainings)
            choice = kind.removeprefix(lesson.name).replace("-", " ").replace("_", " ")
            name = f"{lesson.name},{choice}" if choice else lesson.name
            for network in dict.fromkeys(t.about["network"] for t in trainings):
                row = _row(lesson, [t for t in trainings if t.about["network"] == network])
                lines.append(f"| {with_network(name, network)} | {' | '.join(row)} |")
    return "\n".join(lines) + f"\n\nThe machines: {'; '.join(sorted(devices))}."


def _row(lesson: Lesson, trainings: Sequence[Training]) -> list[str]:
    """Writes what a network's runs reached at the last epoch that all of them have."""
    about, loss = trainings[0].about, lesson.printed_loss
    epochs = min(len(training.history) for training in trainings)
    columns = published.columns(
        lesson, about["network"], about["settings"], about["data"]["notice"]
    )
    printed = "no number"
    if columns:
        curve = published.curve(lesson.name)
        epochs = min(epochs, len(curve["epoch"]))
        printed = " and ".join(f"{curve[column][epochs - 1]:.4f}" for column in columns[loss])
    values = [t.history[epochs - 1][loss] for t in trainings]
    digits = 4 if np.mean(values) < 10 else 0
    reached = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        reached += f" ± {np.std(values, ddof=1):.{digits}f}"
    styles = Counter(t.about["style"] for t in trainings)
    runs = ", ".join(f"{count} {style}" for style, count in styles.items())
    what = {"loss": "mean loss", "last_batch_loss": "last minibatch's loss"}[loss]
    return [f"{what}, epoch {epochs}", printed, reached, runs]


def keep_times(lessons: Sequence[Lesson], folder: Path) -> Path:
    """Keeps how long the trainings of `tutorials run --preset quick` took, in data/times.json.

    Raises:
        InputError: if the run of a lesson is missing, not of that preset as it is, or they are of
            different machines.
    """
    times, machines = {}, {}
    for lesson in lessons:
        record, _ = read_run(lesson, folder / lesson.name)
        changed = set(changed_settings(lesson, record)) - {"seed"}
        if record["preset"] != "quick" or changed or record["data"]["notice"]:
            raise InputError(
                f"{folder / lesson.name}: this run is not of the preset 'quick' as it is."
            )
        seconds = times[lesson.name] = defaultdict(float)
        for training in record["trainings"]:
            seconds[training["style"]] += training["seconds"]
        machines[record["device"]] = record["versions"]
    if len(machines) > 1:
        raise InputError(f"These runs are of different machines: {'; '.join(machines)}.")
    ((device, versions),) = machines.items()
    return write_json(TIMES, {"device": device, "versions": versions, "quick": times})


def times_table(lessons: Sequence[Lesson]) -> str:
    """Makes the README's table of how long a training takes, in Markdown.

    The times at the article's settings are those of the kept runs, on the machine of the quick
    ones where that trained the style.
    """
    measured = json.loads(TIMES.read_text(encoding="utf-8"))
    device, quick = measured["device"], measured["quick"]
    columns = [f"`{preset}`, {style}" for preset in ("quick", "article") for style in STYLES]
    lines = [f"| lesson | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for lesson in lessons:
        trainings = kept(lesson.name)
        cells = [_duration(quick[lesson.name].get(style)) for style in STYLES]
        for style in STYLES:
            chosen = [t for t in trainings if t.about["style"] == style]
            cells.append(_article_time(chosen, device))
        lines.append(f"| {lesson.name} | {' | '.join(cells)} |")
    about = f"On {device}, except the times in brackets; `quick` with nothing else running."
    return "\n".join(lines) + f"\n\n{about}"


def _article_time(trainings: Sequence[Training], device: str) -> str:
    """Sums over networks and averages over seeds.

    Every epoch counts as long as the median one, because a process may have been stopped meanwhile.
    """
    devices = [t.about["device"] for t in trainings]
    if not devices:
        return _duration(None)
    where = device if device in devices else devices[0]
    here = [t for t in trainings if t.about["device"] == where]
    seconds = sum(
        len(t.history) * float(np.median([logs["seconds"] for logs in t.history])) for t in here
    )
    time = _duration(seconds / len({t.about["seed"] for t in here}))
    return time if where == device else f"{time} ({where})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not recorded"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
