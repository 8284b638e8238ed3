"""The README's pictures are those of runs at the articles' settings."""

import json
import re

from ae import console
from ae.maintain import __main__ as maintain
from ae.maintain import gallery
from ae.paths import REPOSITORY

import pytest
from made_records import a_record
from PIL import Image
from running import lesson

VAE = lesson("fashion_vae")


def maintained(*arguments):
    return console.guard(lambda: maintain.run(arguments))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "gallery"
    place.mkdir()
    monkeypatch.setattr(gallery, "FOLDER", place)
    return place


@pytest.fixture
def run(tmp_path):
    """A run of the VAE with one of its two pictures."""

    def make(style="low-level", **changes):
        figures = tmp_path / "run" / "figures"
        figures.mkdir(parents=True, exist_ok=True)
        record = a_record(VAE, 3, [0.5], **changes)
        record["trainings"][0]["style"] = style
        gallery.records.write_record(tmp_path / "run", record)
        Image.new("RGB", (1280, 20), "red").save(figures / "low-level-manifold.png")
        return tmp_path / "run"

    return make


def test_pictures_are_copied_with_a_note_of_their_run(folder, run):
    Image.new("RGB", (3, 4), "blue").save(run() / "figures" / "low-level-latent.png")
    (folder / "sources.json").write_text('{"dense_ae": {"seed": 9}}')
    assert maintained("gallery", str(run())) == 0
    with Image.open(folder / "fashion_vae_manifold.png") as picture:
        assert picture.size == (640, 10)
        assert picture.convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    with Image.open(folder / "fashion_vae_latent.png") as picture:
        assert picture.size == (3, 4)
    sources = json.loads((folder / "sources.json").read_text())
    assert sources["dense_ae"] == {"seed": 9}
    about = sources["fashion_vae_manifold"]
    assert (about["seed"], about["figure"]) == (3, "low-level-manifold")
    assert about["device"] == "a machine"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"batch_size": 8}, "minibatches of 8"),
        ({"variant": "corrected"}, "variant-corrected"),
    ],
)
def test_other_runs_give_no_pictures(folder, run, capsys, changes, word):
    assert maintained("gallery", str(run(**changes))) == 2
    assert word in capsys.readouterr().err
    assert not list(folder.iterdir())


def test_a_run_without_a_picture_is_named(folder, run, capsys):
    assert maintained("gallery", str(run())) == 2
    assert "low-level-latent.png: No such file" in capsys.readouterr().err
    assert not (folder / "sources.json").exists()


def test_the_notebook_s_output_layer_is_not_the_article_s(folder, tmp_path, capsys):
    record = a_record(lesson("conv_denoiser"), 0, [0.5], output="linear", num_epochs=2)
    gallery.records.write_record(tmp_path / "run", record)
    assert maintained("gallery", str(tmp_path / "run")) == 2
    assert "is of conv_denoiser-output-linear," in capsys.readouterr().err


def test_every_picture_of_the_gallery_is_shown_in_a_readme():
    shown = set()
    for readme in REPOSITORY.rglob("README.md"):
        for link in re.findall(r"\]\(([^)]+\.png)\)", readme.read_text(encoding="utf-8")):
            assert (readme.parent / link).is_file(), (readme, link)
            shown.add((readme.parent / link).resolve())
    assert shown == {path.resolve() for path in gallery.FOLDER.glob("*.png")}
