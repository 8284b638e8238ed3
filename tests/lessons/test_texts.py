"""What the pages, the slides and the notebooks teach beside a lesson's code."""

import dataclasses
import json
import math
import re
import shlex
import string
from xml.etree import ElementTree

from ae import cli
from ae.options import choose_settings
from ae.proof import exercises

import pytest
from latex2mathml.converter import convert
from running import EACH_LESSON, LESSONS, exit_code, lesson

PARTS = ("network", "loss", "training")
BANNED = ("of which", "but for", "the like", "by way of", "thus", "anew", "whereas", "utilize")
EACH_EXERCISE = pytest.mark.parametrize(
    ("name", "number"), [(one.name, i) for one in LESSONS for i in range(len(one.exercises))]
)


def lines_of(name, style):
    """Lists the lines that a lesson's cells of a style hold, by the cell's part."""
    cells = re.split(r"^# %% ", lesson(name).file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titled = {title: lines for title, *lines in map(str.splitlines, cells)}
    return {part: titled[f"{style}: {part}"] for part in PARTS if f"{style}: {part}" in titled}


def unbroken(text):
    """Takes the code out of a text, whose sentences then end in full stops alone."""
    return re.sub(r"`[^`]*`|\{[^}]*\}", "X", text)


@EACH_LESSON
def test_each_step_stands_in_the_cells_of_both_styles(name):
    steps = lesson(name).steps
    assert 5 <= len({step.name for step in steps}) == len(steps) <= 10
    for style, pieces_of in (("Low-level", "low_level"), ("Keras", "keras")):
        lines = [line for cell in lines_of(name, style).values() for line in cell]
        for step in steps:
            pieces = getattr(step, pieces_of)
            assert pieces, step.name
            missing = [p for p in pieces if not p.strip() or not any(p in line for line in lines)]
            assert not missing, f"{step.name}: no line of {style} has {missing}"


@EACH_LESSON
def test_equations_convert_to_mathml(name):
    equations = [step.equation for step in lesson(name).steps if step.equation]
    assert equations
    for equation in equations:
        assert equation.count("{") == equation.count("}"), equation
        written = "".join(ElementTree.fromstring(convert(equation)).itertext())
        assert not set(written) & set("\\{}$"), f"{equation} becomes {written}"


@EACH_LESSON
def test_a_paragraph_says_what_differs_in_each_pair_of_cells(name):
    of_low_level, of_keras = lines_of(name, "Low-level"), lines_of(name, "Keras")
    assert set(lesson(name).differs) == of_low_level.keys() & of_keras.keys()
    for paragraph in lesson(name).differs.values():
        assert 2 <= len(re.findall(r"\.(?= |$)", unbroken(paragraph))) <= 5
        assert re.search("Keras|`fit`|`compile`", paragraph)


def test_no_two_lessons_say_the_same():
    paragraphs = [text for one in LESSONS for text in one.differs.values()]
    tasks = [exercise.task for one in LESSONS for exercise in one.exercises]
    assert len(set(paragraphs)) == len(paragraphs) >= 2 * len(LESSONS)
    assert len(set(tasks)) == len(tasks) == 3 * len(LESSONS)


@EACH_LESSON
def test_texts_are_plain(name):
    one = lesson(name)
    texts = [*one.differs.values()]
    for exercise in one.exercises:
        texts += [exercise.task, exercise.answer]
    for text in map(unbroken, texts):
        assert text[-1] in ".?"
        for sentence in re.split(r"(?<=[.?!])\s+", text):
            assert len(sentence.split()) <= 30, sentence
        found = [p for p in BANNED if re.search(rf"\b{p}\b", text, flags=re.IGNORECASE)]
        assert not found, text


@EACH_EXERCISE
def test_an_exercise_changes_one_setting_of_the_preset(name, number, monkeypatch):
    asked = []

    def stop(a_lesson, options, folder):
        asked.append((options.preset, options.style, choose_settings(a_lesson, options)))
        raise SystemExit(0)

    monkeypatch.setattr(cli, "run", stop)
    one = lesson(name)
    typed = exercises.command(one, one.exercises[number])
    python, *module, script = shlex.split(typed)[:4]
    assert (python, *module, script) == ("python", "-m", "tutorials", name)
    assert exit_code(one, *shlex.split(typed)[4:]) == 0
    ((preset, style, settings),) = asked
    assert (preset, style) == ("quick", "keras")
    chosen, usual = dataclasses.asdict(settings), dataclasses.asdict(one.presets["quick"])
    assert len([setting for setting, value in usual.items() if chosen[setting] != value]) == 1


@EACH_EXERCISE
def test_an_answer_has_the_numbers_of_recorded_runs(name, number):
    one = lesson(name)
    exercise = one.exercises[number]
    answer = exercises.answer(one, exercise)
    assert answer is not None, f"python -m ae.maintain exercises {name}"
    assert not set(answer) & set("{}")
    fields = {field for _, field, _, _ in string.Formatter().parse(exercise.answer) if field}
    assert fields == {"before", "after"}


@EACH_LESSON
def test_the_recorded_numbers_are_those_of_the_exercises(name):
    path = exercises.FOLDER / f"{name}.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (kept["lesson"], kept["preset"], kept["style"]) == (name, "quick", "keras")
    assert kept["versions"].keys() >= {"python", "keras", "numpy"}
    options = [tuple(entry["options"]) for entry in kept["answers"]]
    assert options == [exercise.options for exercise in lesson(name).exercises]
    assert len(options) == 3
    for entry in kept["answers"]:
        assert math.isfinite(entry["before"])
        assert math.isfinite(entry["after"])
        assert entry["before"] != entry["after"]
