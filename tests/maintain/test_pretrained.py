"""Trained networks that come with the project."""

from ae import options, paths
from ae.maintain import pretrained
from ae.runs.records import read_record, read_run
from ae.runs.saved import load_networks

import numpy as np
import pytest
from running import lesson, run

THERE = sorted(path.parent.name for path in paths.PRETRAINED.glob("*/record.json"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder in place of data/pretrained."""
    for module in (pretrained, options):
        monkeypatch.setattr(module, "PRETRAINED", tmp_path / "pretrained")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pretrained"


def test_a_lesson_s_figures_can_be_drawn_without_a_training(smoke, elsewhere, capsys):
    pretrained.keep_run(smoke("dense_ae"))
    left = {path.relative_to(elsewhere).as_posix() for path in elsewhere.rglob("*.*")}
    assert left == {"dense_ae/record.json", "dense_ae/networks/keras.keras"}
    assert run("dense_ae", "--from", "pretrained") == 0
    drawn = {path.name for path in (elsewhere.parent / "runs/dense_ae/figures").iterdir()}
    figures = {path.name for path in (smoke("dense_ae") / "figures").glob("keras-*")}
    assert figures <= drawn
    assert not list(elsewhere.rglob("*.png"))  # the project's own folder stays as it is


def test_a_network_that_does_not_come_with_the_project_is_refused(smoke, elsewhere, capsys):
    pretrained.keep_run(smoke("dense_ae"))
    assert run("sigmoid_ae", "--from", "pretrained") == 2
    said = capsys.readouterr().err
    assert "No trained network of sigmoid_ae" in said
    assert "dense_ae" in said
    assert not (elsewhere.parent / "runs").exists()


def test_weights_are_those_of_the_run_and_there_is_no_optimizer(smoke, elsewhere):
    pretrained.keep_run(smoke("dense_ae"))
    of = lesson("dense_ae")
    trained, kept = (
        load_networks(of, folder, *read_run(of, folder))
        for folder in (smoke("dense_ae"), elsewhere / "dense_ae")
    )
    for ours, theirs in zip(
        kept["autoencoder"].weights, trained["autoencoder"].weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    path = "networks/keras.keras"
    assert (elsewhere / "dense_ae" / path).stat().st_size < 1.1 * 4 * 1_100_000


@pytest.mark.parametrize("name", [name for name in THERE if name != "page_cleaner"])
def test_what_comes_with_the_project_is_at_the_article_s_settings(name):
    record = read_record(paths.PRETRAINED / name)
    article = lesson(name).presets["article"]
    assert record["settings"]["num_epochs"] == article.num_epochs
    assert len(
        load_networks(
            lesson(name), paths.PRETRAINED / name, *read_run(lesson(name), paths.PRETRAINED / name)
        )
    ) == len(lesson(name).networks)


def test_all_together_stay_small():
    files = [path for path in paths.PRETRAINED.rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 10_000_000
