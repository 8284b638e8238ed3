"""The command `clean`: cleans scans, pictures and PDFs, one or whole folders."""

import argparse
import io
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ae import console
from ae.cleaning import cleaners, page, scans
from ae.cleaning.jobs import Job, plan, state_of
from ae.cleaning.scans import Sheet
from ae.errors import InputError, Interrupted
from ae.paths import make_folder
from ae.terminal import bar, counted, say

import numpy as np
from PIL import Image


def main(arguments: Sequence[str], prog: str = "python -m tutorials clean") -> int:
    """Runs the command; returns 1 if some of several files could not be cleaned."""
    options = _parser(prog).parse_args(arguments)
    jobs = plan(options.pages, options.out, options.recursive)
    if options.dry_run:
        return _say_what_would_be_done(jobs, options.overwrite)
    network = partial(_network, options)
    if len(jobs) == 1:
        return _clean_one(jobs[0], network, options)
    try:
        return _clean_all(jobs, network, options)
    except KeyboardInterrupt as error:
        raise Interrupted("Interrupted; the same command cleans the rest.") from error


def _parser(prog: str) -> console.Parser:
    parser = console.Parser(
        prog=prog,
        description="Clean scanned pages of any size: PNG, JPEG, TIFF, WebP, PDF and others. Text, "
        "resolution, color and number of pages stay.",
    )
    add = parser.add_argument
    add("pages", nargs="+", metavar="IN", help="scans, folders, patterns such as '*.png', or -")
    add("-o", "--out", required=True, help="file to write, folder for several, or -")
    add("--recursive", action="store_true", help="clean the folders within folders too")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--network", choices=cleaners.NETWORKS, default="ours",
        help="ours also keeps black areas and faint print, and knows fine scans; the article's is "
        "that of document_cleaner; default: ours")  # fmt: skip
    which.add_argument("--from", dest="from_run", type=Path, metavar="RUN",
        help="use the network of a run of document_cleaner: its folder or .keras file")  # fmt: skip
    add("--style", choices=("low-level", "keras"), help="of --from; default: keras, if it is there")
    add("--dpi", type=console.positive(float), help="dots an inch, where the file is wrong")
    add("--scale", type=console.positive(float),
        help=f"height of small letters over {page.LETTER:g} pixels; default: measured")  # fmt: skip
    add("--grey", action="store_true", help="drop colors")
    add("--jobs", type=console.up_to(256), default=1, help="files to clean at once; default: 1")
    add("--compare", action="store_true",
        help="also write NAME-compare.png: the first page before and after")  # fmt: skip
    add("--dry-run", action="store_true", help="print what would be written, and clean nothing")
    add("--overwrite", action="store_true", help="replace files that are there already")
    return parser


def _network(options: argparse.Namespace, threads: int | None = None) -> page.PageNetwork:
    if options.from_run is not None:
        return cleaners.of_run(options.from_run, options.style)
    if options.style:
        raise InputError("--style chooses between the networks of a run; add --from RUN.")
    which = "the article's" if options.network == "article" else "the project's own"
    print(f"Using {which} network.", file=sys.stderr)
    return cleaners.pretrained(options.network, threads)


def _say_what_would_be_done(jobs: list[Job], overwrite: bool) -> int:
    refused = 0
    for job in jobs:
        try:
            done = state_of(job, jobs, overwrite)
            if isinstance(job.source, Path) and not job.source.exists():
                raise InputError(f"There is no file {job.name}; check the name.")
            print(done or f"{job.name} -> {job.target or 'standard output'}")
        except InputError as error:
            print(error, file=sys.stderr)
            refused = 1
    return refused


# Cleaning


def _clean_one(job: Job, network: partial, options: argparse.Namespace) -> int:
    if done := state_of(job, [job], options.overwrite):
        print(done)
        return 0
    _clean(job, network(), options)
    if job.target:
        print(job.target)
    return 0


