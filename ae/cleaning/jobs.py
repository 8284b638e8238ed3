"""What `clean` is to clean, where to, and what it may replace."""

import glob
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ae.cleaning import scans
from ae.errors import InputError

STANDARD = "-"  # standard input, or standard output
COMPARISON = "comparison"  # the note in a picture of a page before and after
DONE = "cleaned already"


class Job(NamedTuple):
    """A file to clean."""

    source: Path | bytes
    name: str  # what messages call it
    target: Path | None  # None is standard output

    @property
    def is_pdf(self) -> bool:
        """Whether it is a PDF."""
        if isinstance(self.source, Path):
            return self.source.suffix.lower() == ".pdf"
        return self.source.startswith(b"%PDF")

    @property
    def comparison(self) -> Path | None:
        """Where a picture of the page before and after goes: NAME-compare.png."""
        name = self.target and self.target.name.removesuffix(".png")
        return self.target and self.target.with_name(f"{name}-compare.png")


def plan(
    pages: Sequence[str], out: str, recursive: bool, share: tuple[int, int] | None = None
) -> list[Job]:
    """Lists what to clean; the files need not exist.

    What a file becomes, and whose share it is, depends on no other file.

    Args:
        pages: files, folders, patterns, or "-".
        out: a file, a folder, or "-". It is a folder if it exists as one, ends in a slash or has no
            suffix of a picture.
        recursive: whether folders within folders count.
        share: (3, 16) lists the third of 16 shares; default: all.

    Raises:
        InputError: these do not fit together.
    """
    if not out:
        raise InputError("-o: name a file to write, a folder, or -.")
    found = [pair for text in pages for pair in _found(text, recursive, Path(out))]
    found = list(dict.fromkeys(found))
    if not found:
        raise InputError(
            f"{pages[0]}: there are no scans in this folder; name another"
            f"{'' if recursive else ', or add --recursive for the folders in it'}."
        )
    if STANDARD in (out, *pages):
        if share:
            raise InputError("--shard shares out files; leave it out with -.")
        return [_standard_job(pages, out, found)]
    place = Path(out)
    is_folder = out.endswith(("/", os.sep)) or place.is_dir()
    names_file = not is_folder and (place.suffix.lower() in scans.FORMATS or place.exists())
    if len(found) > 1 and names_file:
        raise InputError(f"-o {out}: several pages need a folder, and this is a file.")
    if names_file or (place.suffix and not is_folder):
        scans.format_of(place)
        jobs = [Job(found[0][0], str(found[0][0]), place)]
    else:
        jobs = _into_folder(found, place)
    if share is None:
        return jobs
    return [
        job
        for job, (path, below) in zip(jobs, found, strict=True)
        if _share_of(below / path.name, share[1]) == share[0]
    ]


def _share_of(path: Path, shares: int) -> int:
    digest = hashlib.sha256(os.fsencode(path.as_posix())).digest()
    return int.from_bytes(digest[:8], "big") % shares + 1


def _standard_job(pages: Sequence[str], out: str, found: list[tuple[Path, Path]]) -> Job:
    if len(found) > 1:
        raise InputError("-: standard input and output take one file; name no other.")
    source = found[0][0]
    name = str(source)
    if list(pages) == [STANDARD]:
        source, name = sys.stdin.buffer.read(), "standard input"
    if out == STANDARD:
        return Job(source, name, None)
    target = Path(out)
    if target.is_dir():
        raise InputError(f"-o {target}: standard input has no name; name a file to write.")
    scans.format_of(target)
    return Job(source, name, target)


def _found(text: str, recursive: bool, out: Path) -> list[tuple[Path, Path]]:
    """Lists files and the folders below the output that they go to."""
    path = Path(text)
    if text != STANDARD and path.is_dir():
        if out.is_dir() and out.samefile(path):
            raise InputError(f"-o {out}: this is the folder of the scans; name another.")
        inside = path.rglob("*") if recursive else path.glob("*")
        inside = (each for each in inside if out.resolve() not in each.resolve().parents)
        files = sorted(each for each in inside if scans.is_scan(each) and each.is_file())
        files = [file for file in files if scans.note_of(file) is None]
        return [(file, file.parent.relative_to(path)) for file in files]
    if not path.exists() and glob.has_magic(text):
        matches = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207
        if not matches:
            raise InputError(f"No file matches the pattern {text}; check it.")
        return [(match, Path()) for match in matches if match.is_file()]
    return [(path, Path())]


