"""The cleaner at work: pages a second of a folder of scans, memory of one very large page."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ae.datasets.documents import load_documents
from ae.datasets.synthetic import synthetic_documents
from ae.errors import MissingDataError
from ae.lesson import ONLY_NETWORK
from ae.lessons import load
from ae.pictures import write_grey
from ae.runs.records import save_network

import numpy as np

LARGE = (7000, 5000)  # rows and columns of an A3 sheet at 425 dots an inch
CLEAN = """
import sys
from benchmarks.worker import peak_memory
from ae.cleaning import main
from ae.lessons import load
main(load('document_cleaner'), sys.argv[1:])
print("MiB", peak_memory())
"""


def measure() -> dict:
    """Cleans all scans that are to be had, and one page of 5000 x 7000 pixels.

    Returns:
        What the JSON file holds: pages, whether they were generated, pages a second without and
        with the start of the program, and the most memory held for a large page and for a small.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        cleaner = load("document_cleaner")
        network = cleaner.networks[ONLY_NETWORK]["keras"].build(cleaner.presets["article"])
        model = save_network(network, folder, "cleaner")
        try:
            documents = load_documents()
        except MissingDataError:
            documents = synthetic_documents()
        pages = [*documents.train, *documents.test]
        scans = [folder / f"{number}.png" for number in range(len(pages))]
        for scan, page in zip(scans, pages, strict=True):
            write_grey(scan, page.dirty)
        rng = np.random.default_rng(0)
        large = folder / "large.png"
        write_grey(large, rng.integers(0, 256, LARGE, dtype=np.uint8))
        one, small = clean(scans[:1], folder / "one", model)
        many, _ = clean(scans, folder / "many", model)
        seconds, memory = clean([large], folder / "large", model)
    return {
        "pages": len(pages),
        "generated": documents.synthetic,
        "pages_per_second": (len(pages) - 1) / (many - one),
        "pages_per_second_with_start": len(pages) / many,
        "seconds_for_one_page": one,
        "memory_for_one_page_mib": small,
        "large_page": f"{LARGE[1]} x {LARGE[0]}",
        "seconds_for_large_page": seconds,
        "memory_for_large_page_mib": memory,
    }


def clean(scans: list[Path], out: Path, model: Path) -> tuple[float, float]:
    """Cleans scans in a process; returns its seconds and the most memory that it held, in MiB."""
    out.mkdir()
    command = [sys.executable, "-c", CLEAN, *map(str, scans), "-o", str(out), "--from", str(model)]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - started, float(re.search(r"MiB (\S+)", done.stdout).group(1))


def table(result: dict) -> str:
    """Says in three lines what was measured."""
    return (
        f"{result['pages']} pages: {result['pages_per_second']:.1f} pages a second, "
        f"{result['pages_per_second_with_start']:.1f} with the start of the program\n"
        f"one page: {result['seconds_for_one_page']:.1f} s, "
        f"{result['memory_for_one_page_mib']:,.0f} MiB\n"
        f"one page of {result['large_page']}: {result['seconds_for_large_page']:.1f} s, "
        f"{result['memory_for_large_page_mib']:,.0f} MiB"
    )