def _clean_all(jobs: list[Job], network: partial, options: argparse.Namespace) -> int:
    failures, done, left = [], 0, []
    for job in jobs:
        try:
            if state_of(job, jobs, options.overwrite):
                done += 1
            else:
                left.append(job)
        except InputError as error:
            failures.append(str(error))
    for failure in failures:
        print(failure, file=sys.stderr)
    cleaned = 0
    with bar("clean", len(left), "file") as progress:
        for job, failure in _results(left, network, options):
            progress.update()
            if failure:
                failures.append(failure)
                progress.write(failure, file=sys.stderr)
            else:
                cleaned += 1
                say(job.target)
    parts = [f"{counted(cleaned, 'file')} cleaned"]
    parts += [f"{done} done already"] * bool(done) + [f"{len(failures)} failed"] * bool(failures)
    print(", ".join(parts))
    return 1 if failures else 0


def _results(
    jobs: list[Job], network: partial, options: argparse.Namespace
) -> Iterator[tuple[Job, str]]:
    """Cleans files, one after another or several at once; yields each with what went wrong."""
    if not jobs:
        return
    workers = min(options.jobs, len(jobs))
    if workers == 1:
        ready = network()
        for job in jobs:
            yield _try(job, ready, options)
        return
    network()  # what is wrong with it, or to be said of it, is said once and here
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start_worker, (options, threads)
    )
    try:
        for done in as_completed([pool.submit(_work, job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool as error:
        raise InputError(
            "A process was killed, perhaps for lack of memory; the same command with a smaller "
            "--jobs cleans the rest."
        ) from error
    finally:
        for process in multiprocessing.active_children():  # after Ctrl-C some still work
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _start_worker(options: argparse.Namespace, threads: int) -> None:
    global _of_worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this
    with redirect_stderr(io.StringIO()):
        _of_worker = _network(options, threads), options


def _work(job: Job) -> tuple[Job, str]:
    return _try(job, *_of_worker)


def _try(job: Job, network: page.PageNetwork, options: argparse.Namespace) -> tuple[Job, str]:
    try:
        _clean(job, network, options)
    except InputError as error:
        return job, str(error)
    except MemoryError:
        return job, f"{job.name} does not fit in memory; save a smaller copy and name that."
    return job, ""


def _clean(job: Job, network: page.PageNetwork, options: argparse.Namespace) -> None:
    target = job.target
    out: Path | BinaryIO = sys.stdout.buffer if target is None else target
    if target:
        make_folder(target.parent)
    beside = target.with_name(f"{target.stem}-compare.png") if target and options.compare else None
    if beside and os.path.lexists(beside) and not (options.overwrite or scans.is_ours(beside)):
        raise InputError(f"{beside} is there already; move it away, or add --overwrite.")
    compared: list[Sheet] = []

    def clean(sheet):
        cleaned = clean_sheet(sheet, network, options, job.name)
        if beside and not compared:
            compared.extend([sheet, cleaned])
        return cleaned

    try:
        if job.is_pdf:
            scans.clean_pdf(job.source, job.name, out, clean)
        else:
            number = scans.count(job.source, job.name)
            kind = scans.format_of(target) if target else "TIFF" if number > 1 else "PNG"
            if number > 1 and kind not in scans.OF_MANY_PAGES:
                raise InputError(
                    f"{job.name} holds {number} pages, and a {kind} file holds one; "
                    "end -o in .tif or .pdf."
                )
            scans.write(out, map(clean, scans.read(job.source, job.name)), kind)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}); name another place."
        ) from error
    if target and isinstance(job.source, Path):
        about = job.source.stat()
        os.utime(target, ns=(about.st_atime_ns, about.st_mtime_ns))
    if beside:
        _write_comparison(beside, *compared)


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
        print(
            f"{name}: this page stays as it is, because cleaning would remove {lost:.0%} of what "
            "is dark on it.",
            file=sys.stderr,
        )
    return sheet._replace(pixels=cleaned)


def _write_comparison(path: Path, before: Sheet, after: Sheet) -> None:
    pair = [Image.fromarray(sheet.pixels).convert("RGB") for sheet in (before, after)]
    both = Image.new("RGB", (2 * pair[0].width + 20, pair[0].height), "white")
    both.paste(pair[0], (0, 0))
    both.paste(pair[1], (pair[0].width + 20, 0))
    scans.write(path, iter([Sheet(np.array(both), before.dpi)]), "PNG")
