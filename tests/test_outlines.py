"""Help and mistakes are answered before TensorFlow starts, as they are after it."""

import dataclasses
import os
import subprocess
import sys

import tutorials
from ae import outlines
from ae.paths import REPOSITORY
from tutorials import __main__ as commands

import pytest
from running import EACH_LESSON, NAMES, exit_code, lesson

AT_THE_END = """import atexit, sys
atexit.register(lambda: print("tensorflow" in sys.modules, file=sys.stderr))
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Returns a function that runs Python and returns its exit code, output and errors.

    TensorFlow must not be imported.
    """
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(AT_THE_END)

    def run(*command):
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
        )
        *errors, imported = done.stderr.splitlines(keepends=True)
        assert imported == "False\n"
        return done.returncode, done.stdout, "".join(errors)

    return run


@EACH_LESSON
def test_the_help_of_a_lesson_is_that_of_the_imported_lesson(capsys, monkeypatch, answered, name):
    monkeypatch.setenv("COLUMNS", "80")
    assert exit_code(lesson(name), "--help") == 0
    expected = capsys.readouterr().out
    assert answered("-m", f"tutorials.{name}", "--help") == (0, expected, "")


@EACH_LESSON
def test_an_outline_has_the_presets_and_the_networks_of_the_lesson(name):
    outline, imported = outlines.read(name), lesson(name)
    assert (outline.doc, outline.command) == (imported.doc, imported.command)
    assert {n: set(styles) for n, styles in outline.networks.items()} == {
        n: set(styles) for n, styles in imported.networks.items()
    }
    assert list(outline.commands) == list(imported.commands)
    for preset, settings in imported.presets.items():
        assert dataclasses.asdict(outline.presets[preset]) == dataclasses.asdict(settings)
        for one, other in zip(
            dataclasses.fields(outline.presets[preset]), dataclasses.fields(settings), strict=True
        ):
            assert (one.name, one.type, one.metadata) == (other.name, other.type, other.metadata)


@pytest.mark.parametrize("command", [name for name in commands.COMMANDS if name != "clean"])
def test_the_help_of_a_command(answered, command):
    code, out, err = answered("-m", "tutorials", command, "--help")
    assert (code, err) == (0, "")
    assert f"tutorials {command}" in out


SCRIPT = REPOSITORY / "tutorials" / "dense_ae.py"


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["-m", "tutorials.dense_ae", "--presett", "quick"], "did you mean '--preset'?"),
        (["-m", "tutorials", "sparse_ae", "--k", "0"], "--k: must be a whole number from 1 to "),
        ([SCRIPT, "--generate", "sock"], "unrecognized arguments: --generate sock"),
        (["-m", "tutorials.dense_ae", "--data-dir", "{}/no"], "/no does not exist"),
        (["-m", "tutorials.dense_ae", "--resume", "{}"], ": there is no run here to resume."),
        ([SCRIPT, "--from", "{}"], ": there is no run here "),
        (["-m", "tutorials", "dense_ae", "--from", "pretrained"], "No trained network of dense_ae"),
        (["-m", "tutorials", "dense_ae", "--out", ""], "--out: must name a folder"),
        (["-m", "tutorials", "sigmod_ae"], "did you mean 'sigmoid_ae'?"),
        (["-m", "tutorials", "run", "sigmod_ae"], "did you mean 'sigmoid_ae'?"),
        (["-m", "tutorials", "check", "--from", "{}"], ": there is no run here "),
        (["-m", "tutorials", "report", "{}"], ": there is no run here; "),
        (["-m", "tutorials", "export", "{}", "--to", "onxx"], "did you mean 'onnx'?"),
        (["-m", "tutorials", "export", "{}"], ": there is no run here "),
    ],
    ids=lambda value: "",
)
def test_a_mistake(answered, tmp_path, command, part):
    code, out, err = answered(*(str(word).format(tmp_path) for word in command))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert part in err
    assert not list(tmp_path.iterdir())


# What a file's statements do not tell one by one is left to an import.

LESSON = '''"""An odd lesson."""
from ae.lesson import Settings

import keras

EPOCHS, BATCH = 3, 8
SETTINGS = Settings(num_epochs=EPOCHS, batch_size=BATCH, learning_rate=0.1)


class Network(keras.Model):
    """None."""


NETWORKS = {"autoencoder": {"low-level": (Network, print), "keras": (Network, print)}}
'''


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """Returns a function that reads the outline of this lesson, with more lines at its end."""
    monkeypatch.setattr(tutorials, "__path__", [*tutorials.__path__, str(tmp_path)])

    def read(more=""):
        (tmp_path / "odd_ae.py").write_text(LESSON + more)
        return outlines.read("odd_ae")

    return read


def test_a_lesson_without_an_article_has_an_outline(odd):
    outline = odd()
    article = outline.presets["article"]
    assert (article.num_epochs, article.batch_size, outline.title) == (3, 8, "An odd lesson.")


@pytest.mark.parametrize(
    "more",
    [
        "SETTINGS = Settings(num_epochs=1, batch_size=1, learning_rate=1.0)\n",
        "if keras.__version__ < '4':\n    EPOCHS = 4\n",
        "NETWORKS['second'] = NETWORKS['autoencoder']\n",
        "NETWORKS.update(second=NETWORKS['autoencoder'])\n",
        "for name in 'abc':\n    NETWORKS[name] = NETWORKS['autoencoder']\n",
        "def f(:\n",
    ],
    ids=["twice", "on a condition", "an entry", "a method", "a loop", "a mistake"],
)
def test_what_statements_change_is_not_guessed(odd, more):
    assert odd(more) is None


def test_no_lesson_has_no_outline():
    assert outlines.read("no_such_ae") is None
    assert all(map(outlines.read, NAMES))
