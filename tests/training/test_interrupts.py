"""Ctrl-C must be heard wherever it falls, once, and leave whole what it fell into."""

import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

from ae.errors import InputError
from ae.lesson import Claim
from ae.networks import in_batches
from ae.paths import REPOSITORY
from ae.proof import claims, judges
from ae.runs.drawing import Report
from ae.training.checkpoints import Checkpoints
from ae.training.interrupts import SIGNALS, Delivery, deliver, postponed

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import pyplot
from running import lesson, press, resume_run, smoke_settings, train_run

pytestmark = pytest.mark.usefixtures("ctrl_c")


class Destroyed:
    """An object that Ctrl-C finds in its destructor, as those of TensorFlow's variables."""

    def __del__(self):
        press()


def test_what_python_would_swallow_in_a_destructor_is_heard():
    past = []
    with pytest.raises(KeyboardInterrupt), postponed():
        Destroyed()
        past.append("the destructor")
        deliver()
        past.append("the next step")
    assert past == ["the destructor"]


def test_it_is_heard_at_the_end_at_the_latest_and_once():
    past = []
    with pytest.raises(KeyboardInterrupt), postponed():
        with postponed():
            press()
        past.append("a block within")
    assert past == ["a block within"]
    deliver()
    with postponed():
        deliver()


def test_it_goes_before_a_mistake_that_it_may_have_caused():
    with pytest.raises(KeyboardInterrupt), postponed():
        press()
        raise InputError("a program beside ours has ended")


def test_who_asks_twice_does_not_wait():
    past = []
    with pytest.raises(KeyboardInterrupt), postponed():
        press()
        past.append("once")
        press()
        past.append("twice")
    assert past == ["once"]


