"""The house: imports run one way, and lessons keep to what a teacher can project."""

import ast
import graphlib
from pathlib import Path

from ae.lessons import load
from ae.paths import REPOSITORY

import pytest
from running import EACH_LESSON

LONGER = {
    "contractive_ae",
    "fashion_vae",
    "latent_space",
    "low_level_ae",
    "sparse_ae",
}  # a variational network, and a lesson of two networks


def imports_of(path):
    """The modules that a file imports, also within functions."""
    package = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module}" if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def room(module):
    """The room of a module of `ae`, or its own name where it stands alone."""
    return ".".join(module.split(".")[:2])


def test_the_rooms_of_ae_import_each_other_in_one_direction():
    arrows = {}
    for path in (REPOSITORY / "ae").rglob("*.py"):
        here = room(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
        names = {room(name) for name in imports_of(path) if name.startswith("ae.")}
        arrows.setdefault(here, set()).update(names - {here})
    graphlib.TopologicalSorter(arrows).prepare()  # raises a CycleError that names the circle


@pytest.mark.parametrize("folder", ["ae", "tutorials"])
def test_nothing_imports_what_stands_above_it(folder):
    above = {"ae": ("tutorials", "benchmarks", "tests"), "tutorials": ("benchmarks", "tests")}
    for path in (REPOSITORY / folder).rglob("*.py"):
        for name in imports_of(path):
            assert not name.startswith(above[folder]), path


@EACH_LESSON
def test_a_lesson_can_be_projected(name):
    path = Path(load(name).file)
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= (280 if name in LONGER else 200)
    assert len({module for module in imports_of(path) if module.startswith("ae.")}) <= 10
    for word in ("fmt: skip", "settings.corrected", "settings.variant", "floatx", "mixed_prec"):
        assert word not in source
    assert not any(module.startswith("tutorials") for module in imports_of(path))
