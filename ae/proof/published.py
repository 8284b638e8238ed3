"""The numbers that the articles, or their authors' notebooks, printed."""

import csv
import dataclasses
from collections.abc import Mapping
from typing import Any

from ae.lesson import Lesson, own_folders
from ae.paths import DATA

FOLDER = DATA / "published"


def curve(name: str) -> dict[str, list[float]]:
    """Reads the columns of `data/published/NAME.csv`; a lesson's own file has a column `epoch`.

    Lines that begin with "#" say what the columns are and where they were printed.
    """
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {column: [float(row[column]) for row in rows] for column in rows[0]}


def columns(
    lesson: Lesson, network: str, settings: Mapping[str, Any], notice: str = ""
) -> Mapping[str, tuple[str, ...]]:
    """Names the columns of a lesson's file that a run should reproduce, by history entry.

    There are none for other settings, and none for generated data, which have a `notice`.
    """
    article = lesson.presets["article"]
    own = [f.name for f in dataclasses.fields(article) if f.metadata.get("retrains")]
    own.remove("mixed_precision")  # bfloat16 should reproduce what float32 printed
    printed_with = {name: getattr(article, name) for name in own} | dict(lesson.published_with)
    if notice or any(settings.get(name, v) != v for name, v in printed_with.items()):
        return {}
    return lesson.published.get(network, {})


def differences(lesson: Lesson, record: Mapping[str, Any]) -> list[str]:
    """Names what makes a run's losses incomparable with those at the article's settings.

    Settings that the title of a run names make another kind of run, and are not listed.
    """
    article, settings = lesson.presets["article"], record["settings"]
    found = [
        f"{settings[name]:,} {what}"
        for name, what in (("num_train", "training examples"), ("num_test", "test examples"))
        if settings.get(name) is not None
    ]
    if own_folders(settings):
        found.append("own data")
    return found + [
        f"{words} {settings[name]}"
        for name, words in (("batch_size", "minibatches of"), ("learning_rate", "learning rate"))
        if settings.get(name, getattr(article, name)) != getattr(article, name)
    ]


def departures(lesson: Lesson, record: Mapping[str, Any]) -> list[str]:
    """Names all that keeps a run from being one at the article's settings, or its notebook's."""
    settings, epochs = record["settings"], lesson.presets["article"].num_epochs
    if lesson.published_with and all(settings[n] == v for n, v in lesson.published_with.items()):
        epochs = len(curve(lesson.name)["epoch"])
    found = differences(lesson, record)
    if settings["num_epochs"] != epochs:
        ours = settings["num_epochs"]
        found.append(f"{ours} epoch{'s' * (ours != 1)} instead of {epochs}")
    if not found and record["preset"] != "article":
        found.append(f"the preset {record['preset']}")
    return found


def is_complete(lesson: Lesson, record: Mapping[str, Any]) -> bool:
    """Says whether a run took all that the article, or its notebook, did: data, steps, epochs."""
    all_epochs = record["settings"]["num_epochs"] == lesson.presets["article"].num_epochs
    return not departures(lesson, record) or (all_epochs and not differences(lesson, record))


def comparable_columns(
    lesson: Lesson, network: str, record: Mapping[str, Any]
) -> Mapping[str, tuple[str, ...]]:
    """Names the columns that a run can be compared with, epoch by epoch, by history entry."""
    if differences(lesson, record):
        return {}
    return columns(lesson, network, record["settings"], record["data"]["notice"])


def at_epoch(
    lesson: Lesson, network: str, record: Mapping[str, Any], epochs_done: int
) -> dict[str, Any] | None:
    """Looks up the published `losses` at the `epoch` that a run ended with, or the last before it.

    The result is None if nothing was published of such a run.
    """
    printed = comparable_columns(lesson, network, record)
    if not printed:
        return None
    published = curve(lesson.name)
    row = min(epochs_done, len(published["epoch"])) - 1
    return {
        "epoch": int(published["epoch"][row]),
        "losses": [published[column][row] for column in printed[lesson.printed_loss]],
    }