def test_other_handlers_are_called_later_and_ignored_signals_stay_ignored():
    calls = []
    signal.signal(signal.SIGTERM, lambda *_: calls.append("end"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with postponed():
        os.kill(os.getpid(), signal.SIGINT)
        press(signal.SIGTERM)
        assert calls == []
        deliver()
        assert calls == ["end"]
    assert calls == ["end"]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_keras_stops_after_the_batch_it_fell_into(method):
    """As in the training of judges, and in the validation of lessons."""
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    begun = []

    class Press(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            begun.append(batch)
            press()

        on_test_batch_begin = on_train_batch_begin

    with pytest.raises(KeyboardInterrupt), postponed():
        getattr(model, method)(
            *(np.ones((6, 2)), np.ones((6, 1))),
            batch_size=2,
            callbacks=[Press(), Delivery()],
            verbose=0,
        )
    assert begun == [0]


def test_a_judge_s_training_stops_after_the_batch_it_fell_into(monkeypatch):
    x = np.ones((2, 4), "float32")
    drawn = []

    def dataset(order, *arrays):
        def pairs():
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                drawn.append(1)
                yield x, x

        return tf.data.Dataset.from_generator(pairs, output_signature=(tf.TensorSpec([2, 4]),) * 2)

    monkeypatch.setattr(judges, "dataset", dataset)
    with pytest.raises(KeyboardInterrupt):
        judges.train_linear_autoencoder(judges.Hashable(x), 2)
    assert len(drawn) < judges.LINEAR_STEPS / 10  # some are drawn ahead


def test_no_claim_is_measured_after_the_one_it_fell_into():
    measured = []

    def measure(*_):
        measured.append(1)
        press()
        return 1

    claim = Claim("It works.", "How well", measure, "because")
    with pytest.raises(KeyboardInterrupt), postponed():
        claims.measure(types.SimpleNamespace(claims=[claim, claim]), None, None, None)
    assert measured == [1]


def test_no_figure_is_drawn_after_the_one_it_fell_into(tmp_path):
    report = Report(tmp_path / "figures", "")
    with pytest.raises(KeyboardInterrupt), postponed():
        press()
        report.figure("one", pyplot.figure())
        report.figure("two", pyplot.figure())
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["one.png"]


def test_codes_are_computed_no_further_than_the_batch_it_fell_into():
    traced = []

    def double(x):
        traced.append(x.shape[0])
        press()
        return 2 * x

    with pytest.raises(KeyboardInterrupt):
        in_batches(double, 3)(np.ones((7, 2), "float32"))
    assert traced == [3]


@pytest.mark.parametrize("style", ["low-level", "keras"])
def test_a_state_is_saved_whole_when_it_falls_into_the_saving(tmp_path, monkeypatch, style):
    save, saved = Checkpoints.save, []

    def interrupted(states, history, stopped):
        if len(history) == 2:
            press()
        save(states, history, stopped)
        saved.append(len(history))

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", interrupted)
        with pytest.raises(KeyboardInterrupt, match="to resume: "):
            train_run(
                lesson("tiny_ae"),
                smoke_settings("tiny_ae", num_epochs=4),
                *(tmp_path,),
                preset="smoke",
                style=style,
            )
    assert saved == [1, 2]
    (training,) = resume_run(lesson("tiny_ae"), tmp_path)["trainings"]
    assert len(training["history"]) == 4


# Threads that multiply matrices


def blocked(task):
    """Reads which signals the kernel does not send to a thread."""
    (line,) = [x for x in (task / "status").read_text().splitlines() if x.startswith("SigBlk")]
    mask = int(line.split()[1], 16)
    return {number for number in SIGNALS if mask >> (number - 1) & 1}


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks at the threads in /proc")


@LINUX
def test_one_thread_receives_the_signals_and_after_it_the_main_thread_again():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with postponed():
        masks = {
            thread.name: blocked(Path(f"/proc/self/task/{thread.native_id}"))
            for thread in threading.enumerate()
        }
        assert masks["MainThread"] == set(SIGNALS)
        assert masks["signals"] == set()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    assert "signals" not in [thread.name for thread in threading.enumerate()]


THREADS = """
import os, sys, threading
from contextlib import suppress
from pathlib import Path

from ae.runs import saved
from ae.training import precision
from ae.training.run import Run
from running import lesson, smoke_settings, train_run
from test_interrupts import blocked

def print_threads(*_):
    python = {str(os.getpid()), *(str(thread.native_id) for thread in threading.enumerate())}
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            name = (task / "comm").read_text().strip()
            if task.name not in python:
                print("a thread", case, name, *map(int, sorted(blocked(task))), sep=",")

def start_threads():
    if case == "build":
        settings = smoke_settings("document_cleaner", data="synthetic")
        saved.build(lesson("document_cleaner"), "autoencoder", "low-level", settings)
        print_threads()
    elif case == "rewrites_steps":
        precision.rewrites_steps()
        print_threads()
    else:
        settings = smoke_settings(case, num_epochs=1, jit_compile=case == "tiny_ae")
        Run.observe = print_threads
        train_run(lesson(case), settings, Path(folder, case), preset="smoke")

folder, *cases = sys.argv[1:]
for case in cases:  # each in a process of its own, which need not import TensorFlow again
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        continue
    try:
        start_threads()
        sys.stdout.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)
"""


@LINUX
@pytest.mark.parametrize(
    "cases",
    [
        ["build", "rewrites_steps", "tiny_ae"],
        pytest.param(["fashion_vae"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_no_thread_of_tensorflow_s_receives_them(cases, tmp_path):
    """Threads start with a training, or before: in cleaning, redrawing, `--mixed-precision`.

    XLA compiles one of the two lessons.
    """
    done = subprocess.run(
        [sys.executable, "-c", THREADS, tmp_path, *cases],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(",") for line in done.stdout.splitlines()]
    threads = [line[1:] for line in lines if line[0] == "a thread"]
    assert {case for case, *_ in threads} == set(cases)
    for case, name, *numbers in threads:
        assert numbers == [str(number.value) for number in sorted(SIGNALS)], (case, name)
