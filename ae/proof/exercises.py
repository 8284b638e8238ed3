"""The answers of a lesson's exercises: its sentences, with numbers from recorded runs."""

import json
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
        if all(entry[key] == value for key, value in about(exercise).items()):
            return exercise.answer.format(before=entry["before"], after=entry["after"])
    return None


def about(exercise: Exercise) -> dict[str, Any]:
    """Returns what tells a recorded answer from others; the texts may change without a new run."""
    measure = exercise.measure or "loss"
    parts = [getattr(measure, "func", measure), *getattr(measure, "args", ())]  # of a partial
    return {
        "options": list(exercise.options),
        "network": exercise.network,
        "quantity": " ".join(str(getattr(part, "__name__", part)) for part in parts),
    }
