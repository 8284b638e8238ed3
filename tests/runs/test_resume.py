"""Runs that are interrupted, killed and resumed must end as if nothing had happened to them."""

import dataclasses
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import tutorials
from ae.errors import InputError
from ae.networks import weights_sha256
from ae.paths import REPOSITORY
from ae.runs import lifecycle, records, saved
from ae.runs.folder import claimed, find_runs, is_unfinished
from ae.training.checkpoints import Checkpoints
from ae.training.run import Run
from tutorials.__main__ import main as tutorials_main

import keras
import numpy as np
import pytest
from running import (
    ADDED,
    NAMES,
    exit_code,
    lesson,
    nearly,
    press,
    read_record,
    resume_run,
    smoke_settings,
    train_run,
)

EPOCHS = 3
TIMES = ("seconds", "started")


def settings(name, **chosen):
    if name == "document_cleaner":
        chosen["data"] = "synthetic"
    return smoke_settings(name, num_epochs=EPOCHS, **chosen)


def train(name, folder, style="both"):
    return train_run(lesson(name), settings(name), folder, preset="smoke", style=style)


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


def saved_digests(name, folder):
    """Hashes the weights of a run's saved networks."""
    record, chosen = records.read_run(lesson(name), folder)
    networks = (saved.load_network(lesson(name), folder, t, chosen) for t in record["trainings"])
    return [weights_sha256(network) for network in networks]


@pytest.fixture
def interrupt(monkeypatch, ctrl_c):
    """Sends Ctrl-C at the n-th report of a training's progress; 0 none. Counts the reports."""
    heard = Run.observe

    def at(n):
        reports = []

        def observe(run, losses):
            reports.append((run.label, run.epochs_done))
            if len(reports) == n:
                press()
            heard(run, losses)

        monkeypatch.setattr(Run, "observe", observe)
        return reports

    return at


@pytest.mark.fault("Ctrl-C at a random step")
@pytest.mark.parametrize(
    "name", ["tiny_ae", *(pytest.param(n, marks=pytest.mark.long) for n in NAMES)]
)
def test_an_interrupted_run_ends_as_if_it_had_not_been(name, tmp_path, interrupt):
    reports = interrupt(0)
    whole = train(name, tmp_path / "whole")
    chance = random.Random(name)
    at = chance.randrange(2, len(reports))
    with pytest.raises(KeyboardInterrupt, match=f"--resume {tmp_path}/again"):
        interrupt(at)
        train(name, tmp_path / "again")
    later = interrupt(0)
    again = resume_run(lesson(name), tmp_path / "again")
    assert without_times(again) == without_times(whole)
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    digests = [training["weights_sha256"] for training in whole["trainings"]]
    assert saved_digests(name, tmp_path / "again") == digests
    assert not (tmp_path / "again" / records.UNFINISHED).exists()
    assert later[0] == reports[at - 1]  # training goes on in the epoch that it was stopped in


@pytest.mark.fault("NaN or infinity")
@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_a_loss_that_stops_being_a_number_leaves_the_last_good_state(tmp_path, monkeypatch, style):
    save = Checkpoints.save

    def spoil(states, history, stopped):
        save(states, history, stopped)
        weight = states._network.trainable_variables[0]
        weight.assign(np.nan * weight)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", spoil)
        with pytest.raises(InputError, match=r"the loss became nan by step \d+ of epoch 2") as stop:
            train("tiny_ae", tmp_path / "run", style)
    assert f"The state after epoch 1 is in {tmp_path / 'run' / 'unfinished'}" in str(stop.value)
    assert not (tmp_path / "run" / "record.json").exists()
    whole = train("tiny_ae", tmp_path / "whole", style)
    again = resume_run(lesson("tiny_ae"), tmp_path / "run")
    assert without_times(again) == without_times(whole)


