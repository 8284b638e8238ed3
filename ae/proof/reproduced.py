"""Article-scale runs that the repository keeps, and the tables made from them."""

import csv
import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, with_network
from ae.paths import DATA, replacing
from ae.proof import published
from ae.runs.records import changed_settings, read_json, read_run, write_json

FOLDER = DATA / "reproduced"
TIMES = DATA / "times.json"
LOGGED = ("loss", "last_batch_loss", "val_loss", "seconds")


class Training(NamedTuple):
    """One training at the article's settings."""

    about: Mapping[str, Any]  # network, style, seed, settings, device ...; and measured claims
    history: Sequence[Mapping[str, float]]  # what was logged after each epoch


def title(lesson: Lesson, about: Mapping[str, Any]) -> str:
    """Names a kind of run: the lesson, and every choice that needs networks of its own.

    Args:
        about: the run's record, or what is kept of one of its trainings.
    """
    article, settings = lesson.presets["article"], about["settings"]
    inherited = {field.name for field in dataclasses.fields(Settings)}
    names = [f.name for f in dataclasses.fields(article) if f.metadata.get("retrains")]
    chosen = [
        name if settings[name] is True else f"{name}-{settings[name]}"
        for name in sorted(names, key=inherited.__contains__)  # the lesson's own first
        if settings.get(name, getattr(article, name)) != getattr(article, name)
    ]
    generated = ["synthetic"] if about["data"]["notice"] else []
    return "-".join([lesson.name, *chosen, *generated])


def read_runs(
    lesson: Lesson, folders: Sequence[Path], at_article: bool = True
) -> list[dict[str, Any]]:
    """Reads the records of finished runs of a lesson, at the article's settings unless told else.

    Raises:
        InputError: as `ae.runs.records.read_run`; if a run was interrupted, or departs from those
            settings; if two are of the same kind, seed and style.
    """
    runs, seen = [], set()
    for folder in folders:
        record, _ = read_run(lesson, folder)
        if "source" not in record:
            raise InputError(f"{folder}: this run is not finished; resume it first.")
        if at_article and (found := published.departures(lesson, record)):
            raise InputError(
                f"{folder}: only runs at the article's settings count, and this one has "
                f"{', '.join(found)}."
            )
        kind, seed = title(lesson, record), record["settings"]["seed"]
        for training in record["trainings"]:
            key = (
                kind,
                seed,
                record["settings"]["num_epochs"],
                training["network"],
                training["style"],
            )
            if key in seen:
                raise InputError(
                    f"Two runs of {kind} have the seed {seed} in the {training['style']} style; "
                    "give one of them."
                )
            seen.add(key)
        runs.append(record)
    return runs


def trainings_of(record: Mapping[str, Any]) -> list[Training]:
    """Takes the trainings out of a run's record."""
    own = ("network", "style", "seconds", "parameters")
    shared = {
        "seed": record["settings"].get("seed", 0),
        **{key: record[key] for key in ("settings", "versions", "device", "started")},
        "data": {key: record["data"][key] for key in ("sha256", "notice")},
    }
    return [
        Training(
            {key: t[key] for key in own}
            | shared
            | {"claims": t["claims"], "pictures": t.get("pictures", [])},
            t["history"],
        )
        for t in record["trainings"]
    ]


def keep(lesson: Lesson, records: Sequence[Mapping[str, Any]]) -> Path:
    """Adds runs of one kind to those in data/reproduced; replaces those of equal seed and style.

    Raises:
        InputError: if they are of different kinds.
    """
    name, *others = dict.fromkeys(title(lesson, record) for record in records)
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


def kept(name: str) -> list[Training]:
    """Reads the kept runs with this title; an empty list if there are none."""
    path = FOLDER / f"{name}.csv"
    if not (path.exists() or path.with_suffix(".json").exists()):
        return []
    about = read_json(path.with_suffix(".json"))
    trainings = [Training(training, []) for training in about["trainings"]]
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            logs = {key: float(row[key]) for key in LOGGED if row[key]}
            trainings[int(row["training"])].history.append(logs)
    return trainings


def kept_of(lesson: Lesson) -> dict[str, list[Training]]:
    """Reads all kept runs of a lesson by their title: first those that are as the article says."""
    names = sorted({path.stem for path in FOLDER.glob("*.*")})
    return {name: kept(name) for name in names if name.partition("-")[0] == lesson.name}


