import itertools
import re

from ae.cleaning import MARGIN, TILE, clean_page, main
from ae.errors import InputError
from ae.networks import codec
from ae.pictures import read_grey, write_grey
from ae.runs.records import save_network, write_record

import keras
import numpy as np
import pytest
from made_records import a_record
from running import lesson
from whole_page import cleaned_at_once

LESSON = lesson("document_cleaner")
STYLES = LESSON.networks["autoencoder"]
BOTH = pytest.mark.parametrize("style", STYLES)
RNG = np.random.default_rng(0)
SIZES = [(1, 1), (1, 2), (3, 50), (50, 3), (31, 33), (32, 32), (64, 40), (65, 97), (90, 34)]


def network(style, seed=0, contrast=3):
    """An untrained cleaner whose output varies over many grey levels."""
    keras.utils.set_random_seed(seed)
    built = STYLES[style].build(LESSON.presets["article"])
    for weight in built.weights:
        if len(weight.shape) == 4:
            weight.assign(contrast * weight)
    return built


@pytest.fixture(scope="module")
def cleaners():
    return {style: codec(network(style), batch_size=1).reconstruct for style in STYLES}


def whole_page(page, reconstruct):
    return np.rint(cleaned_at_once(page, reconstruct)).astype("uint8")


def page_of(size):
    return RNG.integers(0, 256, size, dtype=np.uint8)


