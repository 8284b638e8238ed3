"""Trains what the exercises of a lesson ask for, and keeps the numbers of their answers."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ae import cli
from ae.console import Parser
from ae.lesson import Exercise, Lesson
from ae.options import add_options, add_settings
from ae.proof import exercises
from ae.proof.exercises import PRESET, STYLE
from ae.runs.records import read_run, write_json
from ae.runs.saved import load_data, load_network


def keep(lesson: Lesson, out: Path) -> Path:
    """Trains without and with the options of each exercise, in folders of `out`.

    A folder is named after the lesson and the options. A run that is there already is taken, or
    resumed.
    """
    before = _run(lesson, (), out)
    answers = []
    for exercise in lesson.exercises:
        after = _run(lesson, exercise.options, out)
        numbers = {
            "before": _number(lesson, exercise, before),
            "after": _number(lesson, exercise, after),
        }
        answers.append({**exercises.about(exercise), **numbers})
    kept = {"lesson": lesson.name, "preset": PRESET, "style": STYLE, "seed": 0}
    kept |= {key: before[key] for key in ("device", "versions")}
    exercises.FOLDER.mkdir(exist_ok=True)
    path = exercises.FOLDER / f"{lesson.name}.json"
    return write_json(path, {**kept, "data": before["data"]["sha256"], "answers": answers})


def _run(lesson: Lesson, options: Sequence[str], out: Path) -> dict[str, Any]:
    folder = out / "".join([lesson.name, *options])  # dense_ae--code-size8
    return cli.run_or_resume(lesson, _parsed(lesson, ("--style", STYLE, *options)), folder)


def _parsed(lesson: Lesson, options: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog=lesson.command)
    add_options(parser, default_preset=PRESET)
    add_settings(parser, lesson)
    return parser.parse_args(options)


def _number(lesson: Lesson, exercise: Exercise, record: dict[str, Any]) -> float:
    """Measures what an exercise asks about, on one run."""
    (training,) = (t for t in record["trainings"] if t["network"] == exercise.network)
    if exercise.measure is None:
        return training["history"][-1][lesson.printed_loss]
    folder = Path(record["folder"])
    _, settings = read_run(lesson, folder)
    data = load_data(lesson, folder, record, settings)
    return float(exercise.measure(load_network(lesson, folder, training, settings), data, settings))
