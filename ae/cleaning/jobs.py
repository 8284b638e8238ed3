"""What `clean` is to clean, where to, and what it may replace."""

import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ae.cleaning import scans
from ae.errors import InputError

STANDARD = "-"  # standard input, or standard output
KEPT_SUFFIXES = (".pdf", ".tif", ".tiff")  # of files in a folder; others become .png


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


def plan(pages: Sequence[str], out: str, recursive: bool) -> list[Job]:
    """Lists what to clean; the files need not exist.

    Args:
        pages: files, folders, patterns, or "-".
        out: a file, a folder, or "-". It is a folder if it exists as one, ends in a slash or has no
            suffix of a picture.
        recursive: whether folders within folders count.

    Raises:
        InputError: these do not fit together.
    """
    if not out:
        raise InputError("-o: name a file to write, a folder, or -.")
    found = [pair for text in pages for pair in _found(text, recursive, Path(out))]
    if not found:
        raise InputError(f"{pages[0]}: there are no scans here; name others.")
    if STANDARD in (out, *pages):
        return [_standard_job(pages, out, found)]
    place = Path(out)
    is_folder = out.endswith(("/", os.sep)) or place.is_dir()
    names_file = not is_folder and (place.suffix.lower() in scans.FORMATS or place.exists())
    if len(found) > 1 and names_file:
        raise InputError(f"-o {out}: several pages need a folder, and this is a file.")
    if names_file or (place.suffix and not is_folder):
        scans.format_of(place)
        return [Job(found[0][0], str(found[0][0]), place)]
    return _into_folder(found, place)


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
        files = [file for file in files if not scans.is_ours(file)]
        return [(file, file.parent.relative_to(path)) for file in files]
    if not path.exists() and glob.has_magic(text):
        matches = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207
        if not matches:
            raise InputError(f"There is no file {text}; check the name.")
        return [(match, Path()) for match in matches if match.is_file()]
    return [(path, Path())]


def _into_folder(found: list[tuple[Path, Path]], out: Path) -> list[Job]:
    """Gives each file a name in a folder; those that would collide get longer names."""

    def named(path, stem):
        suffix = path.suffix.lower()
        if suffix not in KEPT_SUFFIXES:
            suffix = ".tif" if _has_pages(path) else ".png"
        return f"{stem}{suffix}"

    forms = (
        lambda path: named(path, path.stem),
        lambda path: named(path, f"{path.resolve().parent.name}-{path.stem}"),
        lambda path: named(path, path.name.replace(".", "-")),
        lambda path: named(path, f"{path.resolve().parent.name}-{path.name.replace('.', '-')}"),
    )
    found = list(dict.fromkeys(found))
    targets = [out / below / forms[0](path) for path, below in found]
    for form in forms[1:]:
        times = Counter(map(str, targets))
        targets = [
            out / below / form(path) if times[str(target)] > 1 else target
            for (path, below), target in zip(found, targets, strict=True)
        ]
    for target, times in Counter(map(str, targets)).items():
        if times > 1:
            raise InputError(f"{times} of the pages would become {target}; clean them apart.")
    pairs = zip(found, targets, strict=True)
    return [Job(path, str(path), target) for (path, _), target in pairs]


def _has_pages(path: Path) -> bool:
    """Says whether a file has several pages; one that cannot be read fails later, by itself."""
    try:
        return scans.count(path, str(path)) > 1
    except InputError:
        return False


def state_of(job: Job, jobs: Sequence[Job], overwrite: bool) -> str:
    """Returns a sentence if a file is cleaned already, and "" if it is still to clean.

    Raises:
        InputError: what is at its target may not be replaced.
    """
    target = job.target
    if target is None:
        return ""
    if scans.format_of(target) != "PDF" and job.is_pdf:
        raise InputError(f"{job.name}: a PDF becomes a PDF; end -o in .pdf.")
    if not os.path.lexists(target):
        return ""
    for source in (one.source for one in jobs if isinstance(one.source, Path)):
        if source.exists() and target.exists() and target.samefile(source):
            raise InputError(f"{target}: this would overwrite the scan {source}; name another -o.")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name another place with -o.")
    if scans.is_protected(target):
        raise InputError(f"{target} is read-only; name another place with -o.")
    if overwrite:
        return ""
    if isinstance(job.source, Path) and scans.is_ours(target):
        if not job.source.exists() or _date(job.source) == _date(target):
            return f"{target}: cleaned already; to clean it again, add --overwrite."
        if _date(job.source) > _date(target):
            return ""  # the scan has changed since; otherwise the cleaned page has
    raise InputError(f"{target} is there already; name another place with -o, or add --overwrite.")


def _date(path: Path) -> int:
    return int(path.stat().st_mtime)
