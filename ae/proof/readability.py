"""How well a program reads a page: the character error rate of Tesseract."""

import functools
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ae.lesson import Settings
from ae.networks import Network, codec

import numpy as np
from PIL import Image

SCALE = 3  # Tesseract wants letters of some 30 pixels; those of the scans have a third of that
COMMAND = ("tesseract", "stdin", "stdout", "-l", "eng", "--psm", "6", "--dpi", "300")


def error_rates(clean: np.ndarray, *others: np.ndarray) -> list[float] | None:
    """Compares what Tesseract reads on pages with what it reads on their clean originals.

    Args:
        clean: pages (n, height, width, 1) in [0, 1], 0 black and 1 white.
        *others: the same pages in other states.

    Returns:
        The character error rate of each state: the edits that turn what is read there into what is
        read on the clean pages, as a share of the latter's characters. None where there is no
        Tesseract, or it fails, or reads nothing on the clean pages; a line on stderr says so.
    """
    if shutil.which(COMMAND[0]) is None:
        print("Readability is not measured: there is no program tesseract.", file=sys.stderr)
        return None
    try:
        references, *readings = [[read(page) for page in pages] for pages in (clean, *others)]
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Readability is not measured: {' '.join(str(error).split())}.", file=sys.stderr)
        return None
    if not any(references):
        print("Readability is not measured: the clean pages hold no text.", file=sys.stderr)
        return None
    return [character_error_rate(references, texts) for texts in readings]


def misreadings_added(network: Network, data: Any, settings: Settings) -> float | None:
    """Returns the character error rate after cleaning minus before, on a page of each kind.

    Args:
        network: what cleans pages.
        data: has `x_val`, dirty pages, `y_val`, the clean ones, and `noise_val`, kinds of dirt.
        settings: those of the network.
    """
    _, first = np.unique(data.noise_val, return_index=True)
    clean, dirty = data.y_val[first], data.x_val[first]
    cleaned = codec(network, batch_size=1).reconstruct(dirty)
    rates = error_rates(clean, dirty, cleaned)
    return None if rates is None else rates[1] - rates[0]


def read(page: np.ndarray) -> str:
    """Reads one page (height, width, 1) in [0, 1] as one block of English text.

    Raises:
        OSError: Tesseract cannot be started.
        subprocess.SubprocessError: Tesseract fails.
    """
    pixels = np.rint(255 * np.clip(page[..., 0], 0, 1)).astype("uint8")
    height, width = pixels.shape
    picture = Image.fromarray(pixels).resize((SCALE * width, SCALE * height), Image.BICUBIC)
    png = io.BytesIO()
    picture.save(png, "png")
    return _read_png(png.getvalue())


@functools.lru_cache(maxsize=64)  # the clean and the dirty pages are read once, not for each style
def _read_png(png: bytes) -> str:
    done = subprocess.run(
        COMMAND,
        input=png,
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    return " ".join(done.stdout.decode(errors="replace").split())


def character_error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """Returns the edits that turn texts into their references, as a share of the references."""
    edits = sum(edit_distance(*pair) for pair in zip(references, texts, strict=True))
    return edits / sum(map(len, references))


def edit_distance(one: str, two: str) -> int:
    """Counts the insertions, deletions and substitutions that one string is away from another.

    This is Levenshtein's distance, row by row: entry j of row i is that of the first i characters
    of one string from the first j of the other.
    """
    letters = np.array(list(two), dtype="U1")
    columns = np.arange(len(two) + 1)
    row = columns
    for i, letter in enumerate(one, start=1):
        substituted = row[:-1] + (letters != letter)
        best = np.concatenate([[i], np.minimum(row[1:] + 1, substituted)])
        row = np.minimum.accumulate(best - columns) + columns  # then insert, as often as it pays
    return int(row[-1])
