"""Measures the pictures that articles' notebooks published, and keeps the numbers.

A picture is read at the centres of cells, as its `Grid` says. matplotlib 2 draws an image by its
nearest pixels and widens it to whole pixels of the picture. The boxes follow that: in the manifold,
every border between cells that differ is where its box says.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ae import datasets, lessons
from ae.datasets import documents
from ae.errors import InputError
from ae.proof import pictures
from ae.runs.records import write_json

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

STEWART = "mrdragonbear/Autoencoders, Autoencoder-Tutorial.ipynb, the article author's notebook"
DAMIEN = "aymericdamien/TensorFlow-Examples, notebooks/3_NeuralNetworks/autoencoder.ipynb"
NEAR = 0.25  # a pixel whose digit above reads wrong by more is under a number of an axis
# The test digits in the canvases of 4 x 4, row by row: found by comparing all of them.
CANVAS = [6509, 5335, 8229, 5835, 6714, 5091, 3397, 4816]
CANVAS += [8116, 2783, 2596, 6085, 2199, 6833, 4300, 5742]
SIDE = 20  # tiles across and down a manifold


class Grid(NamedTuple):
    """Where a picture is read: pixels of the PNG, from its left and its top."""

    box: tuple[float, ...]  # left, top, right and bottom of the first axes
    step: tuple[float, float] = (0, 0)  # to the next axes across and down
    axes: tuple[int, int] = (1, 1)  # how many across and down
    cells: tuple[int, int] = (28, 28)  # rows and columns of pixels of the image in each


class Source(NamedTuple):
    """A published picture."""

    lesson: str
    notebook: str
    grid: Grid
    note: str = "not measured on these runs"


GARMENTS = Grid((27, 10, 797, 780), (923.5, 0), (5, 1))
PAGE = Grid((33, 11, 368, 171), cells=pictures.PAGE)
DIGITS = Grid((33, 10, 251, 228), cells=(112, 112))
MANIFOLD = Grid((33, 10, 1121, 1098), cells=(560, 560))
SOURCES = {
    "sigmoid_ae_run_2016": Source(
        "sigmoid_ae",
        f"{DAMIEN}, commit 7d611fd",
        Grid((124.75, 23, 191.75, 89), (78.81, 87), (10, 2)),
    ),
    "sigmoid_ae_run_2017": Source(
        "sigmoid_ae",
        f"{DAMIEN}, commit b2193ab",
        Grid((27, 9, 75, 57), (56.746, 60), (10, 2)),
    ),
    "sigmoid_ae_30000_steps_originals": Source("sigmoid_ae", f"{DAMIEN}, a later state", DIGITS),
    "sigmoid_ae_30000_steps_reconstructions": Source(
        "sigmoid_ae", f"{DAMIEN}, a later state", DIGITS, "our runs take 4,280 steps"
    ),
    "conv_denoiser_clean": Source("conv_denoiser", STEWART, GARMENTS),
    "conv_denoiser_noisy": Source("conv_denoiser", STEWART, GARMENTS),
    "conv_denoiser_output": Source("conv_denoiser", STEWART, GARMENTS),
    "document_cleaner_input": Source("document_cleaner", STEWART, PAGE),
    "document_cleaner_target": Source("document_cleaner", STEWART, PAGE),
    "document_cleaner_test_input": Source("document_cleaner", STEWART, PAGE),
    "document_cleaner_test_output": Source("document_cleaner", STEWART, PAGE),
    "fashion_vae_manifold": Source("fashion_vae", STEWART, MANIFOLD),
    "fashion_vae_dense_manifold": Source(
        "fashion_vae", STEWART, MANIFOLD, "the article leaves this dense network out"
    ),
    "fashion_vae_latent": Source("fashion_vae", STEWART, Grid((29, 11, 475, 555))),
}
# What a picture shows by itself, by quantity.
SAME_PAGE = "it shows our page, resized as ours is"
OURS, OF_PAGE = (
    "Correlation of a tile with our image",
    "Mean difference from our {}, in grey levels",
)
LACKS, SPOT = "Grey levels that the colour map {} lacks", "Width of a spot, in pixels of 1/72 inch"
BAR_COLOURS = "Colours of the bar"
NOTES = {
    OURS: "it shows our images",
    **{OF_PAGE.format(page): SAME_PAGE for page in ("198.png", "clean 198.png", "184.png")},
    LACKS.format("gray"): "its colour map is gray",
    LACKS.format("Greys_r"): "its colour map is another",
    SPOT: "spots have matplotlib's own size, s=36",
    BAR_COLOURS: "the bar is continuous",
}
# Of the plane of codes, two ticks of each axis: their pixel and their number.
TICKS = ((51, -4), (429, 4)), ((11, 6), (535, -6))
BAR = 516  # a column of pixels in its bar of colours
PAPER = 240  # the darkest that white paper is at the edge of a spot


def keep(folder: Path) -> Path:
    """Measures all published pictures in a folder, and keeps the numbers.

    Raises:
        InputError: if one of them is missing or is no picture.
    """
    read, kept = {}, {}
    for name, source in SOURCES.items():
        path = folder / f"{name}.png"
        try:
            with Image.open(path) as picture:
                read[name] = np.asarray(picture.convert("RGB"))
        except OSError as error:
            raise InputError(f"{path} cannot be read; give a folder with this picture.") from error
        kept[name] = {
            "lesson": source.lesson,
            "notebook": source.notebook,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "grid": source.grid._asdict(),
        }
    for of_lesson in (_digits, _garments, _pages, _codes):
        for name, values in of_lesson(read).items():
            kept[name] |= {
                "values": {key: np.ravel(v).round(4).tolist() for key, v in values.items()},
                "notes": {key: NOTES.get(key, SOURCES[name].note) for key in values},
            }
    return write_json(pictures.PATH, kept)


def cells(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """Reads the colours (axes, rows, columns, 3) at the centres of a grid's cells.

    The frame hides up to two pixels at each edge; those beside them stand for them.
    """

    def centres(low: float, high: float, number: int) -> np.ndarray:
        at = np.floor(low + (np.arange(number) + 0.5) * (high - low) / number)
        return np.clip(at, low + pictures.FRAME, high - pictures.FRAME - 1).astype(int)

    (left, top, right, bottom), (across, down) = grid.box, grid.axes
    read = []
    for row in range(down):
        for column in range(across):
            x, y = round(grid.step[0] * column), round(grid.step[1] * row)
            rows = centres(top + y, bottom + y, grid.cells[0])
            read.append(pixels[rows][:, centres(left + x, right + x, grid.cells[1])])
    return np.stack(read)


def levels(colours: np.ndarray, colour_map: str) -> np.ndarray:
    """Reads values in [0, 1] from colours (..., 3): those of the nearest colours of a map."""
    known = 255 * colormaps[colour_map](np.arange(256))[:, :3]
    return np.square(colours[..., None, :] - known).sum(axis=-1).argmin(axis=-1) / 255


def tiles(canvas: np.ndarray, side: int) -> np.ndarray:
    """Takes a square canvas of images apart: (side * side, height, width), row by row."""
    size = len(canvas) // side
    return canvas.reshape(side, size, side, size).swapaxes(1, 2).reshape(-1, size, size)


def _grey(read: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    return cells(read[name], SOURCES[name].grid)[..., 0] / 255


def _digits(read: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    x_test = datasets.load_mnist().x_test / 255
    found = {}
    for name, colour_map in (("sigmoid_ae_run_2016", "jet"), ("sigmoid_ae_run_2017", "viridis")):
        shown, made = np.split(levels(cells(read[name], SOURCES[name].grid), colour_map), 2)
        made[np.abs(shown - x_test[:10]) > NEAR] = np.nan
        found[name] = pictures.measured(name, x_test[:10], made)
    shown, made = "sigmoid_ae_30000_steps_originals", "sigmoid_ae_30000_steps_reconstructions"
    x = x_test[CANVAS]
    originals = pictures.correlations(x, tiles(_grey(read, shown)[0], 4))
    found[shown] = {OURS: originals}
    found[made] = pictures.measured(made, x, tiles(_grey(read, made)[0], 4))
    return found


def _garments(read: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    denoiser = lessons.load("conv_denoiser")
    x = denoiser.load(denoiser.presets["smoke"], None).x_shown[..., 0]
    clean = pictures.correlations(x, _grey(read, "conv_denoiser_clean"))
    found = {"conv_denoiser_clean": {OURS: clean}}
    for name in ("conv_denoiser_noisy", "conv_denoiser_output"):
        found[name] = pictures.measured(name, x, _grey(read, name))
    return found


def _pages(read: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    pages = documents.load_documents()
    (train,) = [page for page in pages.train if page.name == "198.png"]
    (test,) = [page for page in pages.test if page.name == "184.png"]
    shown = {
        "document_cleaner_input": ("198.png", train.dirty),
        "document_cleaner_target": ("clean 198.png", train.clean),
        "document_cleaner_test_input": ("184.png", test.dirty),
    }
    found = {}
    for name, (page, pixels) in shown.items():
        ours = pictures.as_drawn(datasets.resize_to_nearest(pixels, 258, 540) / 255)
        apart = 255 * np.mean(np.abs(_page(read, name) - ours))
        found[name] = {OF_PAGE.format(page): apart}
    name = "document_cleaner_test_output"
    return {**found, name: pictures.measured(name, _page(read, name))}


def _page(read: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    inside = slice(pictures.FRAME, -pictures.FRAME)
    return _grey(read, name)[0, inside, inside]


def _codes(read: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    found = {}
    for name in ("fashion_vae_manifold", "fashion_vae_dense_manifold"):
        shown = tiles(_grey(read, name)[0], SIDE)
        found[name] = pictures.measured("fashion_vae_manifold", shown, SIDE)
        for colour_map in ("gray", "Greys_r"):  # matplotlib 2 rounds down
            known = (255 * colormaps[colour_map](np.arange(256))[:, 0]).astype("uint8")
            lacking = np.setdiff1d(np.rint(255 * shown), known).size
            found[name][LACKS.format(colour_map)] = lacking
    return {**found, "fashion_vae_latent": _scatter(read["fashion_vae_latent"])}


def _scatter(pixels: np.ndarray) -> dict[str, Any]:
    """Measures the plane of codes: how far its spots reach, their size, the colours of its bar."""
    left, top, right, bottom = SOURCES["fashion_vae_latent"].grid.box
    spots = (pixels[top + 2 : bottom - 2, left + 2 : right - 2] < PAPER).any(axis=-1)
    parts = ndimage.find_objects(ndimage.label(spots)[0])
    size = min(across.stop - across.start for _, across in parts)  # of a spot that is alone
    corners = np.array([np.flatnonzero(spots.any(axis=axis))[[0, -1]] for axis in (0, 1)])
    lengths = np.ptp(corners, axis=1) + 1 - size  # from centre to centre, in pixels
    units = [abs((b - a) / (end - start)) for (start, a), (end, b) in TICKS]
    codes = np.array([[0, 0], lengths * units])
    return {
        **pictures.measured("fashion_vae_latent", codes),
        SPOT: size,
        BAR_COLOURS: len(np.unique(pixels[top + 2 : bottom - 2, BAR], axis=0)),
    }