def assert_same_page(cleaned, expected):
    """Sums of floats in another order may round one grey level in ten thousand pixels away."""
    assert cleaned.shape == expected.shape
    assert cleaned.dtype == np.uint8
    difference = abs(cleaned.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 1e-4


@BOTH
@pytest.mark.parametrize(
    ("size", "tile"), [*itertools.product(SIZES, [16, 32, TILE]), ((31, 33), 2), ((3, 50), 2)]
)
def test_tiles_give_what_the_whole_page_gives(cleaners, style, size, tile):
    page = page_of(size)
    expected = whole_page(page, cleaners[style])
    assert_same_page(clean_page(page, cleaners[style], tile), expected)
    assert min(size) < 30 or np.ptp(expected) > 40  # there is something to get wrong


@BOTH
def test_a_page_of_more_than_one_ordinary_tile(cleaners, style):
    page = page_of((20, 2 * TILE + 7))
    assert_same_page(clean_page(page, cleaners[style]), whole_page(page, cleaners[style]))


def test_both_styles_clean_alike(cleaners):
    low_level, high_level = (network(style) for style in STYLES)
    for ours, theirs in zip(high_level.weights, low_level.weights, strict=True):
        ours.assign(theirs)
    page = page_of((41, 60))
    cleaned = [clean_page(page, codec(n).reconstruct, 16) for n in (low_level, high_level)]
    assert_same_page(*cleaned)


def test_a_page_stays_as_it_was():
    page = page_of((21, 33))
    before = page.copy()
    np.testing.assert_array_equal(clean_page(page, lambda x: x, tile=16), page)
    np.testing.assert_array_equal(clean_page(page, lambda x: 1 - x, tile=16), 255 - page)
    np.testing.assert_array_equal(page, before)


def test_the_network_sees_even_patches_of_bounded_size_in_zero_to_one():
    patches = []

    def reconstruct(x):
        patches.append(x)
        return x

    clean_page(page_of((75, 101)), reconstruct, tile=32)
    assert len(patches) == 3 * 4
    for patch in patches:
        assert patch.dtype == np.float32
        assert patch.min() >= 0 <= 1 >= patch.max()
        assert patch.shape[0] == patch.shape[3] == 1
        assert patch.shape[1] % 2 == patch.shape[2] % 2 == 0
        assert max(patch.shape) <= 32 + 2 * MARGIN


@BOTH
def test_the_margin_covers_what_an_output_pixel_can_see(style):
    """With weights above zero, whatever a brighter pixel can change it does change."""
    built = network(style)
    for weight in built.weights:
        weight.assign(np.abs(weight) / 10 if len(weight.shape) == 4 else 0 * weight)
    reconstruct = codec(built, batch_size=1).reconstruct
    dark = np.zeros((1, 40, 40, 1), np.float32)
    reach = 0
    for row in (20, 21):
        for column in (20, 21):
            spot = dark.copy()
            spot[0, row, column] = 1
            changed = np.argwhere((reconstruct(spot) != reconstruct(dark))[0, :, :, 0])
            assert len(changed) > 50
            reach = max(reach, abs(changed - [row, column]).max())
    assert reach == 5
    assert reach <= MARGIN
    assert MARGIN % 2 == TILE % 2 == 0


# The command


def a_run(*trainings):
    record = a_record(LESSON, 0, [0.5])
    record["trainings"] = [{**record["trainings"][0], **training} for training in trainings]
    return record


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What a training of both styles leaves behind."""
    folder = tmp_path_factory.mktemp("run")
    trainings = []
    for style in STYLES:
        saved = save_network(network(style), folder / "networks", style)
        trainings.append({"style": style, "saved": saved.relative_to(folder)})
    write_record(folder, a_run(*trainings))
    return folder


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.png"
    write_grey(path, page_of((45, 37)))
    return path


def clean(*arguments):
    main(LESSON, [str(argument) for argument in arguments])


@BOTH
def test_a_page_is_cleaned_with_the_run_s_network(
    run_folder, scan, cleaners, style, tmp_path, capsys
):
    out = tmp_path / "clean.png"
    clean(scan, "-o", out, "--from", run_folder, "--style", style)
    assert_same_page(read_grey(out), whole_page(read_grey(scan), cleaners[style]))
    assert capsys.readouterr() == (f"{out}\n", "")


def test_keras_is_the_style_unless_another_is_asked_for(run_folder, scan, cleaners, tmp_path):
    clean(scan, "-o", tmp_path / "clean.png", "--from", run_folder)
    expected = whole_page(read_grey(scan), cleaners["keras"])
    assert_same_page(read_grey(tmp_path / "clean.png"), expected)


def test_the_run_is_the_lesson_s_own_unless_another_is_named(
    run_folder, scan, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "document_cleaner").symlink_to(run_folder)
    clean(scan, "-o", "clean.png")
    assert read_grey(tmp_path / "clean.png").shape == (45, 37)


def test_a_keras_file_serves_without_its_run(run_folder, scan, cleaners, tmp_path):
    out = tmp_path / "clean.tif"
    clean(scan, "-o", out, "--from", run_folder / "networks" / "keras.keras")
    assert_same_page(read_grey(out), whole_page(read_grey(scan), cleaners["keras"]))


def test_several_pages_go_to_a_folder(run_folder, scan, cleaners, tmp_path, capsys):
    second = tmp_path / "second.jpg"
    write_grey(second, page_of((32, 64)))
    out = tmp_path / "new" / "clean"
    clean(scan, second, "-o", out, "--from", run_folder)
    assert sorted(out.iterdir()) == [out / "scan.png", out / "second.png"]
    for path in (scan, second):
        expected = whole_page(read_grey(path), cleaners["keras"])
        assert_same_page(read_grey(out / f"{path.stem}.png"), expected)
    assert capsys.readouterr().out.splitlines() == [str(out / "scan.png"), str(out / "second.png")]


def test_one_page_goes_to_a_folder_that_is_there(run_folder, scan, tmp_path):
    (tmp_path / "out").mkdir()
    clean(scan, "-o", tmp_path / "out", "--from", run_folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scan.png"]


def refused(sentence, *arguments):
    with pytest.raises(InputError, match=re.escape(sentence)):
        clean(*arguments)


def test_no_run(scan, tmp_path):
    missing = tmp_path / "missing"
    refused(f"{missing}: there is no run here", scan, "-o", tmp_path / "o.png", "--from", missing)
    missing = tmp_path / "missing.keras"
    sentence = f"{missing}: there is no such saved network"
    refused(sentence, scan, "-o", tmp_path / "o", "--from", missing)
    assert list(tmp_path.iterdir()) == [scan]


def test_a_run_of_another_lesson(scan, tmp_path):
    folder = tmp_path / "run"
    write_record(folder, {"lesson": "dense_ae", "settings": {}, "trainings": []})
    sentence = "this is a run of dense_ae, not of document_cleaner"
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", folder)


def test_a_run_without_the_style(scan, tmp_path):
    folder = tmp_path / "run"
    write_record(folder, a_run({"style": "keras", "saved": "networks/keras.keras"}))
    sentence = "this run has no low-level network"
    arguments = (scan, "-o", tmp_path / "o.png", "--from", folder, "--style", "low-level")
    refused(sentence, *arguments)


def test_a_run_of_the_low_level_style_alone_needs_no_option(scan, cleaners, tmp_path):
    folder = tmp_path / "run"
    save_network(network("low-level"), folder / "networks", "low-level")
    write_record(folder, a_run({"style": "low-level", "saved": "networks/low-level"}))
    clean(scan, "-o", tmp_path / "o.png", "--from", folder)
    page = read_grey(scan)
    assert_same_page(read_grey(tmp_path / "o.png"), whole_page(page, cleaners["low-level"]))


@pytest.mark.parametrize("setting", ["batch_size", "learning_rate", "num_epochs"])
def test_a_network_of_other_settings_than_the_article_s_is_announced(
    scan, tmp_path, capsys, setting
):
    folder = tmp_path / "run"
    save_network(network("keras"), folder / "networks", "keras")
    record = a_run({"style": "keras", "saved": "networks/keras.keras"})
    write_record(folder, record)
    clean(scan, "-o", tmp_path / "o.png", "--from", folder, "--overwrite")
    assert "not at the article's settings" not in capsys.readouterr().err
    record["settings"][setting] = 1
    write_record(folder, record)
    clean(scan, "-o", tmp_path / "o.png", "--from", folder, "--overwrite")
    assert "not at the article's settings" in capsys.readouterr().err


def test_a_network_of_generated_pages_is_announced(scan, tmp_path, capsys):
    folder = tmp_path / "run"
    save_network(network("keras"), folder / "networks", "keras")
    record = a_run({"style": "keras", "saved": "networks/keras.keras"})
    record["data"]["notice"] = "generated pages"
    write_record(folder, record)
    clean(scan, "-o", tmp_path / "o.png", "--from", folder)
    assert "not of real scans: generated pages" in capsys.readouterr().err


def test_a_keras_file_of_another_lesson(scan, tmp_path):
    settings = lesson("sigmoid_ae").presets["smoke"]
    styles = next(iter(lesson("sigmoid_ae").networks.values()))
    path = save_network(styles["keras"].build(settings), tmp_path, "other")
    sentence = f"{path}: this is not a saved network of this lesson"
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", path)
    assert not (tmp_path / "o.png").exists()


def test_a_picture_that_is_none(run_folder, tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    refused(f"{text} cannot be read", text, "-o", tmp_path / "o.png", "--from", run_folder)
    missing = tmp_path / "missing.png"
    refused(f"no file {missing}", missing, "-o", tmp_path / "o.png", "--from", run_folder)
    assert not (tmp_path / "o.png").exists()


@pytest.mark.fault("a page at the edge of what pages are")
@pytest.mark.parametrize(
    "page",
    [
        np.zeros((258, 540), np.uint8),
        np.full((258, 540), 255, np.uint8),
        np.full((40, 60), 128, np.uint8),
        np.full((1, 1), 17, np.uint8),
        np.tile(np.arange(256, dtype=np.uint8), (3, 1)),
        np.tile(np.arange(256, dtype=np.uint8)[:, None], (1, 3)),
    ],
    ids=["black", "white", "grey", "1 x 1", "3 rows", "3 columns"],
)
def test_a_page_at_the_edge_of_what_pages_are(run_folder, cleaners, page, tmp_path):
    write_grey(tmp_path / "page.png", page)
    out = tmp_path / "cleaned.png"
    main(LESSON, [str(tmp_path / "page.png"), "-o", str(out), "--from", str(run_folder)])
    assert_same_page(read_grey(out), whole_page(page, cleaners["keras"]))


def test_two_pages_of_one_name(run_folder, scan, tmp_path):
    other = scan.with_suffix(".tif")
    write_grey(other, page_of((4, 4)))
    out = tmp_path / "out"
    refused("Two of the pages have the same name", scan, other, "-o", out, "--from", run_folder)


@pytest.mark.parametrize(("name", "exists"), [("out.png", True), ("out.png", False), ("out", True)])
def test_several_pages_do_not_fit_in_a_file(run_folder, scan, tmp_path, name, exists):
    second, out = tmp_path / "second.png", tmp_path / name
    write_grey(second, page_of((4, 4)))
    if exists:
        out.write_text("mine")
    refused(f"-o {out}: several pages need a folder", scan, second, "-o", out, "--from", run_folder)
    assert out.exists() == exists
    assert not exists or out.read_text() == "mine"


@pytest.mark.parametrize("ready", [True, False])
def test_a_folder_may_be_named_as_a_picture_is(run_folder, scan, tmp_path, ready):
    """It is there already, or a slash says what it is."""
    second, out = tmp_path / "second.png", tmp_path / "out.png"
    write_grey(second, page_of((4, 4)))
    if ready:
        out.mkdir()
    clean(scan, second, "-o", out if ready else f"{out}/", "--from", run_folder)
    assert sorted(path.name for path in out.iterdir()) == ["scan.png", "second.png"]


def test_a_page_goes_into_a_folder_that_is_named_with_a_slash(run_folder, scan, tmp_path):
    clean(scan, "-o", f"{tmp_path / 'new'}/", "--from", run_folder)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"{scan.stem}.png"]


def test_a_folder_that_cannot_be_made_or_is_not_needed(run_folder, scan, tmp_path):
    second, missing = tmp_path / "second.png", tmp_path / "missing.png"
    write_grey(second, page_of((4, 4)))
    refused("no folder can be made", scan, second, "-o", scan / "out", "--from", run_folder)
    refused("no file", scan, missing, "-o", tmp_path / "out", "--from", run_folder)
    assert not (tmp_path / "out").exists()


def test_a_kind_of_picture_that_cannot_be_written(run_folder, scan, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ae.cleaning._load_network", lambda *_: pytest.fail("it went on"))
        refused(".xyz", scan, "-o", tmp_path / "o.xyz", "--from", run_folder)


def test_a_keras_file_has_no_other_style(run_folder, scan, tmp_path):
    model = run_folder / "networks" / "keras.keras"
    arguments = [scan, "-o", tmp_path / "o.png", "--from", model, "--style", "low-level"]
    refused("leave --style out", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["a.png"], ["-o", "b.png"], ["a", "-o", "b", "--no"]),
        ["a", "-o", "b", "--style", "no"],
    ],
)
def test_a_mistaken_command_line(arguments):
    refused("document_cleaner clean: ", *arguments)


@pytest.mark.parametrize("out", ["scan.png", "."])
def test_a_scan_is_not_overwritten(tmp_path, out):
    write_grey(tmp_path / "scan.png", page_of((4, 4)))
    before = (tmp_path / "scan.png").read_bytes()
    refused("would overwrite the scan", tmp_path / "scan.png", "-o", tmp_path / out)
    assert (tmp_path / "scan.png").read_bytes() == before


def test_a_picture_that_is_there_is_replaced_only_if_asked(run_folder, scan, cleaners, tmp_path):
    """Such as another scan: page1.jpg is cleaned to page1.png, where page1.png is a scan too."""
    theirs = tmp_path / "work" / f"{scan.stem}.png"
    theirs.parent.mkdir()
    theirs.write_bytes(b"another scan")
    jpeg = tmp_path / "work" / f"{scan.stem}.jpg"
    write_grey(jpeg, read_grey(scan))
    with pytest.raises(InputError, match=f"{theirs} is there already; .*--overwrite"):
        clean(jpeg, "-o", theirs.parent, "--from", run_folder)
    assert theirs.read_bytes() == b"another scan"
    clean(jpeg, "-o", theirs.parent, "--from", run_folder, "--overwrite")
    assert read_grey(theirs).shape == read_grey(jpeg).shape
    with pytest.raises(InputError, match="would overwrite the scan"):
        clean(theirs, "-o", theirs, "--from", run_folder, "--overwrite")
