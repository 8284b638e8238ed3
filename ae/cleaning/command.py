"""The command `clean`: cleans scans, pictures and PDFs, one or whole folders."""

import argparse
import io
import multiprocessing
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import NoReturn

from ae import console
from ae.cleaning import cleaners, page
from ae.cleaning.file import NoPlaceError, clean_file, noted
from ae.cleaning.jobs import DONE, STANDARD, Job, identities, plan, state_of
from ae.errors import InputError, Interrupted
from ae.terminal import bar, counted, say, warn


def main(arguments: Sequence[str], prog: str = "python -m tutorials clean") -> int:
    """Runs the command; returns 1 if some of several files could not be cleaned."""
    options = _parser(prog).parse_args(arguments)
    if options.compare and options.out == STANDARD:
        raise InputError("--compare writes a file beside the cleaned one; name a file with -o.")
    jobs = plan(options.pages, options.out, options.recursive, options.shard)
    state = partial(
        state_of,
        sources=identities(jobs),
        overwrite=options.overwrite,
        note=noted(options),
        compare=options.compare,
    )
    if options.dry_run:
        return _say_what_would_be_done(jobs, state)
    network = partial(_network, options)
    if len(jobs) == 1 and not options.shard:
        return _clean_one(jobs[0], state, network, options)
    try:
        return _clean_all(jobs, state, network, options)
    except KeyboardInterrupt as error:
        then = "begins again" if options.overwrite else "cleans the rest"
        raise Interrupted(f"Interrupted; the same command {then}.") from error


def _parser(prog: str) -> console.Parser:
    parser = console.Parser(
        prog=prog,
        description="Clean scanned pages of any size: PNG, JPEG, TIFF, WebP, PDF and others. Text, "
        "resolution, color and number of pages stay. In a folder each file keeps its name; kinds "
        "that can only be read, such as BMP, become NAME.bmp.png, or .tif with several pages.",
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
    size = parser.add_mutually_exclusive_group().add_argument
    size("--dpi", type=console.between(*page.DPIS),
        help="dots an inch, where the file is wrong: {:g} to {:g}".format(*page.DPIS))  # fmt: skip
    size("--scale", type=console.between(*page.SCALES),
        help=f"height of small letters over {page.LETTER:g} pixels: {page.SCALES[0]:g} to "
        f"{page.SCALES[1]:g}; default: measured")  # fmt: skip
    add("--grey", action="store_true", help="drop colors")
    add("--jobs", type=console.up_to(256), default=1, help="files to clean at once; default: 1")
    add("--shard", type=_shard, metavar="N/M",
        help="clean only the Nth of M shares of the files, such as 3/16; each machine takes one, "
        "and a file stays in its share when others come")  # fmt: skip
    add("--compare", action="store_true",
        help="also write NAME-compare.png: the first page before and after")  # fmt: skip
    add("--dry-run", action="store_true", help="print what would be written, and clean nothing")
    add("--overwrite", action="store_true",
        help="replace files that are there already, also those that were cleaned")  # fmt: skip
    return parser


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    number, shares = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= shares:
        raise argparse.ArgumentTypeError(
            f"must be two numbers such as 3/16, from 1/16 to 16/16, not '{text}'"
        )
    return number, shares


def _network(options: argparse.Namespace, threads: int | None = None) -> page.PageNetwork:
    if options.from_run is not None:
        return cleaners.of_run(options.from_run, options.style)
    if options.style:
        raise InputError("--style chooses between the networks of a run; add --from RUN.")
    which = "the article's" if options.network == "article" else "the project's own"
    print(f"Using {which} network.", file=sys.stderr)
    return cleaners.pretrained(options.network, threads)


def _say_what_would_be_done(jobs: list[Job], state: partial) -> int:
    refused = 0
    for job in jobs:
        try:
            done = state(job)
            to = job.target or "standard output"
            print(_notice(job, done) if done else f"{job.name} -> {to}")
        except InputError as error:
            print(error, file=sys.stderr)
            refused = 1
    return refused


def _notice(job: Job, done: str) -> str:
    return f"{job.target}: {done}; to clean it again, add --overwrite."


# Cleaning


def _clean_one(job: Job, state: partial, network: partial, options: argparse.Namespace) -> int:
    if done := state(job):
        print(_notice(job, done))
        return 0
    clean_file(job, network(), options)
    if job.target:
        print(job.target)
    return 0


def _clean_all(
    jobs: list[Job], state: partial, network: partial, options: argparse.Namespace
) -> int:
    failures, done, left, older = [], Counter(), [], set()
    for job in jobs:
        try:
            if what := state(job):
                done[what] += 1
            else:
                left.append(job)
                if os.path.lexists(job.target):
                    older.add(job.target)
        except InputError as error:
            failures.append(str(error))
    for failure in failures:
        print(failure, file=sys.stderr)
    cleaned = again = 0
    with bar("clean", len(left), "file") as progress:
        for job, failure in _results(left, network, options):
            progress.update()
            if failure:
                failures.append(failure)
                warn(failure)
            else:
                cleaned += 1
                again += job.target in older
                say(job.target)
    parts = [f"{counted(cleaned, 'file')} cleaned"]
    if again and not options.overwrite:
        parts += [f"{again} of them again, because the scan is newer"]
    parts += [f"{number} {what}" for what, number in sorted(done.items())]
    parts += [f"{len(failures)} failed"] * bool(failures)
    print(", ".join(parts))
    if done.keys() - {DONE}:
        warn("Delete what was cleaned with other options, or add --overwrite, to clean it again.")
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


_at_work = False  # whether this process, of several, is at a file


def _start_worker(options: argparse.Namespace, threads: int) -> None:
    global _of_worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this
    signal.signal(signal.SIGTERM, _leave)  # and this is what it sends then
    with redirect_stderr(io.StringIO()):
        _of_worker = _network(options, threads), options


def _leave(*_) -> NoReturn:
    if _at_work:
        raise SystemExit  # on its way up, what is half written is removed
    os._exit(1)  # an exception could leave a lock of the pool's behind


def _work(job: Job) -> tuple[Job, str]:
    global _at_work
    _at_work = True
    try:
        return _try(job, *_of_worker)
    except SystemExit:
        os._exit(1)  # the pool would catch it, and begin the next file
    finally:
        _at_work = False


def _try(job: Job, network: page.PageNetwork, options: argparse.Namespace) -> tuple[Job, str]:
    try:
        clean_file(job, network, options)
    except NoPlaceError:
        raise
    except InputError as error:
        return job, str(error)
    return job, ""
