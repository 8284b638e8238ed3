"""Lessons run as a user runs them, for the tests of several files."""

import dataclasses
import importlib
import json
import os
import signal

from ae import cli
from tutorials.__main__ import NAMES, chosen

import numpy as np
import pytest
from PIL import Image

LESSONS = chosen(())
NETWORKS = [(one.name, network) for one in LESSONS for network in one.networks]
EACH_LESSON = pytest.mark.parametrize("name", NAMES)
EACH_NETWORK = pytest.mark.parametrize(("name", "network"), NETWORKS)


def lesson(name):
    return importlib.import_module(f"tutorials.{name}").LESSON


def exit_code(a_lesson, *arguments):
    """Runs a lesson's command line as it is given."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(a_lesson, [str(argument) for argument in arguments])
    return stopped.value.code


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


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))
