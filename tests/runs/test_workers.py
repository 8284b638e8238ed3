"""Two processes on this machine, or two devices of one, train a run together."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from ae.errors import InputError
from ae.paths import REPOSITORY
from ae.runs import workers
from ae.training import strategies
from ae.training.peers import Cluster
from tutorials.__main__ import main as tutorials_main

import pytest
from running import config, exit_code, free_ports, lesson, read_record, smoke_settings, train_run

EPOCHS = 30
NEW = ("--preset", "smoke", "--epochs", EPOCHS, "--style", "low-level")
TOGETHER = ("--strategy", "multi-worker")
TINY = "import sys, running; sys.exit(running.exit_code(running.lesson('tiny_ae'), *sys.argv[1:]))"
ON_TWO_DEVICES = """
import json, sys
from ae.backend import tf
(processor,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, two)
from ae.training.run import Run
from running import exit_code, lesson
whole, stopped = sys.argv[1:]
chosen = "--preset", "smoke", "--epochs", 3, "--strategy", "mirrored"
tiny = lesson("tiny_ae")
assert exit_code(tiny, *chosen, "--out", whole) == 0
observe, seen = Run.observe, []
def interrupt(run, losses):
    seen.append(losses)
    if len(seen) == 8:
        raise KeyboardInterrupt
Run.observe = interrupt
assert exit_code(tiny, *chosen, "--out", stopped) == 130
Run.observe = observe
assert exit_code(tiny, "--resume", stopped) == 0
"""


def python(*arguments, **variables):
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    # Not with the level of TensorFlow's log that this process has chosen.
    environment = {n: v for n, v in os.environ.items() if n != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, "-c", *map(str, arguments)],
        env=environment | {"PYTHONPATH": paths, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(tmp_path, *arguments):
    """Starts two workers; the second has a folder of its own for temporary files."""
    ports, nothing = free_ports(2), tmp_path / "nothing"
    nothing.mkdir(exist_ok=True)
    variables = [{}, {"TMPDIR": str(nothing)}]
    return [
        python(TINY, *arguments, TF_CONFIG=config(ports, index), **variables[index])
        for index in range(2)
    ]


def losses(folder):
    (training,) = read_record(folder)["trainings"]
    return [logs["loss"] for logs in training["history"]]


def digest(folder):
    return read_record(folder)["trainings"][0]["weights_sha256"]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Gives the folder of a run of two workers, what they printed, and all files there."""
    tmp_path = tmp_path_factory.mktemp("together")
    processes = start(tmp_path, *NEW, *TOGETHER, "--out", tmp_path / "run")
    printed = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    return tmp_path / "run", printed


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    settings = smoke_settings("tiny_ae", num_epochs=EPOCHS)
    train_run(lesson("tiny_ae"), settings, folder, preset="smoke", style="low-level")
    return folder


def test_a_run_of_two_workers_is_as_one_of_a_single_process(together, alone):
    folder, _ = together
    assert losses(folder) == pytest.approx(losses(alone), rel=1e-6)
    record = read_record(folder)
    assert (record["strategy"], record["replicas"]) == ("multi-worker", 2)
    assert not {"strategy", "replicas"} & set(read_record(alone))


def test_the_second_worker_says_one_line_and_leaves_nothing(together, alone):
    folder, (_, (out, err)) = together
    assert out.count("\n") == 1
    assert out.startswith("worker 1 (127.0.0.1:")
    assert err == ""
    assert not any((folder.parent / "nothing").iterdir())
    kept, expected = (
        {path.relative_to(run) for run_path in [run] for path in run_path.rglob("*")}
        for run in (folder, alone)
    )
    assert kept == expected