@pytest.mark.fault("NaN or infinity")
@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_weights_that_an_epoch_s_last_update_spoils_are_not_saved(tmp_path, monkeypatch, style):
    """Every loss of the second epoch is a number, for it is computed before the update."""
    reports = [0, 0, 0]

    def spoil(run, losses):
        reports[run.epochs_done] += 1
        if reports[1] == reports[0]:
            weight = run.checkpoints._network.trainable_variables[0]
            weight.assign(np.nan * weight)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "observe", spoil)
        message = "after epoch 2 some weights are not finite; try a smaller --learning-rate"
        with pytest.raises(InputError, match=message) as stop:
            train("tiny_ae", tmp_path / "run", style)
    assert f"The state after epoch 1 is in {tmp_path / 'run' / 'unfinished'}" in str(stop.value)
    states = tmp_path / "run" / "unfinished" / "checkpoints" / style
    assert [path.name for path in states.glob("*.index")] == ["epoch-1.index"]


# Killed processes


TINY = "import sys, running; sys.exit(running.exit_code(running.lesson('tiny_ae'), *sys.argv[1:]))"


def start(name, *arguments):
    module = ["-c", TINY] if name == "tiny_ae" else ["-m", f"tutorials.{name}"]
    command = [sys.executable, *module, *map(str, arguments)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": paths}, **quiet
    )


def arguments_of_a_new_run(name, folder):
    own = ["--data", "synthetic"] if name == "document_cleaner" else []
    return ["--preset", "smoke", "--epochs", EPOCHS, *own, "--out", folder]


def time_of(name, folder):
    """Runs a lesson in a process; returns when it began to write and when it was done."""
    started = time.monotonic()
    process = start(name, *arguments_of_a_new_run(name, folder))
    while not folder.exists() and process.poll() is None:
        time.sleep(0.01)
    begun = time.monotonic() - started
    _, err = process.communicate()
    assert process.returncode == 0, err
    return begun, time.monotonic() - started


def progress(folder):
    """Counts finished trainings, and epochs of the one under way, that a killed run has kept."""
    work = folder / records.UNFINISHED
    try:
        trainings = len(read_record(work)["trainings"])
    except FileNotFoundError:
        return (0, 0)
    newest = [path.read_text().split('"')[1] for path in work.glob("checkpoints/*/checkpoint")]
    return trainings, sum(int(name.rpartition("-")[2]) for name in newest)


