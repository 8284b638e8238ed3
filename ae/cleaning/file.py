"""Cleans one file with a network and the options of the command."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ae.cleaning import page, pdf, scans
from ae.cleaning.jobs import COMPARISON, Job
from ae.cleaning.scans import Sheet
from ae.errors import InputError
from ae.terminal import counted, warn

import cv2
import numpy as np
from PIL import Image

FULL = {errno.EDQUOT, errno.ENOSPC}
CLOSED = {errno.EACCES, errno.EROFS}
UNCHANGED = 0.01  # share of a page of one bit; if no more changes, the page counts as unchanged


class NoPlaceError(InputError):
    """A file that cannot be written, for a reason that the next files meet too."""


def noted(options: argparse.Namespace) -> str:
    """Returns the options that change pages, as a cleaned file keeps them: "--grey --scale 2"."""
    words = [f"--network {options.network}"] if options.network != "ours" else []
    words += [f"--from {options.from_run.resolve().name}"] if options.from_run else []
    words += [f"--style {options.style}"] if options.style else []
    words += [f"--dpi {options.dpi:g}"] if options.dpi else []
    words += [f"--scale {options.scale:g}"] if options.scale else []
    words += ["--grey"] if options.grey else []
    return " ".join(words).encode("ascii", "replace").decode()  # EXIF knows no other letters


def clean_file(job: Job, network: page.PageNetwork, options: argparse.Namespace) -> None:
    """Cleans a file; says on standard error what stays as it is.

    Raises:
        InputError: the file cannot be read or written, or is too large. Its target is as it was.
    """
    try:
        _clean(job, network, options)
    except BrokenPipeError:
        raise
    except OSError as error:
        kind = NoPlaceError if error.errno in FULL | CLOSED else InputError
        raise kind(
            f"{job.target or 'standard output'} cannot be written ({error.strerror or error}); "
            f"{'make room, or ' * (error.errno in FULL)}name another place with -o."
        ) from error
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
            raise
        raise InputError(
            f"{job.name} does not fit in memory; save a smaller copy and name that."
        ) from error


def _clean(job: Job, network: page.PageNetwork, options: argparse.Namespace) -> None:
    out: Path | BinaryIO = job.target or sys.stdout.buffer
    if job.target:
        job.target.parent.mkdir(parents=True, exist_ok=True)
    beside = job.comparison if options.compare else None
    ours = beside and scans.note_of(beside) == COMPARISON
    if beside and os.path.lexists(beside) and not (options.overwrite or ours):
        raise InputError(f"{beside} is there already; move it away, or add --overwrite.")
    compared: list[Sheet] = []

    def clean(sheet, name):
        cleaned = clean_sheet(sheet, network, options, name)
        if beside and not compared:
            compared.extend([sheet, cleaned])
        return cleaned

    if job.is_pdf:
        _, others = pdf.clean_pdf(job.source, job.name, out, clean, noted(options))
        if others:
            warn(f"{job.name}: {counted(others, 'small or transparent picture')} left as before.")
    else:
        kind, pages = _kind_and_pages(job, clean)
        scans.write(out, pages, kind, noted(options))
    if job.target and isinstance(job.source, Path):
        about = job.source.stat()
        os.utime(job.target, ns=(about.st_atime_ns, about.st_mtime_ns))
    if beside:
        _write_comparison(beside, *compared)


def _kind_and_pages(job: Job, clean: Callable) -> tuple[str, Iterator[Sheet]]:
    """Returns the format that a picture is written in, and its pages, to be cleaned in turn."""
    number = scans.count(job.source, job.name)
    kind = scans.format_of(job.target) if job.target else "TIFF" if number > 1 else "PNG"
    if number > 1 and kind not in scans.OF_MANY_PAGES:
        raise InputError(
            f"{job.name} holds {number} pages, and a {kind} file holds one; end -o in .tif or .pdf."
        )

    def pages():
        for i, sheet in enumerate(scans.read(job.source, job.name), start=1):
            name = f"{job.name}, page {i}" if number > 1 else job.name
            scans.refuse_if_too_long(sheet, kind, name)
            yield clean(sheet, name)

    return kind, pages()


def clean_sheet(
    sheet: Sheet, network: page.PageNetwork, options: argparse.Namespace, name: str
) -> Sheet:
    """Cleans one page, at the scale that its letters, or the options, give it."""
    pixels = sheet.pixels
    if pixels.ndim == 3 and (options.grey or not page.has_color(pixels)):
        pixels = np.array(Image.fromarray(pixels).convert("L"))
    scale = options.scale or (options.dpi / page.DPI if options.dpi else None)
    cleaned, lost = page.restore(pixels, network, sheet.dpi and sheet.dpi[0], scale)
    if lost:
        warn(
            f"{name}: this page stays as it is, because cleaning would remove {lost:.0%} of what "
            "is dark on it."
        )
    elif sheet.bilevel and page.is_dithered(pixels) and _unchanged(pixels, cleaned):
        warn(
            f"{name}: this page stays as it is, because its greys are black dots; scan it in grey."
        )
    return sheet._replace(pixels=cleaned)


def _unchanged(before: np.ndarray, after: np.ndarray) -> bool:
    return float(((before > 127) != (after > 127)).mean()) < UNCHANGED


def _write_comparison(path: Path, before: Sheet, after: Sheet) -> None:
    pair = [Image.fromarray(sheet.pixels).convert("RGB") for sheet in (before, after)]
    both = Image.new("RGB", (2 * pair[0].width + 20, pair[0].height), "white")
    both.paste(pair[0], (0, 0))
    both.paste(pair[1], (pair[0].width + 20, 0))
    scans.write(path, iter([Sheet(np.array(both), before.dpi)]), "PNG", COMPARISON)
