"""What a person sees who cleans scans: with the network that comes with the project, or a run's."""

import colorsys
import errno
import os
import re
import shutil
import subprocess
import sys

from ae.cleaning import cleaners, scans
from ae.cleaning.command import main
from ae.cleaning.page import DPI
from ae.errors import InputError
from ae.networks import codec
from ae.paths import REPOSITORY
from ae.pictures import read_grey, write_grey
from ae.runs.folder import CHECKPOINTS
from ae.runs.records import UNFINISHED, write_record
from ae.runs.saved import save_network
from ae.training.checkpoints import Checkpoints

import cv2
import drawn_pages
import numpy as np
import pikepdf
import pytest
import untrained
from made_records import a_record
from PIL import Image, ImageFilter
from running import lesson
from skimage.metrics import structural_similarity
from whole_page import cleaned_at_once

RESOLUTIONS = pytest.mark.parametrize("dpi", [100, 300])
OURS = "Using the project's own network.\n"


def clean(*arguments):
    return main([str(argument) for argument in arguments])


def save(path, pixels, dpi=None):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **({"dpi": (dpi, dpi)} if dpi else {}))
    return path


def cv2_error(code):
    error = cv2.error("Failed to allocate")
    error.code = code
    return error


def pixels_of(path):
    with Image.open(path) as picture:
        return np.array(picture)


def a_dirty_page(dpi=100, seed=0):
    return drawn_pages.on_cloudy_paper(drawn_pages.text(dpi, heading=False), dpi, seed)


@pytest.fixture
def scan(tmp_path):
    return save(tmp_path / "scan.png", a_dirty_page(), 100)


@pytest.fixture
def cleaned(tmp_path):
    """Cleans a page and returns what the command writes."""

    def cleaned(page, dpi, *options):
        source = save(tmp_path / "page.png", page, dpi)
        assert clean(source, "-o", tmp_path / "cleaned.png", "--overwrite", *options) == 0
        return pixels_of(tmp_path / "cleaned.png")

    return cleaned


def in_a_process(*arguments, **options):
    command = [sys.executable, "-m", "tutorials", "clean", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, **options)


# What becomes of a page


@RESOLUTIONS
def test_print_stays_black_and_paper_becomes_white(cleaned, dpi):
    drawn = drawn_pages.text(dpi)
    before = drawn_pages.on_cloudy_paper(drawn, dpi)
    after = cleaned(before, dpi)
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    ink, paper = drawn_pages.stroke_centres(drawn), drawn_pages.paper(drawn)
    paler = after[ink].astype(int) - before[ink]
    assert np.percentile(paler, 75) <= 10
    assert np.percentile(paler, 95) <= 40
    white = np.median(after[paper])
    assert white >= 250
    for line in (after[0], after[-1], after[:, 0], after[:, -1]):
        assert abs(np.median(line) - white) <= 2
    likeness = [structural_similarity(drawn, page, data_range=255) for page in (before, after)]
    assert likeness[1] > max(0.9, likeness[0] + 0.1)


@RESOLUTIONS
def test_a_bold_heading_stays_as_black_as_the_text(cleaned, dpi):
    drawn = drawn_pages.text(dpi)
    before = drawn_pages.on_cloudy_paper(drawn, dpi)
    heading = slice(round(0.2 * dpi), round(0.6 * dpi))
    ink = drawn_pages.stroke_centres(drawn)[heading]
    after = cleaned(before, dpi)[heading]
    assert np.percentile(after[ink].astype(int) - before[heading][ink], 95) <= 10