@pytest.mark.fault("SIGKILL at a random moment")
@pytest.mark.parametrize("victim", [1, pytest.param(0, marks=pytest.mark.long)])
def test_a_worker_that_is_killed_ends_the_other_and_both_resume(together, tmp_path, victim):
    folder = tmp_path / "run"
    processes = start(tmp_path, *NEW, *TOGETHER, "--out", folder)
    while not any(folder.glob("unfinished/checkpoints/*/checkpoint")):
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.01)
    processes[victim].send_signal(signal.SIGKILL)
    _, err = processes[1 - victim].communicate(timeout=15)
    processes[victim].communicate()
    assert processes[1 - victim].returncode == 2
    again = f"to resume, start all workers: {lesson('tiny_ae').command} --resume {folder}"
    assert err.endswith(
        (f"{folder}: another worker has ended; {again} --strategy multi-worker\n")
        if victim == 1
        else "says how to resume.\n"
    )
    assert err.count("\n") == 1
    processes = start(tmp_path, "--resume", folder, *TOGETHER)
    printed = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert losses(folder) == losses(together[0])
    assert digest(folder) == digest(together[0])


def test_workers_that_are_told_different_things():
    def meet(own, **about):
        return workers._meet(Cluster(addresses, own), {"lesson": "tiny_ae", **about})

    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    with ThreadPoolExecutor() as pool:
        met = [pool.submit(meet, i, settings={"batch_size": 8 * (i + 1)}) for i in range(2)]
    for one in met:
        with pytest.raises(InputError, match=r"worker 0 .* has batch_size 8, not 16 as worker 1"):
            one.result()


def test_two_devices_train_and_resume_a_run(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    process = python(ON_TWO_DEVICES, whole, stopped)
    _, err = process.communicate()
    assert process.returncode == 0, err
    alone = tmp_path / "alone"
    settings = smoke_settings("tiny_ae", num_epochs=3)
    train_run(lesson("tiny_ae"), settings, alone, preset="smoke", style="both")
    runs = [read_record(folder) for folder in (whole, stopped, alone)]
    for training, resumed, expected in zip(*(run["trainings"] for run in runs), strict=True):
        losses, again, single = (
            [logs["loss"] for logs in one["history"]] for one in (training, resumed, expected)
        )
        assert losses == again
        assert training["weights_sha256"] == resumed["weights_sha256"]
        assert losses == pytest.approx(single, rel=1e-6)
    assert (runs[0]["strategy"], runs[0]["replicas"]) == ("mirrored", 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--strategy", "multi-worker"], "add --style low-level"),
        (["--strategy", "multi-worker", "--style", "keras"], "add --style low-level"),
        (["--strategy", "multi-worker", "--style", "low-level"], "TF_CONFIG must name"),
        (["--strategy", "mirrored", "--mixed-precision"], "leave --mixed-precision out"),
    ],
)
def test_what_no_strategy_trains(tmp_path, capsys, monkeypatch, options, words):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    folder = tmp_path / "run"
    assert exit_code(lesson("tiny_ae"), "--preset", "smoke", *options, "--out", folder) == 2
    assert words in capsys.readouterr().err
    assert not folder.exists()


def test_several_lessons_are_not_for_several_machines(capsys):
    assert tutorials_main(["run", "--strategy", "multi-worker", "--style", "low-level"]) == 2
    assert "one lesson at a time" in capsys.readouterr().err


def test_a_run_is_not_taken_for_one_with_a_strategy(tmp_path, capsys):
    chosen = "--preset", "smoke", "--style", "low-level", "--out", tmp_path / "run"
    assert exit_code(lesson("tiny_ae"), *chosen) == 0
    assert exit_code(lesson("tiny_ae"), *chosen, "--strategy", "mirrored") == 2
    assert "with strategy None, not 'mirrored'" in capsys.readouterr().err


def test_a_single_device_gains_nothing(tmp_path, capsys):
    chosen = "--preset", "smoke", "--strategy", "mirrored", "--out", tmp_path / "run"
    assert exit_code(lesson("tiny_ae"), *chosen) == 0
    assert "one device here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sizes", "style", "summed", "refused"),
    [
        ([8, 8, 5], "low-level", False, False),
        ([8, 8, 1], "low-level", False, True),  # no example for the second
        ([7, 7], "low-level", True, False),
        ([8, 8, 5], "keras", False, False),
        ([8, 8, 5], "keras", True, True),
        ([7, 7], "keras", False, True),
    ],
)
def test_minibatches_that_two_replicas_cannot_share(sizes, style, summed, refused):
    class Two(strategies.Replicas):
        number = 2

    try:
        Two(None).require_shares(sizes, style, summed)
    except InputError:
        assert refused
    else:
        assert not refused