@pytest.mark.fault("SIGKILL at a random moment")
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(pytestconfig, tmp_path, cases):
    kills = pytestconfig.getoption("--kills")
    killed_lessons = NAMES if kills >= len(NAMES) else ["tiny_ae"]
    for name in killed_lessons:
        kill_and_resume(name, -(-kills // len(killed_lessons)), tmp_path, cases)


def kill_and_resume(name, kills, tmp_path, cases):
    """Kills runs of one lesson, resumes them, and compares what they end with."""
    chance = random.Random(name)
    begun, done = time_of(name, tmp_path / name)
    whole = read_record(tmp_path / name)
    for number in itertools.count(1):
        if kills <= 0:
            break
        folder = tmp_path / f"{name}-{number}"
        arguments, kept = arguments_of_a_new_run(name, folder), (0, 0)
        survived = []
        started = time.monotonic()
        while True:
            process = start(name, *arguments)
            try:
                _, err = process.communicate(
                    timeout=chance.uniform(0.8 * begun, done) if kills > 0 else None
                )
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills -= 1
                survived.append(cases.case())
                if (folder / "record.json").exists():
                    break  # killed when it was done
                assert progress(folder) >= kept, f"{name}: an epoch was lost"
                kept = progress(folder)
                if is_unfinished(folder):
                    arguments = ["--resume", folder]
                continue
            assert process.returncode == 0, err
            if not survived:
                done = time.monotonic() - started  # so that most of the next are killed
            break
        record = read_record(folder)
        for case in survived:
            with case:
                assert without_times(record) == without_times(whole)
                assert files(folder) == files(tmp_path / name)


def test_ctrl_c_ends_a_process_in_one_sentence_and_its_run_can_resume(tmp_path, ctrl_c):
    folder = tmp_path / "run"
    chosen = ["--preset", "smoke", "--epochs", 60, "--style", "low-level", "--tensorboard"]
    process = start("tiny_ae", *chosen, "--out", folder)
    while not any(folder.glob("unfinished/checkpoints/*/checkpoint")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    advice = f"Interrupted; to resume: {lesson('tiny_ae').command} --resume {folder}\n"
    assert (err.decode(), process.returncode) == (advice, 130)
    kept = progress(folder)[1]
    assert 0 < kept < 60
    (training,) = resume_run(lesson("tiny_ae"), folder)["trainings"]
    assert len(training["history"]) == 60
    assert len(list((folder / "tensorboard" / "low-level").glob("*tfevents*"))) == 2


# The same seed


@pytest.mark.long
@pytest.mark.fault("the same seed again")
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    name = "fashion_vae"
    a, b = (
        train_run(lesson(name), settings(name, seed=1), tmp_path / folder, preset="smoke")
        for folder in "ab"
    )
    assert without_times(a) == without_times(b)
    other = train_run(lesson(name), settings(name, seed=2), tmp_path / "other", preset="smoke")
    for one, another in zip(a["trainings"], other["trainings"], strict=True):
        assert one["weights_sha256"] != another["weights_sha256"]
        assert one["history"][0]["loss"] != another["history"][0]["loss"]


@pytest.mark.long
def test_the_option_forbids_operations_whose_bits_may_differ(tmp_path):
    """A process of its own, for what TensorFlow may do cannot be widened again."""
    check = f"""
import tensorflow as tf
from ae import cli
from ae.lessons import load

arguments = ["--preset", "smoke", "--deterministic", "--out", {str(tmp_path)!r}]
cli.run_script(load("dense_ae"), arguments)
try:
    tf.raw_ops.RandomUniform(shape=[2], dtype=tf.float32, seed=0, seed2=0)
except tf.errors.OpError as error:
    assert "determinis" in error.message
else:
    raise AssertionError("numbers without a seed were let through")
"""
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path)["settings"]["deterministic"]


# Several lessons


@pytest.fixture
def several(monkeypatch):
    """Runs several lessons as the command does, here one alone, which takes less time."""
    lesson("tiny_ae")  # its article is found from now on
    monkeypatch.setattr(tutorials, "__path__", [*tutorials.__path__, str(ADDED)])

    def run(out, *options):
        fixed = ["--preset", "smoke", "--style", "low-level", "--epochs", "4", "--out", str(out)]
        return tutorials_main(["run", "tiny_ae", *fixed, *options])

    return run


def test_run_resume_begins_goes_on_and_takes_what_is_finished(tmp_path, capsys, interrupt, several):
    record = tmp_path / "tiny_ae" / "record.json"
    reports = interrupt(3)
    assert several(tmp_path, "--resume") == 130  # nothing is there: it begins
    again = capsys.readouterr().err.split("python -m tutorials ")[1].split()
    assert again[:2] == ["run", "tiny_ae"]
    assert again[-2:] == [str(tmp_path), "--resume"]
    assert not record.exists()
    assert len(reports) == 3

    interrupt(0)
    assert several(tmp_path, "--resume") == 0
    finished = record.read_bytes()

    reports = interrupt(0)
    assert several(tmp_path, "--resume") == 0
    assert not reports
    assert record.read_bytes() == finished

    for options in (("--seed", "4"), ("--style", "both"), ("--tensorboard",)):
        assert several(tmp_path, "--resume", *options) == 2
        assert "another --out" in capsys.readouterr().err
    assert not reports
    assert record.read_bytes() == finished


def test_run_resume_with_other_options_leaves_an_unfinished_run_as_it_is(
    tmp_path, capsys, interrupt, several
):
    interrupt(3)
    assert several(tmp_path, "--seed", "1") == 130
    reports = interrupt(0)
    capsys.readouterr()
    assert several(tmp_path, "--resume", "--seed", "2") == 2
    assert "has seed 1, not 2" in capsys.readouterr().err
    assert not reports
    assert several(tmp_path, "--resume", "--seed", "1") == 0
    record = read_record(tmp_path / "tiny_ae")
    assert record["settings"]["seed"] == 1


# What cannot be resumed


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run in one style that was stopped in its second epoch."""
    folder, observe = tmp_path_factory.mktemp("interrupted") / "run", Run.observe

    def stop(run, losses):
        if run.epochs_done == 1:
            raise KeyboardInterrupt
        observe(run, losses)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "observe", stop)
        train("tiny_ae", folder, "low-level")
    return folder


@pytest.fixture
def stopped(interrupted, tmp_path):
    """A copy of that run."""
    return shutil.copytree(interrupted, tmp_path / "run")


def test_the_advice_names_the_data_folder_that_was_given(tmp_path, interrupt):
    mine = tmp_path / "my data"
    mine.mkdir()
    chosen = {"preset": "smoke", "style": "keras", "data_dir": mine}
    interrupt(1)
    with pytest.raises(KeyboardInterrupt, match=f"--resume {tmp_path}/run --data-dir '{mine}'$"):
        train_run(lesson("tiny_ae"), settings("tiny_ae"), tmp_path / "run", **chosen)


def test_a_state_of_another_optimizer_can_be_deleted(tmp_path, interrupt, monkeypatch):
    interrupt(7)  # in the second epoch
    with pytest.raises(KeyboardInterrupt):
        train("tiny_ae", tmp_path / "run", "keras")
    interrupt(0)
    states = tmp_path / "run" / "unfinished" / "checkpoints" / "keras"
    with monkeypatch.context() as patch, pytest.raises(InputError) as refused:
        patch.setattr("keras.optimizers.SGD", lambda rate, momentum: keras.optimizers.Adam(rate))
        resume_run(lesson("tiny_ae"), tmp_path / "run")
    assert str(refused.value).startswith(f"{states}: this training cannot resume")
    assert str(refused.value).endswith("delete this folder to start again.")
    shutil.rmtree(states)
    (training,) = resume_run(lesson("tiny_ae"), tmp_path / "run")["trainings"]
    assert len(training["history"]) == EPOCHS


def test_what_a_killed_process_began_to_write_does_not_stay(stopped):
    pictures = stopped / records.UNFINISHED / "snapshots"
    pictures.mkdir(exist_ok=True)
    (pictures / ".a-picture.tmp").write_bytes(b"half of it")
    resume_run(lesson("tiny_ae"), stopped)
    assert {path.suffix for path in (stopped / "snapshots").iterdir()} == {".png"}


def test_a_run_of_other_data(stopped):
    record = stopped / records.UNFINISHED / "record.json"
    text = json.loads(record.read_text())
    text["data"]["sha256"] = nearly(text["data"]["sha256"])
    record.write_text(json.dumps(text))
    with pytest.raises(InputError, match="was on other data"):
        resume_run(lesson("tiny_ae"), stopped)
    assert record.exists()


@pytest.mark.parametrize(("notice", "kind"), [("", "real"), ("generated", "synthetic")])
def test_a_run_that_took_what_pages_it_found_goes_on_with_such(tmp_path, notice, kind):
    """Whether real pages can be had may change while a run lies there."""
    asked, pages = [], SimpleNamespace(provenance=SimpleNamespace(sha256="the same"))

    def load(chosen, data_dir):
        asked.append((chosen.data, data_dir))
        return pages

    cleaner = dataclasses.replace(lesson("document_cleaner"), load=load)
    found = smoke_settings("document_cleaner", data="auto")
    record = {"data": {"notice": notice, "sha256": "the same", "source": "somewhere"}}
    assert saved.load_data(cleaner, tmp_path, record, found, tmp_path) is pages
    assert asked == [(kind, tmp_path)]


def test_a_run_in_a_folder_that_got_a_name_for_patterns(stopped, tmp_path):
    stopped.rename(tmp_path / "run [old]")
    with pytest.raises(InputError, match=r"TensorFlow takes \[ in a name for a pattern"):
        resume_run(lesson("tiny_ae"), tmp_path / "run [old]")
    (tmp_path / "run [old]").rename(stopped)
    resume_run(lesson("tiny_ae"), stopped)


def test_several_runs_do_not_begin_while_one_of_them_goes_on(stopped, capsys, interrupt, several):
    tmp_path = stopped.rename(stopped.with_name("tiny_ae")).parent
    reports = interrupt(0)
    with claimed(tmp_path / "tiny_ae"):
        assert several(tmp_path) == 2
        assert "another run is writing here; wait" in capsys.readouterr().err
    assert several(tmp_path) == 2
    assert "a run was interrupted here" in capsys.readouterr().err
    assert not reports


def test_a_new_run_does_not_end_one_that_can_resume(stopped):
    folder = stopped
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"--resume {folder}, or delete {folder}/unfinished"):
        train("tiny_ae", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    # as a shell may complete the name
    resume_run(lesson("tiny_ae"), folder / records.UNFINISHED)
    assert (folder / "record.json").is_file()


def test_a_new_run_does_not_end_one_that_only_has_to_be_moved(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    replace = Path.replace

    def killed(path, target):
        if path.parts[-2:] == ("unfinished", "record.json") and target.parent == folder:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        train("tiny_ae", folder)
    monkeypatch.undo()
    assert not (folder / records.UNFINISHED / "checkpoints").exists()
    for name in ("tiny_ae", "sigmoid_ae"):
        with pytest.raises(InputError, match=f"--resume {folder}, or delete {folder}/unfinished"):
            train(name, folder)
    record = resume_run(lesson("tiny_ae"), folder)
    assert len(record["trainings"]) == 2


def test_figures_of_an_interrupted_run_are_not_drawn(stopped):
    for folder in (stopped, stopped / records.UNFINISHED):
        with pytest.raises(InputError, match=f"not finished; resume it: --resume {stopped}"):
            lifecycle.redraw(lesson("tiny_ae"), folder, folder, asked={})


def test_nothing_is_made_for_a_run_that_is_not_there(tmp_path):
    missing = tmp_path / "no" / "run"
    with pytest.raises(InputError, match="there is no run here"):
        lifecycle.redraw(lesson("tiny_ae"), missing, missing, asked={})
    assert not list(tmp_path.iterdir())


def test_a_report_names_the_run_that_it_leaves_out(stopped, capsys):
    with pytest.raises(InputError, match="no run here"):
        find_runs(stopped.parent)
    assert f"{stopped}: left out" in capsys.readouterr().err


def test_an_unfinished_run_is_no_run_to_look_at(stopped):
    with pytest.raises(InputError, match=f"not finished; resume it: --resume {stopped}"):
        records.read_run(lesson("tiny_ae"), stopped)
    for folder in (stopped, stopped.parent):
        with pytest.raises(InputError, match="no run here"):
            find_runs(folder)


def test_a_run_of_another_lesson(stopped):
    with pytest.raises(InputError, match="a run of tiny_ae, not of sigmoid_ae"):
        resume_run(lesson("sigmoid_ae"), stopped)


SOURCE = hashlib.sha256(lesson("tiny_ae").file.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": {"keras": "2.2.4"}}, "other versions of its packages"),
        ({"source_sha256": nearly(SOURCE)}, "another version of tiny_ae.py"),
        (
            {"versions": {}, "source_sha256": nearly(SOURCE)},
            "other versions of its packages and another version of tiny_ae.py",
        ),
        ({}, None),
    ],
)
def test_a_run_that_began_with_other_versions(stopped, capsys, changes, words):
    record = stopped / records.UNFINISHED / "record.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), **changes}))
    capsys.readouterr()
    resume_run(lesson("tiny_ae"), stopped)
    err = capsys.readouterr().err
    if words is None:
        assert err == ""
    else:
        assert f"{stopped}: this run began with {words}, so it may end with other numbers" in err


@pytest.mark.parametrize("finished", [True, False])
def test_nothing_to_resume(tmp_path, finished):
    if finished:
        (tmp_path / "record.json").write_text("{}")
    with pytest.raises(InputError, match="is finished" if finished else "no run here"):
        resume_run(lesson("tiny_ae"), tmp_path)


@pytest.mark.parametrize("option", [["--epochs", "9"], ["--style", "keras"], ["--out", "x"]])
def test_resume_takes_no_other_settings(tmp_path, capsys, option):
    assert exit_code(lesson("tiny_ae"), "--resume", tmp_path, *option) == 2
    assert "leave the other options out" in capsys.readouterr().err


def test_the_report_shows_the_file_that_a_run_began_with(stopped, monkeypatch, tmp_path):
    sound = (stopped / records.UNFINISHED / "tiny_ae.py").read_text()
    assert sound == lesson("tiny_ae").file.read_text()
    newer = tmp_path / "newer.py"
    newer.write_text("# edited since")
    record = resume_run(dataclasses.replace(lesson("tiny_ae"), file=newer), stopped)
    assert record["source"] == "tiny_ae.py"
    assert (stopped / "tiny_ae.py").read_text() == sound
    assert record["source_sha256"] == hashlib.sha256(sound.encode()).hexdigest()
