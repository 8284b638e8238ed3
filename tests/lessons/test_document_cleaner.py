"""The cleaner's pages and their notice, and the command that cleans."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

from ae import datasets
from ae.cleaning.cleaners import FORMS
from ae.cleaning.page import PageNetwork, clean_in_tiles
from ae.networks import codec
from ae.paths import REPOSITORY
from ae.pictures import read_grey, write_grey
from ae.runs import saved

import numpy as np
import pytest
from running import lesson, pixels, read_record, run, smoke_settings
from whole_page import cleaned_at_once

CLEANER = lesson("document_cleaner")
NOTICE = "generated pages, not the article's scans"
NOTICE_RED = (214, 39, 40)  # matplotlib's tab:red
HAS_REAL = any(
    (Path(os.environ.get("AE_DATA_DIR", "/nowhere")) / folder).is_dir()
    for folder in ("dirty_documents", "NoisyOffice")
)
KINDS = pytest.mark.parametrize(
    "kind",
    [
        "synthetic",
        pytest.param("real", marks=pytest.mark.skipif(not HAS_REAL, reason="no real documents")),
    ],
)


def load_pages(kind, variant):
    settings = dataclasses.replace(CLEANER.presets["article"], data=kind, variant=variant)
    return CLEANER.load(settings, None)


def nearest(page):
    return datasets.resize_to_nearest(page, 258, 540)


def grey_levels(page):
    return np.rint(255 * page[..., 0]).astype("uint8").tobytes()


def pairs(x, y):
    return {grey_levels(dirty): grey_levels(clean) for dirty, clean in zip(x, y, strict=True)}


@KINDS
def test_the_published_split_squashes_and_sets_15_percent_aside(kind):
    data = load_pages(kind, "published")
    assert data.x_train.shape == data.y_train.shape == (122, 258, 540, 1)
    assert data.x_val.shape == data.y_val.shape == (22, 258, 540, 1)
    assert data.x_test.shape == (72, 258, 540, 1)
    train, val = pairs(data.x_train, data.y_train), pairs(data.x_val, data.y_val)
    assert not set(train) & set(val)
    documents = datasets.load_or_generate_documents(kind, None, 0)
    assert train | val == {
        nearest(page.dirty).tobytes(): nearest(page.clean).tobytes() for page in documents.train
    }
    noise = {nearest(page.dirty).tobytes(): page.noise for page in documents.train}
    assert data.noise_val == tuple(noise[grey_levels(page)] for page in data.x_val)
    tall = next(page.dirty for page in documents.train if page.dirty.shape == (420, 540))
    rows = [i for i in range(258) if (2 * i + 1) % 43]  # the others lie between two old rows
    old = [int((i + 0.5) * 420 / 258) for i in rows]
    np.testing.assert_array_equal(nearest(tall)[rows], tall[old])
    first = [nearest(page.dirty).tobytes() for page in documents.train[:22]]
    assert set(first) - set(val)  # drawn at random
    folded = documents.test[61]  # Kaggle's 184.png: every third page is a test page
    assert (folded.noise, folded.dirty.shape) == ("folded", (420, 540))
    assert grey_levels(data.x_test[0]) == nearest(folded.dirty).tobytes()
    assert data.provenance.notice == (NOTICE if kind == "synthetic" else "")


@KINDS
def test_the_corrected_split_crops_and_validates_on_another_text(kind):
    data = load_pages(kind, "corrected")
    documents = datasets.load_or_generate_documents(kind, None, 0)
    for partition, x, y in [("TR", data.x_train, data.y_train), ("VA", data.x_val, data.y_val)]:
        pages = [page for page in documents.train if page.partition == partition]
        assert len(x) == len(pages) > 0
        assert pairs(x, y) == {
            page.dirty[:258, :540].tobytes(): page.clean[:258, :540].tobytes() for page in pages
        }


def test_few_pages_of_the_corrected_split_are_of_all_kinds():
    """The pages stand in the order of their sizes; the first 20 of each text are of one size."""
    settings = smoke_settings(
        "document_cleaner", data="synthetic", variant="corrected", num_train=20
    )
    documents = datasets.load_or_generate_documents("synthetic", None, 0)
    kinds = {
        page.dirty[:258, :540].tobytes(): (page.size, page.font, page.noise)
        for page in documents.train
    }
    data = CLEANER.load(settings, None)
    for x in (data.x_train, data.x_val):
        assert len(x) == 20
        found = [kinds[grey_levels(page)] for page in x]
        assert [len(set(part)) for part in zip(*found, strict=True)] == [3, 3, 4]


def test_another_seed_sets_other_pages_aside():
    splits = []
    documents = datasets.load_or_generate_documents("synthetic", None, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_or_generate_documents", lambda *_: documents)
        for seed in (0, 0, 1):
            settings = smoke_settings("document_cleaner", seed=seed, num_train=40)
            data = CLEANER.load(settings, None)
            assert (len(data.x_train), len(data.x_val)) == (34, 6)
            splits.append({grey_levels(page) for page in data.x_val})
    assert splits[0] == splits[1] != splits[2]


def has_red(image):
    return bool((image == NOTICE_RED).all(axis=-1).any())


def test_what_is_generated_is_called_so_everywhere(smoke, tmp_path, capsys):
    tiny = lesson("tiny_ae")

    def load(*arguments):
        data = tiny.load(*arguments)
        return data._replace(provenance=data.provenance._replace(notice=NOTICE))

    generated, folder = dataclasses.replace(tiny, load=load), tmp_path / "run"
    for arguments in (["--preset", "smoke"], ["--from", folder, "--style", "keras"]):
        assert run(generated, *arguments, "--out", folder) == 0
        assert f"tiny_ae: {NOTICE}" in capsys.readouterr().out.splitlines()
        for path in (folder / "figures").iterdir():
            assert has_red(pixels(path)), path.name
            path.unlink()
    assert read_record(folder)["data"]["notice"] == NOTICE
    assert read_record(smoke("tiny_ae"))["data"]["notice"] == ""
    for path in (smoke("tiny_ae") / "figures").iterdir():
        assert not has_red(pixels(path)), path.name


@pytest.fixture
def scan(tmp_path):
    """A scan of odd sides, in grey."""
    path = tmp_path / "scan.png"
    write_grey(path, np.random.default_rng(0).integers(0, 256, (101, 77), np.uint8))
    return path


def cleaned_by(run_folder, style, page):
    network = CLEANER.networks["autoencoder"][style].build(CLEANER.presets["smoke"])
    file = "keras.keras" if style == "keras" else "low-level"
    saved.load_weights(network, run_folder / "networks" / file)
    return cleaned_at_once(page, codec(network).reconstruct)


def test_the_command_cleans_a_scan_of_odd_size(smoke, scan, tmp_path):
    folder = smoke("document_cleaner")
    command = [sys.executable, "-m", "tutorials.document_cleaner", "clean", scan]
    done = subprocess.run(
        [*command, "-o", tmp_path / "clean.png", "--from", folder, "--scale", "1"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'clean.png'}\n"), done.stderr
    clean = read_grey(tmp_path / "clean.png")
    assert clean.shape == (101, 77)
    expected = cleaned_by(folder, "keras", read_grey(scan))
    np.testing.assert_allclose(clean, expected, atol=0.51)  # rounded to a grey level


def test_the_command_takes_either_style_and_a_file_of_its_own(smoke, scan, tmp_path, capsys):
    folder = smoke("document_cleaner")
    networks = {
        "low-level": ["--from", folder, "--style", "low-level", "--scale", "1"],
        "keras": ["--from", folder / "networks" / "keras.keras", "--scale", "1"],
    }
    for style, arguments in networks.items():
        out = tmp_path / style
        out.mkdir()
        assert run("document_cleaner", "clean", scan, "-o", out, *arguments) == 0
        assert ("6 training examples" in capsys.readouterr().err) == (style == "low-level")
        expected = cleaned_by(folder, style, read_grey(scan))
        np.testing.assert_allclose(read_grey(out / "scan.png"), expected, atol=0.51)


def test_the_command_refuses_what_it_cannot_use(smoke, scan, tmp_path, capsys):
    folder, out = smoke("document_cleaner"), tmp_path / "clean.png"
    capsys.readouterr()
    for arguments, part in [
        ([tmp_path / "gone.png", "--from", folder], "gone.png"),
        ([scan, "--from", tmp_path], "no run"),
        ([scan, tmp_path / "other.png", "--from", folder], "several pages need a folder"),
        ([scan, "--from", smoke("conv_denoiser")], "conv_denoiser"),
        ([scan, "--from", smoke("conv_denoiser") / "networks" / "keras.keras"], "keras.keras"),
    ]:
        capsys.readouterr()
        assert run("document_cleaner", "clean", *arguments, "-o", out) == 2
        *notices, refusal = capsys.readouterr().err.splitlines()
        assert part in refusal
        assert all(notice.startswith(f"{folder}: this run is not ") for notice in notices)
        assert not out.exists()


def test_a_large_page_is_cleaned_in_tiles_that_do_not_show(smoke):
    network = CLEANER.networks["autoencoder"]["keras"].build(CLEANER.presets["smoke"])
    saved.load_weights(network, smoke("document_cleaner") / "networks" / "keras.keras")
    page = np.random.default_rng(0).integers(0, 256, (90, 130), np.uint8)
    cleaner = PageNetwork(apply=codec(network, batch_size=1).reconstruct, **FORMS["article"])
    tiled = clean_in_tiles(page, cleaner, tile=32).astype(int)
    whole = clean_in_tiles(page, cleaner, tile=512).astype(int)
    assert abs(tiled - whole).max() <= 1
