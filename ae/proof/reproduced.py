"""Article-scale runs that the repository keeps, and the tables made from them."""

import csv
import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, with_network
from ae.paths import DATA
from ae.proof import published
from ae.runs.records import changed_settings, write_json
from ae.runs.saved import read_run

import numpy as np

FOLDER = DATA / "reproduced"
TIMES = DATA / "times.json"
LOGGED = ("loss", "last_batch_loss", "val_loss", "seconds")


class Training(NamedTuple):
    """One training at the article's settings.

    Attributes:
        about: what it was: network, style, seed, seconds, settings, versions, device, data; and
            what `ae.proof.claims.measure` found.
        history: what was logged after each epoch.
    """

    about: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]


def title(lesson: Lesson, settings: Mapping[str, Any], notice: str = "") -> str:
    """Names a kind of run: the lesson and every choice that makes other numbers of it.

    Args:
        settings: the run's settings, as its record holds them.
        notice: the data's notice; generated pages have a title of their own.
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


def refuse_repeated(lesson: Lesson, records: Sequence[Mapping[str, Any]]) -> None:
    """Refuses to take one run for two.

    Raises:
        InputError: if two are of the same kind, seed and style.
    """
    seen = set()
    for record in records:
        kind = title(lesson, record["settings"], record["data"]["notice"])
        for training in record["trainings"]:
            seed = record["settings"]["seed"]
            key = (kind, seed, training["network"], training["style"])
            if key in seen:
                raise InputError(
                    f"Two runs of {kind} have the seed {seed} in the {training['style']} style; "
                    "give one of them."
                )
            seen.add(key)


def trainings_of(record: Mapping[str, Any]) -> list[Training]:
    """Takes the trainings out of a run's record."""
    shared = {key: record[key] for key in ("settings", "versions", "device", "started")}
    shared["data"] = {key: record["data"][key] for key in ("sha256", "notice")}
    return [
        Training(
            {
                **{key: training[key] for key in ("network", "style", "seconds", "parameters")},
                "seed": record["settings"]["seed"],
                **shared,
                "claims": training["claims"],
            },
            training["history"],
        )
        for training in record["trainings"]
    ]


def keep(lesson: Lesson, records: Sequence[Mapping[str, Any]], add: bool = False) -> Path:
    """Writes the article-scale runs of a lesson into data/reproduced, as JSON and CSV.

    Args:
        records: records of one kind of run, one for each seed.
        add: whether to keep the earlier ones of other seeds and styles beside them.

    Returns:
        The CSV file.

    Raises:
        InputError: if a run is not at the article's settings, or they are of different kinds.
    """
    refuse_repeated(lesson, records)
    for record in records:
        if found := published.departures(lesson, record):
            raise InputError(
                f"Only runs at the article's settings are kept; one has {', '.join(found)}."
            )
    titles = {title(lesson, r["settings"], r["data"]["notice"]) for r in records}
    if len(titles) != 1:
        raise InputError(f"These runs differ in more than the seed: {', '.join(sorted(titles))}.")
    name = titles.pop()
    trainings = [training for record in records for training in trainings_of(record)]
    if add:
        by_kind = {
            (t.about["seed"], t.about["network"], t.about["style"]): t
            for t in [*kept(name), *trainings]
        }
        trainings = list(by_kind.values())
    about = {"lesson": lesson.name, "trainings": [training.about for training in trainings]}
    path = FOLDER / f"{name}.csv"
    partial = path.with_suffix(".csv.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["training", "epoch", *LOGGED])
        for number, training in enumerate(trainings):
            for epoch, logs in enumerate(training.history, start=1):
                values = [f"{logs[m]:.7g}" if m in logs else "" for m in LOGGED]
                writer.writerow([number, epoch, *values])
    partial.replace(path)
    write_json(path.with_suffix(".json"), about)
    return path


def read(path: str | os.PathLike) -> list[Training]:
    """Reads the kept runs of one kind.

    Args:
        path: the CSV file; the JSON file of the same name lies beside it.

    Raises:
        InputError: if one of the files is missing or damaged.
    """
    path = Path(path)
    try:
        abouts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["trainings"]
        histories: dict[str, list] = {str(number): [] for number in range(len(abouts))}
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                logs = {m: float(row[m]) for m in LOGGED if row[m]}
                histories[row["training"]].append(logs)
        if not all(histories.values()):
            raise ValueError("A training has no epoch.")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} and its .json do not hold the records of runs.") from error
    return [Training(*pair) for pair in zip(abouts, histories.values(), strict=True)]


def kept(name: str) -> list[Training]:
    """Reads the kept runs of one kind, if there are any."""
    path = FOLDER / f"{name}.csv"
    return read(path) if path.exists() else []


def kept_of(lesson: Lesson) -> dict[str, list[Training]]:
    """Reads all kept runs of a lesson, by their kind: first those that are as the article says."""
    return {name: kept(name) for name in sorted(p.stem for p in FOLDER.glob(f"{lesson.name}*.csv"))}


