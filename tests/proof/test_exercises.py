"""The numbers of the exercises' answers: recorded once, then taken from there."""

import dataclasses
import functools
import json
import shlex

from ae import cli, lessons
from ae.lesson import Exercise
from ae.maintain import __main__ as maintain
from ae.maintain import exercises as recorder
from ae.proof import exercises

import pytest
from running import exit_code, lesson, read_record


def epochs_asked(network, data, settings):
    return settings.num_epochs


def code_length(network, data, settings):
    return network.get_layer("encoder").output.shape[-1]


def times(factor, network, data, settings):
    return factor * settings.num_epochs


LONGER = Exercise("Train longer.", ("--epochs", "9"), "From {before:.6f} to {after:.6f}.")
NARROW = Exercise("Narrow it.", ("--code-size", "2"), "{before:.0f}, {after:.0f}.", code_length)
TINY = dataclasses.replace(lesson("tiny_ae"), exercises=(LONGER, NARROW))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Has the runs of `TINY`'s exercises, and "kept" with their numbers."""
    folder = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exercises, "FOLDER", folder / "kept")
        recorder.keep(TINY, folder)
    return folder


@pytest.fixture
def folder(out, tmp_path, monkeypatch):
    """Has a copy of the numbers, where answers are looked for."""
    (tmp_path / "tiny_ae.json").write_bytes((out / "kept" / "tiny_ae.json").read_bytes())
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    return tmp_path


def test_an_answer_tells_the_loss_without_and_with_the_options(out, folder):
    losses = {}
    for run in ("tiny_ae", "tiny_ae--epochs9"):
        record = read_record(out / run)
        (training,) = record["trainings"]
        losses[record["settings"]["num_epochs"]] = training["history"][-1]["loss"]
    assert losses.keys() == {3, 9}
    assert losses[9] < losses[3]
    assert exercises.answer(TINY, LONGER) == f"From {losses[3]:.6f} to {losses[9]:.6f}."


def test_a_measure_gets_the_network_that_was_trained_with_the_options(folder):
    assert exercises.answer(TINY, NARROW) == "4, 2."


def test_the_numbers_tell_how_they_came_about(out, folder):
    kept = json.loads((folder / "tiny_ae.json").read_text())
    record = read_record(out / "tiny_ae")
    assert (kept["preset"], kept["style"], kept["seed"]) == ("quick", "keras", 0)
    assert (kept["versions"], kept["device"]) == (record["versions"], record["device"])
    assert kept["data"] == record["data"]["sha256"]


def test_finished_runs_are_taken(out, folder, monkeypatch):
    monkeypatch.setattr(cli, "run", lambda *_: pytest.fail("it trains again"))
    changed = dataclasses.replace(TINY, exercises=(NARROW._replace(measure=epochs_asked), LONGER))
    (first, _) = json.loads(recorder.keep(changed, out).read_text())["answers"]
    assert (first["before"], first["after"]) == (3, 3)
    assert exercises.answer(TINY, LONGER).startswith("From ")
    assert exercises.answer(TINY, NARROW) is None  # the new measure's numbers are not its own


def test_texts_may_change_without_new_runs(folder):
    said = NARROW._replace(task="Make the code smaller.", answer="{after:.1f} after {before:.1f}.")
    assert exercises.answer(TINY, said) == "2.0 after 4.0."


@pytest.mark.parametrize(
    "change",
    [
        {"options": ("--code-size", "3")},
        {"network": "another"},
        {"measure": epochs_asked},
        {"measure": None},
        {"measure": functools.partial(times, 2)},
    ],
    ids=["options", "network", "measure", "loss", "partial"],
)
def test_there_is_no_answer_from_runs_of_something_else(folder, change):
    assert exercises.answer(TINY, NARROW._replace(**change)) is None


def test_there_is_no_answer_without_runs(folder):
    (folder / "tiny_ae.json").unlink()
    assert exercises.answer(TINY, LONGER) is None


def test_the_same_measure_of_other_arguments_is_another(out, folder):
    double, triple = (NARROW._replace(measure=functools.partial(times, n)) for n in (2, 3))
    recorder.keep(dataclasses.replace(TINY, exercises=(double,)), out)
    assert exercises.answer(TINY, double) == "6, 6."
    assert exercises.answer(TINY, triple) is None


def test_what_a_student_types_makes_the_recorded_run(out, tmp_path):
    for exercise, run in ((LONGER, "tiny_ae--epochs9"), (NARROW, "tiny_ae--code-size2")):
        typed = shlex.split(exercises.command(TINY, exercise))
        assert typed[:4] == ["python", "-m", "tutorials", "tiny_ae"]
        place = tmp_path / run
        assert exit_code(TINY, *typed[4:], "--out", place) == 0
        for part in ("settings", "preset", "style"):
            assert read_record(place)[part] == read_record(out / run)[part]


def test_the_command_records_and_says_where(out, folder, monkeypatch, capsys):
    monkeypatch.setattr(lessons, "load", {"tiny_ae": TINY}.get)
    (folder / "tiny_ae.json").unlink()
    maintain.run(["exercises", "tiny_ae", "--out", str(out)])
    assert capsys.readouterr().out.strip() == str(folder / "tiny_ae.json")
    assert exercises.answer(TINY, NARROW) == "4, 2."