@RESOLUTIONS
def test_black_areas_and_greys_stay_dark(cleaned, dpi):
    drawn, bar, wedge = drawn_pages.with_black_areas(dpi)
    after = cleaned(drawn_pages.on_cloudy_paper(drawn, dpi), dpi)
    assert np.median(after[bar]) < 60
    assert np.percentile(after[bar], 95) < 60
    greys = after[wedge][4:-4].mean(axis=0)
    width = len(greys)
    assert greys[width // 16 : width // 5].mean() < 100  # 33 to 63 before
    assert greys[width // 5 : width // 2].mean() < 180  # 63 to 128 before
    means = greys[: width - width % 8].reshape(8, -1).mean(axis=1)
    assert (np.diff(means) > 0).all()


@RESOLUTIONS
def test_white_print_on_black_stays_so(cleaned, dpi):
    drawn = drawn_pages.text(dpi, ink=0)
    noise = np.random.default_rng(0).normal(0, 3, drawn.shape)
    after = cleaned(drawn_pages.grey(25 + 0.9 * (255 - drawn.astype(float)) + noise), dpi)
    assert np.median(after[drawn_pages.paper(drawn)]) < 60
    assert np.median(after[drawn_pages.stroke_centres(drawn)]) > 200


def contrast(page, drawn):
    paper, ink = drawn_pages.paper(drawn), drawn_pages.stroke_centres(drawn)
    return page[paper].mean() - page[ink].mean()


@RESOLUTIONS
def test_faint_print_does_not_get_fainter(cleaned, dpi):
    drawn = drawn_pages.text(dpi, ink=0)
    noise = np.random.default_rng(0).normal(0, 2, drawn.shape)
    before = drawn_pages.grey(130 + (225 - 130) * (drawn / 255) + noise)
    assert contrast(cleaned(before, dpi), drawn) > contrast(before, drawn)


def test_soft_print_does_not_get_softer(cleaned):
    drawn = drawn_pages.text(100)
    dirty = Image.fromarray(drawn_pages.on_cloudy_paper(drawn, 100))
    before = np.array(dirty.filter(ImageFilter.GaussianBlur(1.3)))
    after = cleaned(before, 100)
    assert contrast(after, drawn) > contrast(before, drawn)
    likeness = [structural_similarity(drawn, page, data_range=255) for page in (before, after)]
    assert likeness[1] > likeness[0]


def hue(page, where):
    color = np.median(page[where], axis=0) / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(*color)
    assert saturation > 0.4
    return 360 * hue


@RESOLUTIONS
def test_a_stamp_and_a_blue_line_keep_their_colors(cleaned, dpi):
    drawn, red, blue = drawn_pages.with_stamp(dpi)
    noise = np.random.default_rng(0).normal(0, 3, drawn.shape)
    yellow = np.array([235, 225, 180]) / 255
    before = drawn_pages.grey(drawn * yellow + noise)
    after = cleaned(before, dpi)
    for where in (red, blue):
        apart = abs(hue(after, where) - hue(before, where))
        assert min(apart, 360 - apart) < 15
    paper = drawn_pages.paper(drawn.min(axis=2))
    assert (np.median(after[paper], axis=0) >= 250).all()
    as_grey = cleaned(before, dpi, "--grey")
    assert as_grey.shape == before.shape[:2]
    assert np.median(as_grey[red]) < 160


def test_grey_in_three_channels_becomes_grey(cleaned):
    page = a_dirty_page()
    np.testing.assert_array_equal(cleaned(np.stack([page] * 3, axis=2), 100), cleaned(page, 100))


def test_few_words_are_cleaned_at_the_resolution_of_the_file_or_the_option(cleaned):
    drawn = drawn_pages.text(300, inches=(1.2, 0.48), heading=False)
    page = drawn_pages.on_cloudy_paper(drawn, 300)
    at_its_own = cleaned(page, 300)
    np.testing.assert_array_equal(at_its_own, cleaned(page, 72, "--dpi", "300"))
    np.testing.assert_array_equal(at_its_own, cleaned(page, None, "--scale", str(300 / DPI)))
    at_one = cleaned(page, None)
    assert (at_one != at_its_own).any()
    for untrusted in (72, 96):  # which programs write that do not know
        np.testing.assert_array_equal(at_one, cleaned(page, untrusted))


# Files


def test_a_fax_keeps_its_resolution_its_one_bit_and_its_compression(tmp_path):
    bits = Image.fromarray(drawn_pages.text(300)).convert("1")
    bits.save(tmp_path / "fax.tif", dpi=(300, 300), compression="group4")
    assert clean(tmp_path / "fax.tif", "-o", tmp_path / "clean.tif") == 0
    with Image.open(tmp_path / "clean.tif") as picture:
        assert picture.mode == "1"
        assert picture.info["compression"] == "group4"
        assert picture.info["dpi"] == (300, 300)
        same = np.array(picture) == np.array(bits)
    assert same.mean() > 0.99


def test_a_page_of_dots_is_said_to_stay(tmp_path, capsys):
    page = Image.fromarray(a_dirty_page())
    for name, how in (("dots", Image.Dither.FLOYDSTEINBERG), ("clear", Image.Dither.NONE)):
        page.convert("1", dither=how).save(tmp_path / f"{name}.tif")
        assert clean(tmp_path / f"{name}.tif", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().err.replace(OURS, "") == (
        f"{tmp_path / 'dots.tif'}: this page stays as it is, because its greys are black dots; "
        "scan it in grey.\n"
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_the_resolution_is_kept(tmp_path, scan, suffix):
    with Image.open(scan) as picture:
        picture.save(tmp_path / "scan.jpg", dpi=(200, 200))
    assert clean(tmp_path / "scan.jpg", "-o", tmp_path / f"clean{suffix}") == 0
    (sheet,) = scans.read(tmp_path / f"clean{suffix}", "clean")
    assert sheet.dpi == pytest.approx((200, 200), rel=1e-3)


@pytest.fixture
def two_pages():
    return [a_dirty_page(seed=seed) for seed in (1, 2)]


def save_two(path, pages, kind):
    pages = [Image.fromarray(page).convert("RGB") for page in pages]
    options = {"lossless": True} if kind == "WEBP" else {}
    pages[0].save(path, kind, save_all=True, append_images=pages[1:], **options)
    return path


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_no_page_gets_lost(tmp_path, two_pages, cleaned, kind, capsys):
    path = save_two(tmp_path / f"two.{kind.lower()}", two_pages, kind)
    with pytest.raises(InputError, match=r"holds 2 pages, and a PNG file holds one; end -o in"):
        clean(path, "-o", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
    assert clean(path, "-o", tmp_path / "out.tif") == 0
    out = list(scans.read(tmp_path / "out.tif", "out.tif"))
    assert len(out) == 2
    for sheet, page in zip(out, two_pages, strict=True):
        assert abs(sheet.pixels.astype(int) - cleaned(page, None)).mean() < 1  # GIF has 256 colors
    capsys.readouterr()
    assert clean(path, "-o", tmp_path / "folder") == 0
    (written,) = (tmp_path / "folder").iterdir()
    assert scans.count(written, "written") == 2


def test_a_pdf_keeps_its_pages(tmp_path, two_pages, cleaned):
    first, second = (Image.fromarray(page) for page in two_pages)
    source, out = tmp_path / "in.pdf", tmp_path / "out.pdf"
    first.save(source, save_all=True, append_images=[second], resolution=100)
    assert clean(source, "-o", out) == 0
    with pikepdf.open(source) as document:
        boxes = [[float(side) for side in page.mediabox] for page in document.pages]
    with pikepdf.open(out) as document:
        assert [[float(side) for side in page.mediabox] for page in document.pages] == boxes
        for page in document.pages:
            (raw,) = page.get_images().values()
            assert np.median(pikepdf.PdfImage(raw).as_pil_image()) >= 250


def test_pictures_of_a_pdf_that_stay_are_counted(tmp_path, two_pages, capsys):
    page, small = Image.fromarray(two_pages[0]), Image.fromarray(two_pages[0][:20, :20])
    source = tmp_path / "in.pdf"
    page.save(source, save_all=True, append_images=[small], resolution=100)
    with pikepdf.open(source, allow_overwriting_input=True) as document:
        document.pages[1].MediaBox = document.pages[0].MediaBox
        document.save(source)
    assert clean(source, "-o", tmp_path / "out.pdf") == 0
    said = capsys.readouterr().err.replace(OURS, "")
    assert said == f"{source}: 1 small or transparent picture left as before.\n"


@pytest.mark.parametrize("quality", [50, 85])
def test_a_jpeg_stays_one_and_about_as_large(tmp_path, quality):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(a_dirty_page()).save(folder / "page.jpg", quality=quality)
    assert clean(folder, "-o", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "page.jpg") as picture:
        assert picture.format == "JPEG"
    sizes = [(one / "page.jpg").stat().st_size for one in (folder, tmp_path / "out")]
    assert sizes[1] < 1.3 * sizes[0]


def test_the_date_of_the_scan_is_kept(tmp_path, scan):
    os.utime(scan, (1e9, 1e9))
    assert clean(scan, "-o", tmp_path / "clean.png") == 0
    assert (tmp_path / "clean.png").stat().st_mtime == 1e9


def test_before_and_after_can_be_compared(tmp_path, scan, capsys):
    out = tmp_path / "clean.png"
    assert clean(scan, "-o", out, "--compare") == 0
    before, after = pixels_of(scan), pixels_of(out)
    both = pixels_of(tmp_path / "clean-compare.png")
    width = before.shape[1]
    assert both.shape == (len(before), 2 * width + 20, 3)
    np.testing.assert_array_equal(both[:, :width, 0], before)
    np.testing.assert_array_equal(both[:, -width:, 0], after)
    assert capsys.readouterr().out == f"{out}\n"
    out.unlink()
    assert clean(scan, "-o", out, "--compare") == 0  # its own comparison may be replaced


def test_a_comparison_replaces_no_scan(tmp_path, scan):
    theirs = save(tmp_path / "clean-compare.png", a_dirty_page())
    before = theirs.read_bytes()
    with pytest.raises(InputError, match=r"clean-compare\.png is there already"):
        clean(scan, "-o", tmp_path / "clean.png", "--compare")
    assert theirs.read_bytes() == before
    assert not (tmp_path / "clean.png").exists()


def test_a_second_scan_of_one_stem_stays(tmp_path):
    """page1.gif would become page1.gif.png, which is a scan too."""
    png = save(tmp_path / "page1.gif.png", a_dirty_page(seed=1))
    gif = save(tmp_path / "page1.gif", a_dirty_page(seed=2))
    before = png.read_bytes()
    with pytest.raises(InputError, match=r"page1\.gif\.png is there already; .*--overwrite"):
        clean(gif, "-o", tmp_path)
    assert png.read_bytes() == before
    with pytest.raises(InputError, match="would overwrite the scan"):
        clean(png, "-o", png, "--overwrite")
    assert png.read_bytes() == before


def test_a_read_only_file_stays(tmp_path, scan):
    out = tmp_path / "out.png"
    out.write_bytes(b"mine")
    out.chmod(0o444)
    with pytest.raises(InputError, match="read-only"):
        clean(scan, "-o", out, "--overwrite")
    assert out.read_bytes() == b"mine"
    assert out.stat().st_mode & 0o777 == 0o444


def test_the_network_is_named_unless_it_was_chosen(tmp_path, scan, capsys, run_folder):
    assert clean(scan, "-o", tmp_path / "clean.png") == 0
    assert capsys.readouterr().err == OURS
    assert clean(scan, "-o", tmp_path / "other.png", "--from", run_folder) == 0
    assert OURS not in capsys.readouterr().err


# Many files


@pytest.fixture
def box(tmp_path):
    """A folder with two good pages, two that are cut off, and what is no picture."""
    folder = tmp_path / "box"
    folder.mkdir()
    for number in range(1, 5):
        save(folder / f"page{number}.png", a_dirty_page(seed=number), 100)
    for number in (2, 3):
        path = folder / f"page{number}.png"
        path.write_bytes(path.read_bytes()[:2000])
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return folder


def test_bad_files_are_named_and_the_others_cleaned(box, tmp_path, capsys):
    out = tmp_path / "out"
    assert clean(*sorted(box.iterdir()), "-o", out) == 1
    said = capsys.readouterr()
    lines = said.err.replace(OURS, "").splitlines()
    assert len(lines) == 3
    for name in ("Thumbs.db", "page2.png", "page3.png"):
        assert sum(name in line for line in lines) == 1
    assert said.out == f"{out / 'page1.png'}\n{out / 'page4.png'}\n2 files cleaned, 3 failed\n"
    assert sorted(path.name for path in out.iterdir()) == ["page1.png", "page4.png"]
    written = {path: path.stat().st_mtime_ns for path in out.iterdir()}

    assert clean(*sorted(box.iterdir()), "-o", out) == 1
    said = capsys.readouterr()
    assert said.out == "0 files cleaned, 2 cleaned already, 3 failed\n"
    assert len(said.err.replace(OURS, "").splitlines()) == 3
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == written

    for name in ("Thumbs.db", "page2.png", "page3.png"):
        (box / name).unlink()
    os.utime(box / "page4.png", (2e9, 2e9))  # it is scanned again
    assert clean(box, "-o", out) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(out / "page4.png"),
        "1 file cleaned, 1 of them again, because the scan is newer, 1 cleaned already",
    ]


def test_what_may_not_be_replaced_is_named_and_the_others_cleaned(tmp_path, capsys):
    for number in (1, 2):
        save(tmp_path / f"page{number}.png", a_dirty_page(seed=number))
    out = tmp_path / "out"
    out.mkdir()
    (out / "page1.png").write_bytes(b"mine")
    assert clean(tmp_path / "page1.png", tmp_path / "page2.png", "-o", out) == 1
    said = capsys.readouterr()
    assert said.err.replace(OURS, "").count("\n") == 1
    assert f"{out / 'page1.png'} is there already" in said.err
    assert (out / "page1.png").read_bytes() == b"mine"
    assert np.median(pixels_of(out / "page2.png")) >= 250


def test_other_options_are_said_to_be_other_and_replace_nothing(tmp_path, capsys):
    """Somebody may have cleaned one page again, and synchronises the folder every night."""
    for number in (1, 2):
        save(tmp_path / "in" / f"{number}.png", a_dirty_page(seed=number))
    out = tmp_path / "out"
    assert clean(tmp_path / "in", "-o", out) == 0
    assert clean(tmp_path / "in" / "2.png", "-o", out, "--scale", "2", "--overwrite") == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    assert clean(tmp_path / "in", "-o", out) == 0
    said = capsys.readouterr()
    assert said.out == "0 files cleaned, 1 cleaned already, 1 cleaned already with --scale 2\n"
    assert said.err == (
        "Delete what was cleaned with other options, or add --overwrite, to clean it again.\n"
    )
    assert clean(tmp_path / "in", "-o", out, "--grey") == 0
    assert "1 cleaned already with --scale 2, 1 cleaned already without options" in (
        capsys.readouterr().out
    )
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert clean(tmp_path / "in", "-o", out, "--grey", "--overwrite") == 0
    assert clean(tmp_path / "in", "-o", out, "--grey") == 0
    assert capsys.readouterr().out.endswith("0 files cleaned, 2 cleaned already\n")


def test_the_network_of_a_run_is_an_option_too(tmp_path, scan, run_folder, capsys):
    out = tmp_path / "clean.png"
    assert clean(scan, "-o", out, "--from", run_folder, "--style", "keras") == 0
    capsys.readouterr()
    assert clean(scan, "-o", out) == 0
    assert capsys.readouterr().out == (
        f"{out}: cleaned already with --from {run_folder.name} --style keras; "
        "to clean it again, add --overwrite.\n"
    )


def test_the_article_s_network_can_be_chosen(tmp_path, scan, capsys):
    ours, article = tmp_path / "ours.png", tmp_path / "article.png"
    assert clean(scan, "-o", ours) == 0
    assert clean(scan, "-o", article, "--network", "article") == 0
    assert "Using the article's network.\n" in capsys.readouterr().err
    assert np.median(pixels_of(article)) >= 250
    assert (pixels_of(article) != pixels_of(ours)).any()
    assert clean(scan, "-o", article) == 0
    assert "cleaned already with --network article; " in capsys.readouterr().out


def test_a_share_is_cleaned_and_counted(tmp_path, capsys):
    for number in range(3):
        save(tmp_path / "in" / f"{number}.png", a_dirty_page(seed=number))
    counted = []
    for share in ("1/2", "2/2"):
        assert clean(tmp_path / "in", "-o", tmp_path / "out", "--shard", share) == 0
        counted.append(int(re.findall(r"(\d) files? cleaned\n", capsys.readouterr().out)[0]))
    assert sum(counted) == len(list((tmp_path / "out").iterdir())) == 3


@pytest.mark.fault("a full disk while training, saving or drawing")
def test_a_full_disk_ends_the_command_at_once(tmp_path, monkeypatch):
    for number in (1, 2):
        save(tmp_path / "in" / f"{number}.png", a_dirty_page(seed=number))
    tried = []

    def replaced(path):
        tried.append(path)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scans, "replaced", replaced)
    sentence = r"out/1\.png cannot be written \(No space left on device\); make room, or name"
    with pytest.raises(InputError, match=sentence):
        clean(tmp_path / "in", "-o", tmp_path / "out")
    assert len(tried) == 1


@pytest.mark.parametrize("error", [MemoryError(), cv2_error(cv2.Error.StsNoMem)])
def test_a_page_that_is_too_large_for_memory_is_named(tmp_path, scan, monkeypatch, error):
    def apply(x):
        raise error

    network = cleaners.pretrained("ours")._replace(apply=apply)
    monkeypatch.setattr(cleaners, "pretrained", lambda *_: network)
    with pytest.raises(InputError, match=rf"^{scan} does not fit in memory"):
        clean(scan, "-o", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_one_file_alone_says_what_is_wrong_with_it(box, tmp_path):
    with pytest.raises(InputError, match=r"page2\.png cannot be read"):
        clean(box / "page2.png", "-o", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_done_already_is_said_of_one_file_too(tmp_path, scan, capsys):
    out = tmp_path / "clean.png"
    assert clean(scan, "-o", out) == 0
    before = out.stat().st_mtime_ns
    capsys.readouterr()
    assert clean(scan, "-o", out) == 0
    assert "cleaned already" in capsys.readouterr().out
    assert out.stat().st_mtime_ns == before


def test_several_processes_give_the_same_pages(box, tmp_path):
    assert clean(*sorted(box.iterdir()), "-o", tmp_path / "one") == 1
    done = in_a_process(*sorted(box.iterdir()), "-o", tmp_path / "two", "--jobs", 2, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(OURS)  # said once
    assert len(done.stderr.splitlines()) == 4, done.stderr
    assert done.stdout.endswith("2 files cleaned, 3 failed\n")
    pages = sorted((tmp_path / "one").iterdir())
    assert [path.name for path in pages] == ["page1.png", "page4.png"]
    for path in pages:
        difference = pixels_of(path).astype(int) - pixels_of(tmp_path / "two" / path.name)
        assert abs(difference).max() <= 1


def test_a_mistake_ends_several_processes_too(box, tmp_path):
    missing = tmp_path / "missing.keras"
    options = ("--jobs", 2, "--from", missing)
    done = in_a_process(box, "-o", tmp_path / "out", *options, text=True, timeout=120)
    assert done.returncode == 2
    assert f"{missing}: there is no such saved network" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_command_that_is_ended_leaves_nothing_half_written(tmp_path, scan, jobs):
    """By a scheduler, whose SIGTERM counts as Ctrl-C; a shell may have told us to ignore that."""
    for number in range(40):
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(scan, tmp_path / "in" / f"{number}.png")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tutorials", "clean", tmp_path / "in", "-o", out]
    with subprocess.Popen(
        [*command, "--jobs", str(jobs)], cwd=REPOSITORY, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        process.stdout.readline()
        process.terminate()
        said = process.communicate()[1]
    assert process.returncode == 130
    assert said == f"{OURS}Interrupted; the same command cleans the rest.\n"
    names = {path.name for path in out.iterdir()}
    assert names < {f"{number}.png" for number in range(40)}


def test_sub_folders_are_kept(tmp_path, scan, capsys):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    shutil.copy(scan, tmp_path / "in" / "1.png")
    shutil.copy(scan, tmp_path / "in" / "deep" / "1.png")
    assert clean(tmp_path / "in", "-o", tmp_path / "out", "--recursive") == 0
    written = {p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.png")}
    assert written == {scans.Path("1.png"), scans.Path("deep/1.png")}


def test_a_dry_run_writes_nothing(box, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert clean(box, "-o", tmp_path / "out", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{box / name} -> {tmp_path / 'out' / name}"
        for name in ("page1.png", "page2.png", "page3.png", "page4.png")
    ]
    assert sorted(tmp_path.rglob("*")) == before


# Pipes


def test_a_page_comes_and_goes_through_pipes(tmp_path, scan):
    with scan.open("rb") as file:
        done = in_a_process("-", "-o", "-", stdin=file)
    assert (done.returncode, done.stderr.decode()) == (0, OURS)
    assert clean(scan, "-o", tmp_path / "clean.png") == 0
    assert done.stdout == (tmp_path / "clean.png").read_bytes()


def test_what_comes_through_a_pipe_and_is_no_picture_is_refused():
    done = in_a_process("-", "-o", "-", input=b"not a picture")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().removeprefix(OURS).count("\n") == 1
    assert b"standard input cannot be read as a picture" in done.stderr


def test_a_reader_that_goes_away_ends_the_command_quietly(scan):
    command = [sys.executable, "-m", "tutorials", "clean", scan, "-o", "-"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read().decode() == OURS
        assert process.wait() == 141


# The networks of runs


def a_run(*trainings):
    record = a_record(untrained.LESSON, 0, [0.5])
    record["trainings"] = [{**record["trainings"][0], **training} for training in trainings]
    return record


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """What a training of both styles leaves behind."""
    folder = tmp_path_factory.mktemp("run")
    trainings = []
    for style in untrained.STYLES:
        saved = save_network(untrained.article(style), folder / "networks", style)
        trainings.append({"style": style, "saved": saved.relative_to(folder)})
    write_record(folder, a_run(*trainings))
    return folder


@pytest.fixture(scope="module")
def expected():
    """Cleans a page whole with the article's network."""
    networks = {
        style: codec(untrained.article(style), batch_size=1).reconstruct
        for style in untrained.STYLES
    }
    return lambda page, style: cleaned_at_once(page, networks[style])


BOTH_STYLES = pytest.mark.parametrize("style", list(untrained.STYLES))


@pytest.fixture
def grain(tmp_path):
    """A page without letters, of odd sides."""
    pixels = np.random.default_rng(0).integers(190, 256, (45, 37), np.uint8)
    write_grey(tmp_path / "grain.png", pixels)
    return tmp_path / "grain.png"


def assert_cleaned(path, expected):
    np.testing.assert_allclose(read_grey(path), expected, atol=0.6)  # rounded to a grey level


@BOTH_STYLES
def test_a_page_is_cleaned_with_the_run_s_network(
    run_folder, grain, expected, style, tmp_path, capsys
):
    out = tmp_path / "clean.png"
    assert clean(grain, "-o", out, "--from", run_folder, "--style", style) == 0
    assert_cleaned(out, expected(read_grey(grain), style))
    assert np.ptp(read_grey(out)) > 5
    assert capsys.readouterr() == (f"{out}\n", "")


def test_keras_is_the_style_unless_another_is_asked_for(run_folder, grain, expected, tmp_path):
    assert clean(grain, "-o", tmp_path / "clean.png", "--from", run_folder) == 0
    assert_cleaned(tmp_path / "clean.png", expected(read_grey(grain), "keras"))


def test_a_keras_file_serves_without_its_run(run_folder, grain, expected, tmp_path):
    out = tmp_path / "clean.tif"
    assert clean(grain, "-o", out, "--from", run_folder / "networks" / "keras.keras") == 0
    assert_cleaned(out, expected(read_grey(grain), "keras"))


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
def test_a_page_at_the_edge_of_what_pages_are(run_folder, expected, page, tmp_path):
    write_grey(tmp_path / "page.png", page)
    out = tmp_path / "out.png"
    assert clean(tmp_path / "page.png", "-o", out, "--from", run_folder) == 0
    assert_cleaned(out, expected(page, "keras"))
    assert clean(tmp_path / "page.png", "-o", out, "--overwrite") == 0  # with our network
    assert read_grey(out).shape == page.shape


def test_a_run_of_the_low_level_style_alone_needs_no_option(grain, expected, tmp_path):
    folder = tmp_path / "run"
    save_network(untrained.article("low-level"), folder / "networks", "low-level")
    write_record(folder, a_run({"style": "low-level", "saved": "networks/low-level"}))
    assert clean(grain, "-o", tmp_path / "o.png", "--from", folder) == 0
    assert_cleaned(tmp_path / "o.png", expected(read_grey(grain), "low-level"))


def a_keras_run(folder, **changes):
    save_network(untrained.article("keras"), folder / "networks", "keras")
    record = a_run({"style": "keras", "saved": "networks/keras.keras"})
    for part, values in changes.items():
        record[part].update(values)
    write_record(folder, record)
    return folder


def test_a_run_at_the_article_s_settings_needs_no_notice(grain, tmp_path, capsys):
    assert clean(grain, "-o", tmp_path / "o.png", "--from", a_keras_run(tmp_path / "run")) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("setting", ["batch_size", "learning_rate", "num_epochs"])
def test_a_network_of_other_settings_than_the_article_s_is_announced(
    grain, tmp_path, capsys, setting
):
    folder = a_keras_run(tmp_path / "run", settings={setting: 1})
    assert clean(grain, "-o", tmp_path / "o.png", "--from", folder) == 0
    assert "not at the article's settings" in capsys.readouterr().err


def test_a_network_of_generated_pages_is_announced(grain, tmp_path, capsys):
    folder = a_keras_run(tmp_path / "run", data={"notice": "generated pages"})
    assert clean(grain, "-o", tmp_path / "o.png", "--from", folder) == 0
    assert "not of real scans: generated pages" in capsys.readouterr().err


def test_a_page_that_would_lose_its_ink_stays_as_it_is(scan, tmp_path, capsys):
    network = untrained.article("keras")
    network.weights[-1].assign([30.0])  # all that it gives is white
    saved = save_network(network, tmp_path, "bleach")
    assert clean(scan, "-o", tmp_path / "o.png", "--from", saved) == 0
    np.testing.assert_array_equal(pixels_of(tmp_path / "o.png"), pixels_of(scan))
    said = capsys.readouterr().err
    assert re.fullmatch(
        rf"{scan}: this page stays as it is, because cleaning would remove (9\d|100)% of what is "
        r"dark on it\.\n",
        said,
    )


def interrupted_run(folder, done=(), under_way=()):
    """Makes what a run leaves that was interrupted: after some styles, in another one."""
    work = folder / UNFINISHED
    trainings = []
    for style in done:
        saved = save_network(untrained.article(style), work / "networks", style)
        trainings.append({"style": style, "saved": saved.relative_to(work)})
    record = a_run(*trainings)
    del record["source"]
    write_record(work, record)
    for style in under_way:
        checkpoints = Checkpoints(work / CHECKPOINTS / style, untrained.article(style))
        checkpoints.follow(None)
        checkpoints.save([{"loss": 0.5, "seconds": 1.0}] * 3, stopped=False)
    return folder


@BOTH_STYLES
@pytest.mark.parametrize("inside", [False, True])
def test_the_newest_network_of_an_interrupted_run_serves(
    grain, expected, tmp_path, capsys, style, inside
):
    folder = interrupted_run(tmp_path / "run", under_way=[style])
    folder = folder / UNFINISHED if inside else folder
    assert clean(grain, "-o", tmp_path / "o.png", "--from", folder) == 0
    assert capsys.readouterr().err == (
        f"{folder}: not finished; using its {style} network after epoch 3.\n"
    )
    assert_cleaned(tmp_path / "o.png", expected(read_grey(grain), style))


def test_a_style_that_an_interrupted_run_has_finished_serves(grain, expected, tmp_path, capsys):
    folder = interrupted_run(tmp_path / "run", done=["low-level"], under_way=["keras"])
    options = ("--from", folder, "--style", "low-level")
    assert clean(grain, "-o", tmp_path / "o.png", *options) == 0
    assert "using its low-level network after epoch 1" in capsys.readouterr().err
    assert_cleaned(tmp_path / "o.png", expected(read_grey(grain), "low-level"))
    assert clean(grain, "-o", tmp_path / "k.png", "--from", folder) == 0
    assert "using its keras network after epoch 3" in capsys.readouterr().err


def test_an_interrupted_run_without_a_network_says_so(grain, tmp_path):
    folder = interrupted_run(tmp_path / "run")
    with pytest.raises(InputError, match="interrupted before it had a network; resume it"):
        clean(grain, "-o", tmp_path / "o.png", "--from", folder)
    folder = interrupted_run(tmp_path / "other", under_way=["low-level"])
    with pytest.raises(InputError, match="interrupted before it had a keras network; resume it"):
        clean(grain, "-o", tmp_path / "o.png", "--from", folder, "--style", "keras")


# Refusals


def refused(sentence, *arguments):
    with pytest.raises(InputError, match=re.escape(sentence)) as error:
        clean(*arguments)
    assert str(error.value).count("\n") == 0


def test_no_run(scan, tmp_path):
    missing = tmp_path / "missing"
    sentence = f"{missing}: there is no run here; leave --from out"
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", missing)
    missing = tmp_path / "missing.keras"
    sentence = f"{missing}: there is no such saved network"
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", missing)
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
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", folder, "--style", "low-level")


def test_a_keras_file_of_another_lesson(scan, tmp_path):
    settings = lesson("sigmoid_ae").presets["smoke"]
    styles = next(iter(lesson("sigmoid_ae").networks.values()))
    path = save_network(styles["keras"].build(settings), tmp_path, "other")
    sentence = f"{path}: this is not a saved network of this lesson"
    refused(sentence, scan, "-o", tmp_path / "o.png", "--from", path)
    assert not (tmp_path / "o.png").exists()


def test_options_that_contradict_each_other(run_folder, scan, tmp_path):
    out = tmp_path / "o.png"
    refused("--style chooses between the networks of a run", scan, "-o", out, "--style", "keras")
    model = run_folder / "networks" / "keras.keras"
    refused("leave --style out", scan, "-o", out, "--from", model, "--style", "low-level")
    assert not out.exists()


def test_a_pipe_has_no_place_for_a_comparison(scan):
    refused("name a file with -o", scan, "-o", "-", "--compare")


def test_a_picture_that_is_none(tmp_path, capsys):
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    refused(f"{text} cannot be read", text, "-o", tmp_path / "o.png")
    missing = tmp_path / "missing.png"
    refused(f"no file {missing}", missing, "-o", tmp_path / "o.png")
    capsys.readouterr()
    folder = tmp_path / "folder"
    refused(f"There is no file or folder {folder}; check the name", folder, "-o", tmp_path / "o")
    refused("There is no file or folder", f"{folder}/", "-o", tmp_path / "o")
    text.write_text("")
    refused(f"{text} is empty; scan or copy it again", text, "-o", tmp_path / "o.png")
    assert capsys.readouterr().err == ""  # no network was loaded for it
    assert not (tmp_path / "o.png").exists()


def test_a_folder_that_cannot_be_made(scan, tmp_path):
    refused("cannot be written (Not a directory)", scan, "-o", scan / "out" / "page.png")
    assert list(tmp_path.iterdir()) == [scan]


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["a.png"], ["-o", "b.png"], ["a", "-o", "b", "--no"]),
        ["a", "-o", "b", "--style", "no"],
        *(["a", "-o", "b", "--scale", number] for number in ("0", "0.29", "20.1", "nan")),
        *(["a", "-o", "b", "--dpi", number] for number in ("-3", "49", "2401", "inf")),
        ["a", "-o", "b", "--dpi", "300", "--scale", "2"],
        *(["a", "-o", "b", "--shard", share] for share in ("0/4", "5/4", "x", "3", "1/0", "1/2/3")),
        ["a", "-o", "b", "--jobs", "0"],
    ],
)
def test_a_mistaken_command_line(arguments):
    refused("python -m tutorials clean: ", *arguments)