def kept_in_float32(lesson: Lesson, training: Training) -> list[Training] | None:
    """Reads the kept runs that differ from one in bfloat16 in that alone; None for another run."""
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
    devices: dict[str, None] = {}
    for lesson in lessons:
        for kind, trainings in kept_of(lesson).items():
            devices.update(dict.fromkeys(t.about["device"] for t in trainings))
            for network in dict.fromkeys(t.about["network"] for t in trainings):
                chosen = [t for t in trainings if t.about["network"] == network]
                choice = kind.removeprefix(lesson.name).replace("-", " ").replace("_", " ")
                name = f"{lesson.name},{choice}" if choice else lesson.name
                row = _row(lesson, network, chosen)
                lines.append(f"| {with_network(name, network)} | {' | '.join(row)} |")
    return "\n".join(lines) + f"\n\nThe machines: {'; '.join(sorted(devices))}."


def _row(lesson: Lesson, network: str, trainings: Sequence[Training]) -> list[str]:
    epochs = min(len(training.history) for training in trainings)
    about = trainings[0].about
    columns = published.columns(lesson, network, about["settings"], about["data"]["notice"])
    printed = "no number"
    if columns:
        curve = published.curve(lesson.name)
        epochs = min(epochs, len(curve["epoch"]))
        last = [curve[column][epochs - 1] for column in columns[lesson.printed_loss]]
        printed = " and ".join(f"{loss:.4f}" for loss in last)
    values = [t.history[epochs - 1][lesson.printed_loss] for t in trainings]
    digits = 4 if np.mean(values) < 10 else 0
    reached = f"{np.mean(values):.{digits}f}"
    if len(values) > 1:
        reached += f" ± {np.std(values, ddof=1):.{digits}f}"
    styles = [t.about["style"] for t in trainings]
    runs = ", ".join(f"{styles.count(style)} {style}" for style in dict.fromkeys(styles))
    what = {"loss": "mean loss", "last_batch_loss": "last minibatch's loss"}[lesson.printed_loss]
    return [f"{what}, epoch {epochs}", printed, reached, runs]


def keep_times(lessons: Sequence[Lesson], folder: Path) -> Path:
    """Keeps how long the trainings of `tutorials run --preset quick` took, in data/times.json.

    Args:
        folder: that of the runs.

    Raises:
        InputError: if the run of a lesson is missing, of another preset or of another machine.
    """
    times, device = {}, None
    for lesson in lessons:
        record, _ = read_run(lesson, folder / lesson.name)
        if record["preset"] != "quick":
            raise InputError(f"{folder / lesson.name}: this is no run of the preset 'quick'.")
        changed = changed_settings(lesson, record)
        changed.pop("seed", None)
        if found := [*changed, *filter(None, [record["data"]["notice"]])]:
            raise InputError(
                f"{folder / lesson.name}: not as the preset 'quick' is by itself: "
                f"{', '.join(found)}."
            )
        if device not in (None, record["device"]):
            raise InputError(
                f"{folder / lesson.name}: this run was on {record['device']}, others on {device}."
            )
        device = record["device"]
        times[lesson.name] = _sum_by_style(record["trainings"])
    kept = {"device": device, "versions": record["versions"], "quick": times}
    return write_json(TIMES, kept)


def times_table(lessons: Sequence[Lesson]) -> str:
    """Makes the README's table of how long a training takes, in Markdown.

    The times at the article's settings are those of the kept runs, on the machine of the quick
    ones where that trained the style.
    """
    kept = json.loads(TIMES.read_text(encoding="utf-8"))
    columns = [f"`{preset}`, {style}" for preset in ("quick", "article") for style in STYLES]
    lines = [f"| lesson | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for lesson in lessons:
        trainings = read(FOLDER / f"{lesson.name}.csv")
        cells = [_duration(kept["quick"][lesson.name].get(style)) for style in STYLES]
        cells += [_article_time(trainings, style, kept["device"]) for style in STYLES]
        lines.append(f"| {lesson.name} | {' | '.join(cells)} |")
    about = f"On {kept['device']}, except the times in brackets; `quick` with nothing else running."
    return "\n".join(lines) + f"\n\n{about}"


def _article_time(trainings: Sequence[Training], style: str, device: str) -> str:
    """Sums over networks and averages over seeds; a process that was halted does not count."""
    chosen = [t for t in trainings if t.about["style"] == style]
    devices = [t.about["device"] for t in chosen]
    if not devices:
        return _duration(None)
    where = device if device in devices else devices[0]
    by_seed: dict[int, float] = {}
    for t in (t for t in chosen if t.about["device"] == where):
        usual = len(t.history) * float(np.median([logs["seconds"] for logs in t.history]))
        by_seed[t.about["seed"]] = by_seed.get(t.about["seed"], 0) + usual
    time = _duration(float(np.mean(list(by_seed.values()))))
    return time if where == device else f"{time} ({where})"


def _sum_by_style(trainings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Adds up the seconds of a run's networks, for each style."""
    seconds: dict[str, float] = {}
    for training in trainings:
        seconds[training["style"]] = seconds.get(training["style"], 0) + training["seconds"]
    return seconds


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not recorded"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
