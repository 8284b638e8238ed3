"""Lessons on images and pages of the user's own, run as a user runs them."""

import json

from ae.datasets.own_pages import HEIGHT, WIDTH

import numpy as np
import pytest
from PIL import Image
from running import NAMES, exit_code, lesson

RNG = np.random.default_rng(0)
SHAPES = 112  # images, the fewest that a lesson takes


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A folder of boxes and bars in two sub-folders."""
    folder = tmp_path_factory.mktemp("shapes")
    for i in range(SHAPES):
        image = np.zeros((40, 40), np.uint8)
        top, left = RNG.integers(0, 20, 2)
        kind, height = (("bars", 4), ("boxes", 20))[i % 2]
        image[top : top + height, left : left + 20] = 255
        (folder / kind).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / kind / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for i in range(4):
        clean = np.full((HEIGHT, WIDTH), 255, np.uint8)
        clean[20 * i + 9 : 20 * i + 15, 30:500] = 0
        for kind, page in (("clean", clean), ("dirty", clean // 2 + 60)):
            (folder / kind).mkdir(exist_ok=True)
            Image.fromarray(page).save(folder / kind / f"{i}.png")
    return folder / "dirty", folder / "clean"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "document_cleaner"])
def test_a_lesson_takes_own_images(name, shapes, tmp_path, capsys):
    arguments = ["--images", shapes, "--preset", "smoke", "--style", "low-level"]
    assert exit_code(lesson(name), *arguments, "--no-xla", "--out", tmp_path / "run") == 0
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["settings"]["images"] == [str(shapes)]
    assert len(record["trainings"]) == len(lesson(name).networks)
    out = capsys.readouterr().out
    assert f"{SHAPES} own images" in out
    assert "own data" in out
    assert not any(training["claims"] for training in record["trainings"])


def test_the_cleaner_takes_own_pairs(pairs, tmp_path, capsys):
    arguments = ["--preset", "smoke", "--style", "low-level", "--variant", "corrected"]
    cleaner = lesson("document_cleaner")
    assert exit_code(cleaner, "--pairs", *pairs, *arguments, "--out", tmp_path / "run") == 0
    assert "4 own pages" in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["settings"]["pairs"] == [str(folder) for folder in pairs]


def test_a_run_on_own_images_is_drawn_again_from_elsewhere(shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shapes.parent)
    a_lesson, arguments = lesson("dense_ae"), ["--preset", "smoke", "--style", "keras"]
    out = ["--out", tmp_path / "run"]
    assert exit_code(a_lesson, "--images", shapes.name, *arguments, *out) == 0
    monkeypatch.chdir(tmp_path)
    again = ["--from", tmp_path / "run", "--out", tmp_path / "again"]
    assert exit_code(a_lesson, *again) == 0
    assert (tmp_path / "again" / "figures" / "keras-digits.png").is_file()
    Image.new("L", (40, 40)).save(shapes / "bars" / "new.png")
    try:
        assert exit_code(a_lesson, *again, "--overwrite") == 2
    finally:
        (shapes / "bars" / "new.png").unlink()
    assert "this run was on other data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--images", "nowhere"], "there is no folder 'nowhere'"),
        (["--images"], "expected 1 argument"),
        (["--images", ".", "--variant", "corrected"], "no training examples are left"),
    ],
)
def test_mistakes_with_own_images(arguments, answer, shapes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shapes)
    out = ["--preset", "smoke", "--out", tmp_path / "run"]
    assert exit_code(lesson("fashion_vae"), *arguments, *out) == 2
    error = capsys.readouterr().err
    assert answer in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
