"""A seventh lesson adds its two files and changes no other."""

import shutil
import sys

import tutorials
from tutorials import __main__ as commands
from tutorials import articles

import nbformat
import pytest
from running import NAMES, SEVENTH, read_record

WITHOUT_ARTICLE = "copied_ae"


@pytest.fixture
def seventh(tmp_path, monkeypatch):
    """The lessons, one more from a temporary folder, and a copy of that without an article."""
    folder = tmp_path / "lessons"
    shutil.copytree(SEVENTH, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(folder / "tiny_ae.py", folder / f"{WITHOUT_ARTICLE}.py")
    monkeypatch.setattr(tutorials, "__path__", [*tutorials.__path__, str(folder)])
    here = [path for path in articles.__path__ if str(SEVENTH) not in path]
    monkeypatch.setattr(articles, "__path__", [*here, str(folder / "articles")])
    for name in ("tutorials.tiny_ae", f"tutorials.{WITHOUT_ARTICLE}", "tutorials.articles.tiny_ae"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in ("tutorials.tiny_ae", f"tutorials.{WITHOUT_ARTICLE}", "tutorials.articles.tiny_ae"):
        sys.modules.pop(name, None)


def run(*arguments):
    return commands.main([str(argument) for argument in arguments])


def test_it_is_listed_where_its_article_puts_it(seventh, capsys):
    assert tutorials.names() == [*NAMES, "tiny_ae", WITHOUT_ARTICLE]
    commands.main([])
    listed = capsys.readouterr().out.splitlines()
    title = "A tiny autoencoder repeats pictures of sixteen random pixels."
    assert f"{'tiny_ae':18}{title}" in listed


def test_it_runs_in_both_styles_and_leaves_a_report(seventh, tmp_path, capsys):
    out = tmp_path / "runs"
    assert not run("run", "tiny_ae", "--preset", "smoke", "--out", out)
    record = read_record(out / "tiny_ae")
    assert [t["style"] for t in record["trainings"]] == ["low-level", "keras"]
    assert [len(t["history"]) for t in record["trainings"]] == [2, 2]
    assert (out / "tiny_ae" / "figures" / "keras-pair.png").is_file()
    assert not run("report", out)
    page = (out / "report" / "tiny_ae.html").read_text(encoding="utf-8")
    assert "a picture over its reconstruction" in page
    assert "It repeats what it is given." in page
    assert "The weights are twice as large as they need be." in page


def test_its_claims_are_measured_at_its_own_settings(seventh, tmp_path, capsys):
    assert not run("tiny_ae", "--style", "keras", "--out", tmp_path / "run")
    (training,) = read_record(tmp_path / "run")["trainings"]
    assert [claim["holds"] for claim in training["claims"]] == [True]


def test_its_article_passes_arguments_to_its_functions(seventh, tmp_path):
    losses = {}
    for number, options in enumerate(([], ["--variant", "corrected"], ["--darkness", "3"])):
        folder = tmp_path / str(number)
        assert not run("tiny_ae", "--preset", "smoke", *options, "--out", folder)
        for training in read_record(folder)["trainings"]:
            losses[number, training["style"]] = training["history"][0]["loss"]
    assert len(set(losses.values())) == len(losses)
    for style in ("low-level", "keras"):
        assert losses[2, style] < losses[1, style]  # darker pictures, whose errors are smaller


def test_its_styles_are_compared(seventh, tmp_path, capsys):
    assert not run("parity", "tiny_ae", "--steps", "10", "--out", tmp_path)
    assert "tiny_ae" in capsys.readouterr().out
    assert (tmp_path / "tiny_ae.png").is_file()


def test_it_becomes_a_notebook_and_its_errata_are_printed(seventh, tmp_path, capsys):
    assert not run("notebooks", "tiny_ae", "--out", tmp_path)
    cells = nbformat.read(tmp_path / "tiny_ae.ipynb", as_version=4).cells
    assert "## Keras: training" in [cell.source for cell in cells]
    assert not run("errata", "tiny_ae")
    assert "The weights are twice as large" in capsys.readouterr().out


def test_a_copy_without_an_article_runs_too(seventh, tmp_path):
    folder = tmp_path / "run"
    assert not run(WITHOUT_ARTICLE, "--preset", "smoke", "--style", "keras", "--out", folder)
    assert read_record(folder)["lesson"] == WITHOUT_ARTICLE
