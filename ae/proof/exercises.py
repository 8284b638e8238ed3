"""The answers of a lesson's exercises: its sentences, with numbers from recorded runs."""

import json
from collections.abc import Mapping
from typing import Any

from ae.lesson import Exercise, Lesson
from ae.paths import DATA

FOLDER = DATA / "exercises"  # python -m ae.maintain exercises
STYLE = "keras"  # of the recorded runs
PRESET = "quick"


def command(lesson: Lesson, exercise: Exercise) -> str:
    """Returns what a student types to run an exercise."""
    chosen = ["--preset", PRESET, "--style", STYLE, *exercise.options]
    return " ".join(["python -m tutorials", lesson.name, *chosen])


def answer(lesson: Lesson, exercise: Exercise) -> str | None:
    """Fills the answer of an exercise with the numbers that were recorded; None without any."""
    path = FOLDER / f"{lesson.name}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"answers": []}
    for entry in kept["answers"]:
        if same(entry, exercise):
            return exercise.answer.format(before=entry["before"], after=entry["after"])
    return None


def same(entry: Mapping[str, Any], exercise: Exercise) -> bool:
    """Says whether a recorded answer is this exercise's."""
    return entry["task"] == exercise.task and tuple(entry["options"]) == exercise.options
