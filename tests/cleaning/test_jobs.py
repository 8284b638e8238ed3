import io
import os
import sys

from ae.cleaning import scans
from ae.cleaning.jobs import COMPARISON, Job, identities, plan, state_of
from ae.cleaning.scans import Sheet
from ae.errors import InputError

import numpy as np
import pytest
from PIL import Image

PAGE = Image.new("L", (8, 6), 200)
DAY = 86_400


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Names are relative to an empty folder."""
    monkeypatch.chdir(tmp_path)


def a_scan(name, pages=1):
    path = scans.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".tif": "TIFF", ".gif": "GIF", ".jpg": "JPEG"}
    options = {"save_all": True, "append_images": [Image.new("L", (8, 6))]} if pages > 1 else {}
    PAGE.save(path, kinds.get(path.suffix, "PNG"), **options)
    return name


def planned(*pages, out, recursive=False, share=None):
    return {job.name: str(job.target) for job in plan(pages, out, recursive, share)}


def refused(sentence, *pages, out):
    with pytest.raises(InputError, match=sentence) as error:
        plan(pages, out, False)
    assert str(error.value).count("\n") == 0


# Names


@pytest.mark.parametrize("out", ["clean.png", "new/clean.tif", "c.pdf", "c.JPG", "c.webp"])
def test_one_page_goes_to_the_file_that_is_named(out):
    assert planned(a_scan("page.png"), out=out) == {"page.png": out}


@pytest.mark.parametrize("out", ["folder", "folder/", "new/folder", "with.dot/", "like.png/"])
def test_a_folder_is_named_with_a_slash_or_without(out):
    """The same for one page as for many."""
    folder = out.rstrip("/")
    a_scan("page.png")
    a_scan("other.jpg")
    assert planned("page.png", out=out) == {"page.png": f"{folder}/page.png"}
    assert planned("page.png", "other.jpg", out=out) == {
        "page.png": f"{folder}/page.png",
        "other.jpg": f"{folder}/other.jpg",
    }


@pytest.mark.parametrize("name", ["here", "here.png", "here.xyz"])
def test_a_folder_that_is_there_is_one_whatever_its_name(name, tmp_path):
    (tmp_path / name).mkdir()
    assert planned(a_scan("page.png"), out=name) == {"page.png": f"{name}/page.png"}


def test_a_file_keeps_its_name_unless_no_such_file_can_hold_it():
    targets = {
        "a.png": "a.png",
        "a.jpg": "a.jpg",
        "a.JPG": "a.JPG",
        "a.bmp": "a.bmp.png",
        "a.gif": "a.gif.png",
        "a.tif": "a.tif",
        "a.TIFF": "a.TIFF",
        "a.pdf": "a.pdf",
        "a.webp": "a.webp",
        "scan.001": "scan.001.png",
        "two.gif": "two.gif.tif",
        "two.png": "two.png.tif",
    }
    for name in targets:
        a_scan(name, pages=2 if name.startswith("two") else 1)
    assert planned(*targets, out="o") == {name: f"o/{out}" for name, out in targets.items()}


def test_no_name_changes_when_a_folder_grows():
    names = ["x.png", "x.jpg", "deep/x.png", "x.gif", "x.bmp", "deep/x.jpg", "deeper/x.png"]
    before = {}
    for name in names:
        a_scan(f"in/{name}")
        targets = planned("in", out="o", recursive=True)
        assert targets.items() >= before.items()
        before = targets
    assert len(set(before.values())) == len(names)


def test_files_need_not_exist_nor_be_pictures(tmp_path):
    """What is wrong with one is said when its turn comes."""
    (tmp_path / "Thumbs.db").write_text("mine")
    assert planned("gone.png", "Thumbs.db", out="o") == {
        "gone.png": "o/gone.png",
        "Thumbs.db": "o/Thumbs.db.png",
    }


@pytest.mark.parametrize("out", ["clean.xyz", "clean.bmp"])
def test_a_file_of_no_format_is_refused(out):
    refused(f"{out} ends in", a_scan("page.png"), out=out)


def test_an_empty_name_is_refused():
    refused("-o: name a file", a_scan("page.png"), out="")


@pytest.mark.parametrize("out", ["out.png", "mine"])
def test_several_pages_do_not_fit_in_a_file(tmp_path, out):
    (tmp_path / "mine").write_text("mine")
    refused(f"-o {out}: several pages need a folder", a_scan("a.png"), a_scan("b.png"), out=out)
    assert (tmp_path / "mine").read_text() == "mine"


# Names that would collide


def test_a_page_that_is_named_twice_is_cleaned_once():
    assert len(plan([a_scan("a.png"), "a.png"], "o", False)) == 1


@pytest.mark.parametrize("pages", [("a/1.png", "b/1.png"), ("x.gif", "x.gif.png")])
def test_pages_that_would_get_one_name_are_refused(pages):
    sentence = rf"{pages[0]} and {pages[1]} would both become o/.*png; clean the folder above them"
    refused(sentence, *map(a_scan, pages), out="o")


# Shares


@pytest.mark.parametrize("of", [1, 2, 16])
def test_every_page_is_in_one_share_and_stays_there_when_others_come(of):
    def shares():
        return [
            planned("in", out="o", recursive=True, share=(number, of))
            for number in range(1, of + 1)
        ]

    names = {a_scan(f"in/{folder}page {n}.png") for folder in ("", "ä/") for n in range(20)}
    before = shares()
    assert sorted(name for share in before for name in share) == sorted(names)
    assert max(map(len, before)) < 40 or of == 1
    for n in range(20, 30):
        a_scan(f"in/{n}.png")
    for share, later in zip(before, shares(), strict=True):
        assert {name for name in later if name in names} == share.keys()


def test_a_share_is_the_same_wherever_the_folder_is_and_however_it_is_named(tmp_path):
    for n in range(20):
        a_scan(f"in/{n}.png")
        a_scan(f"elsewhere/there/{n}.png")
    share = {str(target) for target in planned("in", out="o", share=(1, 2)).values()}
    for other in ("elsewhere/there", str(tmp_path / "in"), "in/*.png"):
        assert set(planned(other, out="o", share=(1, 2)).values()) == share


def test_a_share_may_be_empty():
    a_scan("in/1.png")
    assert sorted(len(planned("in", out="o", share=(n, 9))) for n in range(1, 10)) == [0] * 8 + [1]


def test_standard_input_has_no_shares(standard_input):
    standard_input(b"bytes")
    with pytest.raises(InputError, match="--shard shares out files; leave it out with -"):
        plan(["-"], "-", False, (1, 2))


# Folders and patterns


def test_the_scans_in_a_folder_are_cleaned_in_the_order_of_their_names(tmp_path):
    for name in ("in/b.png", "in/a.jpg", "in/c.pdf", "in/deep/d.png"):
        a_scan(name)
    (tmp_path / "in" / "Thumbs.db").write_text("")
    (tmp_path / "in" / "folder.png").mkdir()
    assert planned("in", out="o") == {
        "in/a.jpg": "o/a.jpg",
        "in/b.png": "o/b.png",
        "in/c.pdf": "o/c.pdf",
    }
    refused(r"No file matches the pattern in/\*\.gif; check it", "in/*.gif", out="o")


def test_recursion_keeps_the_folders_within():
    for name in ("in/1.png", "in/deep/1.png", "in/deep/er/2.png"):
        a_scan(name)
    assert planned("in", out="o", recursive=True) == {
        "in/1.png": "o/1.png",
        "in/deep/1.png": "o/deep/1.png",
        "in/deep/er/2.png": "o/deep/er/2.png",
    }
    assert planned("in", out="o") == {"in/1.png": "o/1.png"}


def test_a_pattern_is_followed_where_the_shell_did_not():
    for name in ("a.png", "b.png", "c.jpg", "in/d.png"):
        a_scan(name)
    assert list(planned("*.png", out="o")) == ["a.png", "b.png"]
    assert list(planned("**/*.png", out="o")) == ["a.png", "b.png", "in/d.png"]
    assert list(planned("[ac].*", out="o")) == ["a.png", "c.jpg"]
    refused(r"No file matches the pattern \*\.tif; check it", "*.tif", out="o")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file():
    a_scan("page[1].png")
    a_scan("page1.png")
    assert planned("page[1].png", out="o") == {"page[1].png": "o/page[1].png"}


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    refused("empty: there are no scans in this folder; .* add --recursive", "empty", out="o")


# Standard input and output


@pytest.fixture
def standard_input(monkeypatch):
    def give(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def test_a_dash_is_standard_input_and_output(standard_input):
    standard_input(b"bytes")
    assert plan(["-"], "-", False) == [Job(b"bytes", "standard input", None)]
    standard_input(b"bytes")
    (job,) = plan(["-"], "out.png", False)
    assert (job.source, str(job.target)) == (b"bytes", "out.png")
    (job,) = plan([a_scan("page.png")], "-", False)
    assert (str(job.source), job.target) == ("page.png", None)


def test_a_dash_stands_alone(standard_input, tmp_path):
    standard_input(b"")
    refused("take one file; name no other", "-", a_scan("a.png"), out="o.png")
    refused("take one file; name no other", a_scan("a.png"), a_scan("b.png"), out="-")
    (tmp_path / "folder").mkdir()
    refused("standard input has no name; name a file", "-", out="folder")
    refused("ends in nothing", "-", out="new")


def test_what_comes_in_tells_whether_it_is_a_pdf():
    assert Job(b"%PDF-1.7 ...", "standard input", None).is_pdf
    assert not Job(b"\x89PNG", "standard input", None).is_pdf
    assert Job(scans.Path("A.PDF"), "A.PDF", None).is_pdf
    assert not Job(scans.Path("a.png"), "a.png", None).is_pdf


# What is at the target


def cleaned(job, note=""):
    """Writes what a command leaves: its own file, with the date of the scan."""
    scans.write(job.target, iter([Sheet(np.zeros((6, 8), np.uint8))]), "PNG", note)
    date = job.source.stat().st_mtime
    os.utime(job.target, (date, date))


@pytest.fixture
def job(tmp_path):
    a_scan("page.png")
    return Job(tmp_path / "page.png", "page.png", tmp_path / "clean.png")


def state(job, others=(), overwrite=False, **how):
    return state_of(job, identities([job, *others]), overwrite, **how)


def state_refused(sentence, job, others=(), overwrite=False):
    with pytest.raises(InputError, match=sentence) as error:
        state(job, others, overwrite)
    assert str(error.value).count("\n") == 0


def test_what_is_not_there_is_to_clean(job):
    assert state(job) == ""
    assert state(job._replace(target=None)) == ""


def test_what_is_cleaned_already_is_left_alone(job):
    cleaned(job)
    assert state(job) == "cleaned already"
    assert state(job, overwrite=True) == ""


def test_what_is_cleaned_in_another_way_is_left_alone_and_says_how(job):
    """Somebody may have cleaned this one page again, with an option that it needs."""
    cleaned(job, "--grey --scale 2")
    assert state(job) == "cleaned already with --grey --scale 2"
    assert state(job, note="--grey") == "cleaned already with --grey --scale 2"
    assert state(job, note="--grey --scale 2") == "cleaned already"
    cleaned(job)
    assert state(job, note="--grey") == "cleaned already without options"


def test_a_comparison_that_is_not_there_is_said_to_be_missing(job):
    cleaned(job)
    assert state(job, compare=True) == "cleaned already without --compare"
    a_scan("clean-compare.png")
    assert state(job, compare=True) == "cleaned already"


def test_a_comparison_is_no_cleaned_page(job):
    cleaned(job, COMPARISON)
    state_refused("is there already", job)


def test_files_of_one_stem_have_comparisons_of_their_own(job):
    places = [job.target.with_suffix(suffix) for suffix in (".png", ".jpg", ".pdf")]
    names = [job._replace(target=place).comparison.name for place in places]
    assert names == ["clean-compare.png", "clean.jpg-compare.png", "clean.pdf-compare.png"]


@pytest.mark.fault("a picture of an odd kind, or none")
def test_what_holds_nothing_is_refused_before_anything_starts(job, tmp_path):
    job.source.write_bytes(b"")
    state_refused(r"page\.png is empty; scan or copy it again", job)
    nothing = Job(b"", "standard input", None)
    state_refused("standard input is empty", nothing)
    job.source.unlink()
    state_refused(r"There is no file page\.png; check the name", job)
    state_refused(
        "There is no file or folder box; check the name",
        job._replace(source=tmp_path / "box", name="box"),
    )
    os.mkfifo(tmp_path / "pipe.pdf")
    pipe = Job(tmp_path / "pipe.pdf", "pipe.pdf", tmp_path / "o.pdf")
    state_refused(r"pipe\.pdf is not an ordinary file", pipe)


def test_a_cleaned_page_stays_when_its_scan_has_gone(job):
    cleaned(job)
    job.source.unlink()
    assert state(job) == "cleaned already"


def test_a_scan_that_has_changed_is_cleaned_again(job):
    cleaned(job)
    date = job.source.stat().st_mtime + DAY
    os.utime(job.source, (date, date))
    assert state(job) == ""


def test_a_cleaned_page_that_was_edited_since_stays(job):
    cleaned(job)
    date = job.target.stat().st_mtime + DAY
    os.utime(job.target, (date, date))
    state_refused("is there already; name another place with -o, or add --overwrite", job)
    assert state(job, overwrite=True) == ""


def test_a_file_of_the_user_s_is_replaced_only_if_asked(job):
    a_scan("clean.png")
    state_refused("is there already; name another place with -o, or add --overwrite", job)
    assert state(job, overwrite=True) == ""


def test_a_link_to_nothing_is_the_user_s(job, tmp_path):
    job.target.symlink_to(tmp_path / "nothing")
    state_refused("is there already", job)


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_scan_is_ever_overwritten(job, overwrite, tmp_path):
    itself = job._replace(target=job.source)
    state_refused("would overwrite the scan", itself, overwrite=overwrite)
    a_scan("clean.png")
    other = Job(tmp_path / "clean.png", "clean.png", tmp_path / "o.png")
    state_refused(r"would overwrite the scan .*clean\.png", job, [other], overwrite)
    job.target.unlink()
    job.target.symlink_to(job.source)
    state_refused("would overwrite the scan", job, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_read_only_file_stays(job, overwrite):
    cleaned(job)
    job.target.chmod(0o444)
    state_refused("is read-only; name another place", job, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_place_of_the_file_stays(job, overwrite):
    job.target.mkdir()
    state_refused("is a folder", job, overwrite=overwrite)


def test_a_pdf_becomes_a_pdf_and_nothing_else(job, tmp_path):
    (tmp_path / "scan.pdf").write_bytes(b"%PDF")
    pdf = job._replace(source=tmp_path / "scan.pdf", name="scan.pdf")
    state_refused(r"scan\.pdf: a PDF becomes a PDF; end -o in \.pdf", pdf)
    assert state(pdf._replace(target=tmp_path / "out.pdf")) == ""
    assert state(job._replace(target=tmp_path / "out.pdf")) == ""


# Folders of scans that are output too


def test_a_folder_of_scans_is_not_where_they_go():
    a_scan("in/page.png")
    refused("this is the folder of the scans; name another", "in", out="in")
    refused("this is the folder of the scans; name another", "in", out="in/../in/")


def test_what_was_cleaned_before_is_no_scan():
    a_scan("in/page.png")
    a_scan("in/cleaned/mine.png")  # in the folder that is written to
    scans.write(scans.Path("in/page-compare.png"), iter([Sheet(np.zeros((4, 4), np.uint8))]), "PNG")
    assert planned("in", out="in/cleaned", recursive=True) == {"in/page.png": "in/cleaned/page.png"}


def test_hidden_files_of_a_folder_are_left_out():
    a_scan("in/.page.png")
    a_scan("in/page.png")
    assert planned("in", out="out") == {"in/page.png": "out/page.png"}
