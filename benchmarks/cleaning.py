"""The cleaner at work: start, pages a second and memory, in both runtimes."""

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ae.datasets.synthetic import load_or_generate_documents
from ae.errors import InputError
from ae.pictures import write_grey

import numpy as np
from PIL import Image

A4 = (3508, 2480)  # rows and columns at 300 dots an inch
A3 = (7016, 4961)
RUNTIMES = ("onnxruntime", "tensorflow")
CLEAN = """
import sys
if sys.argv[1] == "tensorflow":
    sys.modules["onnxruntime"] = None  # as if it were not installed
from ae.cleaning.command import main
from benchmarks.worker import peak_memory
main(sys.argv[2:])
print("MiB", peak_memory())
"""


def measure() -> dict:
    """Cleans scans, a page of A4 and one of A3, in each runtime.

    Returns:
        What the JSON file holds: the number of pages, whether they were generated, and rows of
        runtime, seconds for one page, pages a second after the start, seconds for the
        large pages, and the most memory held for a small, an A4 and an A3 page.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise InputError("This compares with onnxruntime; install requirements-export.txt.")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        documents = load_or_generate_documents("auto", None, 0)
        dirty = [
            page.dirty for page in [*documents.train, *documents.test] if len(page.dirty) > 258
        ]
        scans = [folder / f"{number}.png" for number in range(len(dirty))]
        for scan, page in zip(scans, dirty, strict=True):
            write_grey(scan, page)
        for name, size in (("a4", A4), ("a3", A3)):
            write_grey(folder / f"{name}.png", enlarged(dirty, size))
        rows = []
        for runtime in RUNTIMES:
            out = folder / runtime
            one, memory = clean(scans[:1], out / "one", runtime)
            all_of_them, _ = clean(scans, out / "all", runtime)
            a4, memory_a4 = clean([folder / "a4.png"], out / "a4", runtime)
            a3, memory_a3 = clean([folder / "a3.png"], out / "a3", runtime)
            rows.append(
                {
                    "runtime": runtime,
                    "seconds_for_one_page": one,
                    "pages_per_second": (len(scans) - 1) / (all_of_them - one),
                    "seconds_for_a4": a4,
                    "seconds_for_a3": a3,
                    "memory_mib": [memory, memory_a4, memory_a3],
                }
            )
    return {"pages": len(scans), "generated": documents.synthetic, "rows": rows}


def enlarged(pages: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Joins scans to one page of a size (rows, columns) and enlarges it to 300 dots an inch."""
    columns, rows = size[1] // 2 // 540 + 1, size[0] // 2 // 420 + 1
    chosen = [pages[i % len(pages)] for i in range(rows * columns)]
    lines = [np.hstack(chosen[i * columns : (i + 1) * columns]) for i in range(rows)]
    page = Image.fromarray(np.vstack(lines))
    return np.array(page.resize((2 * page.width, 2 * page.height), Image.BICUBIC))[
        : size[0], : size[1]
    ]


def clean(scans: list[Path], out: Path, runtime: str, *options: str) -> tuple[float, float]:
    """Cleans scans in a process; returns its seconds and the most memory that it held, in MiB."""
    out.mkdir(parents=True)
    arguments = [*map(str, scans), "-o", str(out), *options]
    command = [sys.executable, "-c", CLEAN, runtime, *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - started, float(re.search(r"MiB (\S+)", done.stdout).group(1))


def table(result: dict) -> str:
    """Lays out what was measured."""
    lines = [
        "| runtime | one page | 540 x 420 | A4, 300 dpi | A3, 300 dpi | memory |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        memory = ", ".join(f"{mib:,.0f}" for mib in row["memory_mib"])
        lines.append(
            f"| {row['runtime']} | {row['seconds_for_one_page']:.1f} s | "
            f"{row['pages_per_second']:.1f}/s | {row['seconds_for_a4']:.1f} s | "
            f"{row['seconds_for_a3']:.1f} s | {memory} MiB |"
        )
    return "\n".join(lines)
