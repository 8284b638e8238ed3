"""Ways to clean a page, classical ones and networks, measured on pages that none was fitted on.

Pages are uint8 (height, width), 0 black to 255 white. A way maps a dirty page to a cleaned one.
"""

import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from ae.cleaning.page import PageNetwork, clean_page
from ae.datasets.documents import Page
from ae.datasets.noisy_office import NOISES
from ae.paths import DATA
from ae.proof import readability
from ae.runs.records import read_json
from ae.terminal import bar

import cv2
import numpy as np
from skimage.filters import threshold_sauvola
from skimage.metrics import structural_similarity

Way = Callable[[np.ndarray], np.ndarray]
SAUVOLA = {"window_size": 25, "k": 0.2}  # scikit-image's k; the window holds two lines
ADAPTIVE = (31, 15)  # px, and grey levels below the mean
FOLDS = ("text", "exchanged", *NOISES)  # see `ae.maintain.page_cleaner.judge`
RESULTS = DATA / "cleaners.json"
WINDOWS = (23, 15)  # px of the medians, without and with a tone curve


def classical(pages: Sequence[Page]) -> dict[str, Way]:
    """Returns the classical ways; the tone curve is fitted on these pages.

    unpaper is among them where it is installed.
    """
    ways: dict[str, Way] = {
        "nothing": lambda page: page,
        "Sauvola": lambda page: 255 * (page > threshold_sauvola(page, **SAUVOLA)).astype("uint8"),
        "OpenCV, adaptive": lambda page: cv2.adaptiveThreshold(
            page, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, *ADAPTIVE
        ),
        "over its median": lambda page: _over_median(page, WINDOWS[0]),
    }
    if shutil.which("unpaper"):
        ways["unpaper"] = _unpaper
    curve = tone_curve(pages)
    ways["over its median, tone curve"] = lambda page: curve[_over_median(page, WINDOWS[1])]
    return ways


def by_network(network: PageNetwork) -> Way:
    """Cleans pages at their own scale, which is the one that the networks know."""
    return lambda page: clean_page(page, network)


def tone_curve(pages: Sequence[Page]) -> np.ndarray:
    """Returns what each of the 256 greys of a page over its median becomes at the least error.

    That is the mean of the clean pixels. Greys that do not occur are interpolated.
    """
    total, count = np.zeros(256), np.zeros(256)
    for page in pages:
        greys = _over_median(page.dirty, WINDOWS[1]).ravel()
        total += np.bincount(greys, page.clean.ravel().astype(float), 256)
        count += np.bincount(greys, minlength=256)
    known = np.flatnonzero(count)
    curve = np.interp(np.arange(256), known, total[known] / count[known])
    return np.rint(curve).astype(np.uint8)


def _over_median(page: np.ndarray, window: int) -> np.ndarray:
    paper = np.maximum(cv2.medianBlur(page, window), 1)
    return np.minimum(np.rint(255.0 * page / paper), 255).astype(np.uint8)


def _unpaper(page: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        dirty, clean = Path(folder, "dirty.pgm"), Path(folder, "clean.pgm")
        cv2.imwrite(str(dirty), page)
        command = ["unpaper", "--quiet", "--no-deskew", "--no-mask-scan", str(dirty), str(clean)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return cv2.imread(str(clean), cv2.IMREAD_GRAYSCALE)


def measure(ways: dict[str, Way], pages: Sequence[Page]) -> list[dict]:
    """Measures for each way: RMSE of all pages and of each kind of dirt, SSIM and reading errors.

    RMSE and SSIM are in [0, 1]; "misread" is Tesseract's character error rate against what it reads
    on the clean pages, or None without Tesseract.
    """
    rows, cleaned = [], []
    for name, way in ways.items():
        results = [way(page.dirty) for page in bar(name, unit="page", iterable=pages)]
        squared, alike = defaultdict(list), []
        for page, result in zip(pages, results, strict=True):
            squared[page.noise].append(np.mean((result / 255.0 - page.clean / 255.0) ** 2))
            alike.append(structural_similarity(result, page.clean))
        everything = np.concatenate(list(squared.values()))
        kinds = {kind: float(np.sqrt(np.mean(each))) for kind, each in sorted(squared.items())}
        rmse = float(np.sqrt(everything.mean()))
        rows.append({"way": name, "rmse": rmse, **kinds, "ssim": float(np.mean(alike))})
        cleaned.append([_as_input(result) for result in results])
    rates = readability.error_rates([_as_input(page.clean) for page in pages], *cleaned)
    return [{**row, "misread": rates and rates[i]} for i, row in enumerate(rows)]


def table() -> str:
    """Lays out data/cleaners.json for a README."""
    folds = read_json(RESULTS)["folds"]
    kinds = sorted(NOISES)
    head = ["way", "RMSE", *kinds, "SSIM", "misread"]
    rows = [head, ["---"] * len(head)]
    *others, ours = folds["text"]["rows"]
    of_article = folds["article"]["rows"] if "article" in folds else []
    rows += [_row(row["way"], row, kinds) for row in (*others, *of_article, ours)]
    if "exchanged" in folds:
        rows.append(_row("ours, texts exchanged", folds["exchanged"]["rows"][0], kinds))
    without = {kind: folds[kind]["rows"][0][kind] for kind in kinds if kind in folds}
    if without:
        rows.append(_row("ours, never saw this kind of dirt", without, kinds))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name: str, measured: dict, kinds: Sequence[str]) -> list[str]:
    numbers = [measured.get(key) for key in ("rmse", *kinds, "ssim")]
    misread = measured.get("misread")
    cells = ["" if number is None else f"{number:.3f}" for number in numbers]
    return [name, *cells, "" if misread is None else f"{misread:.1%}"]


def _as_input(page: np.ndarray) -> np.ndarray:
    return page[..., None] / 255.0
