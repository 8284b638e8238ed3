"""The numbers that the articles, or their authors' notebooks, printed."""

import csv
from collections.abc import Mapping
from typing import Any

from ae.lesson import Lesson
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
    printed_with = {"variant": "published", **lesson.published_with}
    if notice or any(settings[name] != value for name, value in printed_with.items()):
        return {}
    return lesson.published.get(network, {})


def departures(lesson: Lesson, record: Mapping[str, Any]) -> list[str]:
    """Names what keeps a run from being one at the article's settings, for a sentence to list.

    Settings that the title of a run names are none: they make another kind of run.
    """
    article, settings = lesson.presets["article"], record["settings"]
    epochs = article.num_epochs
    if lesson.published_with and all(settings[n] == v for n, v in lesson.published_with.items()):
        epochs = len(curve(lesson.name)["epoch"])
    found = [] if record["preset"] == "article" else [f"preset {record['preset']}"]
    for name in ("batch_size", "learning_rate"):
        if settings[name] != getattr(article, name):
            found.append(f"{name} {settings[name]}")
    if settings["num_epochs"] != epochs:
        ours = settings["num_epochs"]
        found.append(f"{ours} epoch{'s' * (ours != 1)} instead of {epochs}")
    return found


def at_epoch(
    lesson: Lesson, network: str, record: Mapping[str, Any], epochs_done: int
) -> dict[str, Any] | None:
    """Looks up the published `losses` at the `epoch` that a run ended with, or the last before it.

    The result is None if nothing was published of such a run.
    """
    printed = columns(lesson, network, record["settings"], record["data"]["notice"])
    if not printed:
        return None
    published = curve(lesson.name)
    row = min(epochs_done, len(published["epoch"])) - 1
    return {
        "epoch": int(published["epoch"][row]),
        "losses": [published[column][row] for column in printed[lesson.printed_loss]],
    }