def _into_folder(found: list[tuple[Path, Path]], out: Path) -> list[Job]:
    jobs = [Job(path, str(path), out / below / _name_of(path)) for path, below in found]
    times = Counter(job.target for job in jobs)
    if twice := [job for job in jobs if times[job.target] > 1]:
        raise InputError(
            f"{twice[0].name} and {twice[1].name} would both become {twice[0].target}; "
            "clean the folder above them with --recursive, or give each an -o of its own."
        )
    return jobs


def _name_of(path: Path) -> str:
    """A file keeps its name, unless no file of its kind can be written with its pages."""
    kind = scans.FORMATS.get(path.suffix.lower())
    if kind not in scans.OF_MANY_PAGES and _has_pages(path):
        return f"{path.name}.tif"
    return path.name if kind else f"{path.name}.png"


def _has_pages(path: Path) -> bool:
    """Says whether a file has several pages; one that cannot be read fails later, by itself."""
    try:
        return scans.count(path, str(path)) > 1
    except InputError:
        return False


def identities(jobs: Sequence[Job]) -> dict[tuple[int, int], Path]:
    """Maps device and inode of each scan that is there to its path."""
    there = [job.source for job in jobs if isinstance(job.source, Path) and job.source.exists()]
    return {_identity(path): path for path in there}


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino


def state_of(
    job: Job,
    sources: Mapping[tuple[int, int], Path],
    overwrite: bool,
    note: str = "",
    compare: bool = False,
) -> str:
    """Returns that a file is cleaned already, and how, or "" if it is still to clean.

    Args:
        sources: `identities` of all that is to clean.
        note: what its cleaned page is to hold, as `scans.note_of` returns it.
        compare: whether a comparison belongs to it.

    Raises:
        InputError: there is nothing to clean, or what is at its target may not be replaced.
    """
    state = _state_of(job, sources, overwrite, note, compare)
    if not state:
        _refuse_if_nothing(job)
    return state


def _state_of(job, sources, overwrite, note, compare) -> str:
    target = job.target
    if target is None:
        return ""
    if scans.format_of(target) != "PDF" and job.is_pdf:
        raise InputError(f"{job.name}: a PDF becomes a PDF; end -o in .pdf.")
    if not os.path.lexists(target):
        return ""
    if target.exists() and (source := sources.get(_identity(target))):
        raise InputError(f"{target}: this would overwrite the scan {source}; name another -o.")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name another place with -o.")
    if scans.is_protected(target):
        raise InputError(f"{target} is read-only; name another place with -o.")
    if overwrite:
        return ""
    found = scans.note_of(target)
    if isinstance(job.source, Path) and found not in (None, COMPARISON):
        if not job.source.exists() or _date(job.source) == _date(target):
            return _done(found, note, compare and not os.path.lexists(job.comparison))
        if _date(job.source) > _date(target):
            return ""  # the scan has changed since; otherwise the cleaned page has
    raise InputError(f"{target} is there already; name another place with -o, or add --overwrite.")


def _done(found: str, note: str, uncompared: bool) -> str:
    if found != note:
        return f"{DONE} with {found}" if found else f"{DONE} without options"
    return f"{DONE} without --compare" if uncompared else DONE


def _refuse_if_nothing(job: Job) -> None:
    if isinstance(job.source, bytes):
        size = len(job.source)
    elif job.source.is_file():
        size = job.source.stat().st_size
    elif job.source.exists():
        raise InputError(f"{job.name} is not an ordinary file; name a picture or a PDF.")
    else:
        kind = "file" if scans.is_scan(job.source) else "file or folder"
        raise InputError(f"There is no {kind} {job.name}; check the name.")
    if size == 0:
        raise InputError(f"{job.name} is empty; scan or copy it again.")


def _date(path: Path) -> int:
    return int(path.stat().st_mtime)