def kept_in_float32(lesson: Lesson, training: Training) -> list[Training] | None:
    """Reads the kept runs in float32 that are else like one in bfloat16; None for another run."""
    about, settings = training.about, training.about["settings"]
    if not settings.get("mixed_precision"):
        return None
    in_float32 = {**about, "settings": {**settings, "mixed_precision": False}}
    alike = kept(title(lesson, in_float32))
    return [t for t in alike if t.about["network"] == about["network"]]


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
    if not devices:
        raise InputError(f"{FOLDER}: there are no records; `python -m ae.maintain keep` adds some.")
    return "\n".join(lines) + f"\n\nThe machines: {'; '.join(sorted(devices))}."


def _row(lesson: Lesson, trainings: Sequence[Training]) -> list[str]:
    """Writes what a network's runs reached at the last epoch that all of them have."""
    about, loss = trainings[0].about, lesson.printed_loss
    epochs = min(len(training.history) for training in trainings)
    printed, notice = "no number", about["data"]["notice"]
    if columns := published.columns(lesson, about["network"], about["settings"], notice):
        curve = published.curve(lesson.name)
        epochs = min(epochs, len(curve["epoch"]))
        printed = " and ".join(f"{curve[column][epochs - 1]:.4f}" for column in columns[loss])
    values = [t.history[epochs - 1][loss] for t in trainings]
    digits = 4 if mean(values) < 10 else 1 if mean(values) < 1000 else 0
    reached = f"{mean(values):.{digits}f}"
    if len(values) > 1:
        reached += f" ± {stdev(values):.{digits}f}"
    styles = Counter(t.about["style"] for t in trainings)
    runs = ", ".join(f"{count} {style}" for style, count in styles.items())
    what = {"loss": "mean loss", "last_batch_loss": "last minibatch's loss"}[loss]
    return [f"{what}, epoch {epochs}", printed, reached, runs]


def keep_times(lessons: Sequence[Lesson], folder: Path) -> Path:
    """Keeps how long the trainings of `tutorials run --preset quick` took, in data/times.json.

    Raises:
        InputError: if the run of a lesson is missing, or not of that preset as it is.
    """
    times = {}
    for lesson in lessons:
        record, _ = read_run(lesson, folder / lesson.name)
        changed = set(changed_settings(lesson, record)) - {"seed"}
        if record["preset"] != "quick" or changed or record["data"]["notice"]:
            raise InputError(f"{folder / lesson.name}: this is no plain run of the preset 'quick'.")
        times[lesson.name] = Counter()
        for training in record["trainings"]:
            times[lesson.name][training["style"]] += training["seconds"]
    about = {key: record[key] for key in ("device", "versions")}
    return write_json(TIMES, {**about, "quick": times})


def times_table(lessons: Sequence[Lesson]) -> str:
    """Makes the README's table of how long a training takes, in Markdown."""
    measured = read_json(TIMES)
    device, quick = measured["device"], measured["quick"]
    columns = [f"`{preset}`, {style}" for preset in ("quick", "article") for style in STYLES]
    lines = [f"| lesson | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for lesson in lessons:
        trainings = kept(lesson.name)
        cells = [duration(quick.get(lesson.name, {}).get(style)) for style in STYLES]
        for style in STYLES:
            chosen = [t for t in trainings if t.about["style"] == style]
            cells.append(_article_time(chosen, device))
        lines.append(f"| {lesson.name} | {' | '.join(cells)} |")
    about = f"On {device}, except the times in brackets; `quick` with nothing else running."
    return "\n".join(lines) + f"\n\n{about}"


def _article_time(trainings: Sequence[Training], device: str) -> str:
    """Sums over networks and averages over seeds, on this machine if one ran there.

    Every epoch counts as long as the median one, because a process may have been stopped meanwhile.
    """
    devices = [t.about["device"] for t in trainings]
    if not devices:
        return duration(None)
    where = device if device in devices else devices[0]
    here = [t for t in trainings if t.about["device"] == where]
    seconds = [len(t.history) * median([logs["seconds"] for logs in t.history]) for t in here]
    time = duration(sum(seconds) / len({t.about["seed"] for t in here}))
    return time if where == device else f"{time} ({where})"


def duration(seconds: float | None) -> str:
    """Writes seconds as a table does, or "not recorded"."""
    if seconds is None:
        return "not recorded"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
