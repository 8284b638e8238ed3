"""Lessons run as a user runs them, for the tests of several files."""

import dataclasses
import importlib
import json

from ae import cli

import numpy as np
import pytest
from PIL import Image


def lesson(name):
    return importlib.import_module(f"tutorials.{name}").LESSON


def run(name_or_lesson, *arguments):
    """Runs a lesson's command line; the documents are generated ones."""
    a_lesson = lesson(name_or_lesson) if isinstance(name_or_lesson, str) else name_or_lesson
    arguments = [str(argument) for argument in arguments]
    if a_lesson.name == "document_cleaner" and "--preset" in arguments:
        arguments += ["--data", "synthetic"]
    with pytest.raises(SystemExit) as stopped:
        cli.main(a_lesson, arguments)
    return stopped.value.code


def read_record(folder):
    return json.loads((folder / "record.json").read_text(encoding="utf-8"))


def smoke_settings(name, **changes):
    return dataclasses.replace(lesson(name).presets["smoke"], **changes)


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))
