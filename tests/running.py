"""Lessons run as a user runs them, for the tests of several files."""

import contextlib
import dataclasses
import functools
import importlib
import json
import os
import re
import signal
import socket
from pathlib import Path

import tutorials
from ae import cli, console
from ae.lessons import gather, load
from ae.runs import lifecycle
from tutorials import articles

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

ADDED = Path(__file__).with_name("added")
NAMES = tutorials.names()
WITH_XLA = "sigmoid_ae"  # XLA compiles the steps of this lesson's smoke run, which takes seconds
LESSONS = [load(name) for name in NAMES]
NETWORKS = [(one.name, network) for one in LESSONS for network in one.networks]
EACH_LESSON = pytest.mark.parametrize("name", NAMES)
EACH_NETWORK = pytest.mark.parametrize(("name", "network"), NETWORKS)


@functools.cache
def lesson(name):
    """Loads a lesson, or `tiny_ae`, which takes less time: for tests of what all lessons share."""
    if name != "tiny_ae":
        return load(name)
    with_added_lesson(articles)
    return gather(importlib.import_module("added.tiny_ae"), name)


def with_added_lesson(*packages):
    """Lets packages of the lessons find what stands in the folder "added" too."""
    for package in packages:
        folder = ADDED / package.__name__.partition(".")[2]
        if str(folder) not in package.__path__:
            package.__path__.append(str(folder))


def train_run(*arguments, **options):
    """Trains as the command line does."""
    return lifecycle.train(*arguments, **options, observers=cli.OBSERVERS)


def resume_run(*arguments):
    """Resumes as the command line does."""
    return lifecycle.resume(*arguments, observers=cli.OBSERVERS)


def exit_code(a_lesson, *arguments):
    """Runs a lesson's command line as it is given."""
    chosen = [str(argument) for argument in arguments]
    try:
        return console.guard(lambda: cli.run_script(a_lesson, chosen))
    except SystemExit as stopped:  # as --help does
        return stopped.code


def run(name_or_lesson, *arguments):
    """Runs a lesson's command line; the documents are generated ones. Returns the exit code."""
    a_lesson = lesson(name_or_lesson) if isinstance(name_or_lesson, str) else name_or_lesson
    if a_lesson.name == "document_cleaner" and "--preset" in arguments:
        arguments += ("--data", "synthetic")
    return exit_code(a_lesson, *arguments)


def read_record(folder):
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))


def smoke_settings(name, **changes):
    return dataclasses.replace(lesson(name).presets["smoke"], **changes)


def nearly(digest):
    """Returns a digest that differs from this one in its last hexadecimal digit alone."""
    return digest[:-1] + format(int(digest[-1], 16) ^ 1, "x")


def press(number=signal.SIGINT):
    """Sends Ctrl-C to this process, and goes on when a thread of it has received it."""
    received, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told)
    try:
        os.kill(os.getpid(), number)
        os.read(received, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(received)
        os.close(told)


def free_ports(number):
    """Finds ports of this machine that nothing listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


def config(ports, index):
    """Writes TF_CONFIG for a worker among several on this machine."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def without_notices(stderr):
    """Leaves out what TensorFlow before 2.21 writes at every log level, as XLA's start."""
    before = tuple(map(int, tf.__version__.split(".")[:2])) < (2, 21)
    return re.sub(r"(?m)^(I0000 |WARNING: All log messages ).*\n", "", stderr) if before else stderr
