"""How cost grows: the cleaner's with pages and their size, and what a training gains from a core.

Rows have a ratio to the ideal line. A file of any size should cost the same time a pixel, a
folder of any length the same time a page, and two cores should do twice as much as one.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from ae.datasets.synthetic import load_or_generate_documents
from ae.errors import InputError
from ae.pictures import write_grey
from ae.terminal import counted
from benchmarks import cleaning

import numpy as np

PAGE = (420, 540)  # rows and columns
SIDES = (4, 8, 16, 32)  # how many times the height and width of PAGE
PAGES = (1, 8, 64, 256)
CORES = sorted(os.sched_getaffinity(0))[:2]
TRAININGS = {  # what two processes train, and one, each on a core of its own
    "sigmoid_ae, 256": ("sigmoid_ae", "--epochs", "4", "--no-xla"),
    "sigmoid_ae, 4096": ("sigmoid_ae", "--epochs", "4", "--no-xla", "--batch-size", "4096"),
    "conv_denoiser, 256": ("conv_denoiser", "--preset", "quick", "--batch-size", "256"),
}


def measure() -> dict[str, list[dict]]:
    """Cleans and trains; returns rows of what was measured, by the table that they belong to."""
    if len(CORES) < 2:
        raise InputError("growth needs two cores; this process has one.")
    with tempfile.TemporaryDirectory() as folder:
        return {
            "size": list(_sizes(Path(folder))),
            "pages": list(_pages(Path(folder))),
            "jobs": list(_jobs(Path(folder))),
            "processes": list(_processes(Path(folder))),
        }


def _dirty() -> list[np.ndarray]:
    documents = load_or_generate_documents("auto", None, 0)
    pages = [page.dirty for page in [*documents.train, *documents.test]]
    return [page for page in pages if page.shape[:2] == PAGE]


def _sizes(folder: Path) -> Iterator[dict]:
    rows = []
    for side in SIDES:
        scan = folder / f"side-{side}.png"
        write_grey(scan, cleaning.enlarged(_dirty(), (side * PAGE[0], side * PAGE[1])))
        seconds, memory = cleaning.clean([scan], folder / f"size-{side}", "onnxruntime")
        megapixels = side**2 * PAGE[0] * PAGE[1] / 1e6
        rows.append({"megapixels": megapixels, "seconds": seconds, "memory_mib": memory})
    yield from rated(rows, "megapixels")


def _pages(folder: Path) -> Iterator[dict]:
    dirty, rows = _dirty(), []
    for number in PAGES:
        scans = _written(folder / f"scans-{number}", [dirty[n % len(dirty)] for n in range(number)])
        seconds, memory = cleaning.clean(scans, folder / f"pages-{number}", "onnxruntime")
        rows.append({"pages": number, "seconds": seconds, "memory_mib": memory})
    yield from rated(rows, "pages")


def rated(rows: list[dict], unit: str) -> Iterator[dict]:
    """Adds to all rows but the first how fast further units go: as a share of the ideal line.

    The line runs through the seconds of the first two rows, so that the start of the process does
    not count. The second row's `of_ideal` is 1. Where cost grows faster than the units, it falls.
    """
    first = rows[0]
    for row in rows:
        if row is not first:
            slope = (row["seconds"] - first["seconds"]) / (row[unit] - first[unit])
            ideal = (rows[1]["seconds"] - first["seconds"]) / (rows[1][unit] - first[unit])
            row["of_ideal"] = ideal / slope
        yield row


def _jobs(folder: Path) -> Iterator[dict]:
    scans = sorted((folder / f"scans-{PAGES[-1]}").iterdir())
    one = None
    for number in (1, len(CORES)):
        out = folder / f"jobs-{number}"
        seconds, _ = cleaning.clean(scans, out, "onnxruntime", "--jobs", str(number))
        one = one or seconds
        yield {"jobs": number, "seconds": seconds, "gain": one / seconds}


def _written(folder: Path, pages: list[np.ndarray]) -> list[Path]:
    folder.mkdir()
    scans = [folder / f"{number:03}.png" for number in range(len(pages))]
    for scan, page in zip(scans, pages, strict=True):
        write_grey(scan, page)
    return scans


def _processes(folder: Path) -> Iterator[dict]:
    for name, arguments in TRAININGS.items():
        out = folder / name.replace(", ", "-")
        one, two = (_epoch(arguments, out / str(number), number) for number in (1, len(CORES)))
        gain = one / two
        row = {"training": name, "one_process": one, "two_processes": two}
        yield row | {"gain": gain, "of_ideal": gain / len(CORES)}


def _epoch(arguments: tuple[str, ...], out: Path, number: int) -> float:
    """Trains on a number of cores, a process on each; returns the seconds of the fastest epoch."""
    hosts = [f"localhost:{port}" for port in _free_ports(number)]
    workers = []
    for index, core in zip(range(number), CORES, strict=False):
        strategy = []
        environment = {name: v for name, v in os.environ.items() if name != "TF_CONFIG"}
        if number > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": hosts}, "task": task})
            strategy = ["--strategy", "multi-worker"]
        command = [sys.executable, "-m", "tutorials", *arguments, "--style", "low-level", *strategy]
        workers.append(
            subprocess.Popen(
                [*command, "--out", str(out)],
                env=environment,
                stdout=subprocess.DEVNULL,
                preexec_fn=lambda core=core: os.sched_setaffinity(0, {core}),
            )
        )
    if any([worker.wait() for worker in workers]):  # all of them
        raise InputError(f"{out}: a training failed.")
    record = json.loads((out / "record.json").read_text(encoding="utf-8"))
    return min(epoch["seconds"] for epoch in record["trainings"][0]["history"])


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]


def table(result: dict[str, list[dict]]) -> str:
    """Lays out what was measured."""
    of_size = [f"| {row['megapixels']:.1f} megapixels | {_cost(row)} |" for row in result["size"]]
    of_pages = [
        f"| {counted(row['pages'], 'page')} of 0.2 megapixels | {_cost(row)} |"
        for row in result["pages"]
    ]
    of_jobs = [
        f"| {PAGES[-1]} pages, `--jobs {row['jobs']}` | {row['seconds']:.1f} s |  | "
        f"{row['gain'] / row['jobs']:.2f} |"
        for row in result["jobs"]
    ]
    of_processes = [
        f"| {row['training']} | {row['one_process']:.2f} s | {row['two_processes']:.2f} s | "
        f"{row['gain']:.2f} | {row['of_ideal']:.2f} |"
        for row in result["processes"]
    ]
    return "\n".join(
        [
            "| cleaned | time | memory | of the ideal line |",
            "|---|---|---|---|",
            *(*of_size, *of_pages, *of_jobs),
            "",
            "| network, minibatch | an epoch, one process | two processes | gain | of the ideal |",
            "|---|---|---|---|---|",
            *of_processes,
        ]
    )


def _cost(row: dict) -> str:
    ratio = f"{row['of_ideal']:.2f}" if "of_ideal" in row else ""
    return f"{row['seconds']:.1f} s | {row['memory_mib']:,.0f} MiB | {ratio}"
