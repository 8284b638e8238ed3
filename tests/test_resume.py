import dataclasses
import importlib
import random

from ae import runs
from ae.training import Run
from tutorials.__main__ import NAMES

import pytest

EPOCHS = 3
TIMES = ("seconds", "started")


def lesson(name):
    return importlib.import_module(f"tutorials.{name}").LESSON


def settings(name):
    chosen = {"data": "synthetic"} if name == "document_cleaner" else {}
    return dataclasses.replace(lesson(name).presets["smoke"], num_epochs=EPOCHS, **chosen)


def train(name, folder, style="both"):
    return runs.train(lesson(name), settings(name), folder, preset="smoke", style=style)


def without_times(part):
    """Leaves out of a record what may differ between two runs of one seed."""
    if isinstance(part, dict):
        return {k: without_times(v) for k, v in part.items() if k not in (*TIMES, "folder")}
    return [without_times(item) for item in part] if isinstance(part, list) else part


def files(folder):
    """Reads every file of a run but its record and networks, whose archives hold dates."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".png", ".py")
    }


@pytest.fixture
def interrupt(monkeypatch):
    """Makes the n-th report of a training's progress a Ctrl-C; 0 none. Counts the reports."""
    heard = Run.observe

    def at(n):
        reports = []

        def observe(run, losses):
            reports.append((run.label, run.epochs_done))
            if len(reports) == n:
                raise KeyboardInterrupt
            heard(run, losses)

        monkeypatch.setattr(Run, "observe", observe)
        return reports

    return at


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_run_ends_as_if_it_had_not_been(name, tmp_path, interrupt):
    reports = interrupt(0)
    whole = train(name, tmp_path / "whole")
    chance = random.Random(name)
    first, second = sorted(chance.sample(range(2, len(reports) - 1), 2))
    with pytest.raises(KeyboardInterrupt, match=f"--resume {tmp_path}/again"):
        interrupt(first)
        train(name, tmp_path / "again")
    done_before = interrupt(second - first)
    with pytest.raises(KeyboardInterrupt):
        runs.resume(lesson(name), tmp_path / "again")
    interrupt(0)
    again = runs.resume(lesson(name), tmp_path / "again")
    assert without_times(again) == without_times(whole)
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    assert not (tmp_path / "again" / runs.UNFINISHED).exists()
    assert done_before[0] == reports[first - 1]  # in the epoch that it was interrupted in
