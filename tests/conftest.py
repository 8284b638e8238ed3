import contextlib
import functools
import gc
import hashlib
import os
import pickle
import signal
import sys
from pathlib import Path

from ae import datasets

import matplotlib
import pytest
from filelock import FileLock
from matplotlib import pyplot
from running import WITH_XLA, run

matplotlib.use("Agg")
# What is advised begins with "python" where that is this one.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=1, help="processes to kill in test_resume.py")


def pytest_configure():
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        # A core for each worker: where they share the cores, TensorFlow's threads wait for each
        # other and the tests take twice as long. Many threads are left to the long tests.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_collection_finish():
    """Keras looks for garbage after each training; what the imports left is none."""
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Writes the kind of fault that a test is about into the report, to be counted there."""
    for item in items:
        if marker := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", marker.args[0]))


@pytest.fixture
def ctrl_c():
    """Has Ctrl-C raise KeyboardInterrupt, also where pytest runs in the background."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    after = signal.getsignal(signal.SIGINT)
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after is signal.default_int_handler


class Cases:
    """Counts the faults that one test tries, and those that were survived."""

    def __init__(self):
        self.tried = self.survived = 0

    @contextlib.contextmanager
    def case(self):
        """Counts what happens inside as one fault, survived unless it raises."""
        self.tried += 1
        yield
        self.survived += 1


@pytest.fixture
def cases(record_property):
    counted = Cases()
    yield counted
    record_property("tried", counted.tried)
    record_property("survived", counted.survived)


@pytest.fixture(autouse=True)
def _no_figure_survives_a_test():
    yield
    pyplot.close("all")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder of this test session that all workers share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def smoke(shared_folder):
    """Gives the folder of a lesson's smoke run, which is made when it is first asked for.

    All workers share it. The documents are generated ones.
    """
    runs = shared_folder

    @functools.cache
    def run_once(name):
        xla = [] if name == WITH_XLA else ["--no-xla"]
        with FileLock(runs / f"{name}.lock"):
            if not (runs / name / "record.json").is_file():
                assert run(name, "--preset", "smoke", *xla, "--out", runs / name) == 0
        return runs / name

    return run_once


@pytest.fixture(scope="session", autouse=True)
def _documents_are_made_once(shared_folder):
    """Generating them takes seconds; all workers share what the first one made."""
    generate = datasets.load_or_generate_documents

    @functools.cache
    def load_or_generate(*arguments):
        path = shared_folder / f"documents-{hash_of(arguments)}.pickle"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                path.write_bytes(pickle.dumps(generate(*arguments)))
            return pickle.loads(path.read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_or_generate_documents", load_or_generate)
        yield


def hash_of(arguments):
    return hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]
