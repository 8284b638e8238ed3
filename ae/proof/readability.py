"""How well the program Tesseract reads a page: its character error rate."""

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
from rapidfuzz.distance import Levenshtein

SCALE = 3  # Tesseract needs letters about 30 pixels high; those of the scans have about 10
COMMAND = ("tesseract", "stdin", "stdout", "-l", "eng", "--psm", "6", "--dpi", "300")


def misreadings_added(network: Network, data: Any, settings: Settings) -> float | None:
    """Subtracts the error rate before cleaning from that after, on one page of each kind of dirt.

    The data have dirty pages `x_val`, clean pages `y_val`, and the kinds of dirt `noise_val`.
    """
    _, first = np.unique(data.noise_val, return_index=True)
    clean, dirty = data.y_val[first], data.x_val[first]
    cleaned = codec(network, batch_size=1).reconstruct(dirty)
    rates = error_rates(clean, dirty, cleaned)
    return None if rates is None else rates[1] - rates[0]


def error_rates(clean: np.ndarray, *others: np.ndarray) -> list[float] | None:
    """Compares what Tesseract reads on pages with what it reads on the clean pages.

    Args:
        clean: pages (n, height, width, 1) in [0, 1]; 0 is black and 1 is white.
        *others: the same pages in other states, such as dirty or cleaned.

    Returns:
        The `character_error_rate` of each state. None if Tesseract is missing, fails or reads
        nothing on the clean pages; then a line on stderr says why.
    """
    if shutil.which(COMMAND[0]) is None:
        return _not_measured("the program tesseract is not installed")
    try:
        references, *readings = [[read(page) for page in pages] for pages in (clean, *others)]
    except (OSError, subprocess.SubprocessError) as error:
        return _not_measured(" ".join(str(error).split()))
    if not any(references):
        return _not_measured("Tesseract reads no text on the clean pages")
    return [character_error_rate(references, texts) for texts in readings]


def _not_measured(why: str) -> None:
    print(f"Readability is not measured: {why}.", file=sys.stderr)


def read(page: np.ndarray) -> str:
    """Reads a page (height, width, 1) in [0, 1] as one block of English text."""
    pixels = np.rint(255 * np.clip(page[..., 0], 0, 1)).astype("uint8")
    height, width = pixels.shape
    picture = Image.fromarray(pixels).resize((SCALE * width, SCALE * height), Image.BICUBIC)
    png = io.BytesIO()
    picture.save(png, "png")
    return _read_png(png.getvalue())


@functools.lru_cache(maxsize=64)  # both styles need the clean and the dirty pages
def _read_png(png: bytes) -> str:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(
        COMMAND, input=png, capture_output=True, check=True, timeout=60, env=environment
    )
    return " ".join(done.stdout.decode(errors="replace").split())


def character_error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """Divides the edits between references and texts by the characters of all references.

    Edits are insertions, deletions and substitutions (Levenshtein's distance).
    """
    edits = sum(Levenshtein.distance(*pair) for pair in zip(references, texts, strict=True))
    return edits / sum(map(len, references))
