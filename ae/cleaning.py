"""Cleaning scans of any size with a trained, fully convolutional network."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ae import console
from ae.datasets.pictures import format_of, read_grey, write_grey
from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, STYLES, Lesson
from ae.networks import Network, codec
from ae.paths import make_folder
from ae.proof import published
from ae.runs.saved import load_network, read_run

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

TILE = 512  # pixels; bounds the memory that a page takes
MARGIN = 8  # pixels; even, and more than the 5 that an output pixel of the cleaner can see


def clean_page(page: np.ndarray, reconstruct: Callable, tile: int = TILE) -> np.ndarray:
    """Cleans a page, uint8 (height, width), tile by tile; the result is that of the whole page.

    Args:
        reconstruct: the network, from (1, h, w, 1) in [0, 1] to the same, for even h and w; an
            output pixel must not depend on input pixels further away than `MARGIN`.
        tile: pixels a side, even.
    """
    height, width = page.shape
    even = np.pad(page, ((0, height % 2), (0, width % 2)), mode="edge")
    cleaned = np.empty_like(even)
    for top in range(0, even.shape[0], tile):
        for left in range(0, even.shape[1], tile):
            rows, row = _with_margin(top, tile, even.shape[0])
            columns, column = _with_margin(left, tile, even.shape[1])
            patch = even[rows, columns][None, :, :, None].astype("float32") / np.float32(255)
            result = reconstruct(patch)[0, row:, column:, 0][:tile, :tile]
            target = cleaned[top : top + tile, left : left + tile]
            target[...] = np.rint(255 * result[: target.shape[0], : target.shape[1]])
    return cleaned[:height, :width]


def _with_margin(start: int, tile: int, size: int) -> tuple[slice, int]:
    first = max(0, start - MARGIN)
    return slice(first, min(size, start + tile + MARGIN)), start - first


def main(lesson: Lesson, arguments: Sequence[str]) -> None:
    """Runs the command `clean`: cleans scans with a network of an earlier run."""
    parser = console.Parser(
        prog=f"{lesson.command} clean", description="Clean scanned pages of any size."
    )
    add = parser.add_argument
    add("pages", nargs="+", type=Path, metavar="IN", help="scans to clean")
    add("-o", "--out", required=True, help="picture to write, or folder for several")
    add("--from", dest="from_run", type=Path, metavar="RUN", default=Path("runs") / lesson.name,
        help="folder of an earlier run, or its .keras file; default: %(default)s")  # fmt: skip
    add("--style", choices=STYLES, help="default: keras, if the run has it")
    add("--overwrite", action="store_true", help="replace pictures that are there already")
    options = parser.parse_args(arguments)
    targets = _targets(options.pages, options.out)
    for path, target in zip(options.pages, targets, strict=True):
        if target.exists() and path.exists() and target.samefile(path):
            raise InputError(f"-o {options.out}: this would overwrite the scan {path}.")
        if os.path.lexists(target) and not options.overwrite:
            raise InputError(
                f"{target} is there already; name another place with -o, or add --overwrite."
            )
        format_of(target)
        read_grey(path)  # so that a page that cannot be read is found before the first is cleaned
    reconstruct = codec(_load_network(lesson, options), batch_size=1).reconstruct
    make_folder(targets[0].parent)
    pages = tqdm(options.pages, unit="page", disable=None)
    for path, target in zip(pages, targets, strict=True):
        cleaned = clean_page(read_grey(path), reconstruct)
        try:
            write_grey(target, cleaned)
        except OSError as error:
            raise InputError(
                f"{target} cannot be written ({error.strerror or error}); name another place."
            ) from error
        print(target)


def _load_network(lesson: Lesson, options: argparse.Namespace) -> Network:
    run = options.from_run
    if run.suffix == ".keras":
        if options.style == "low-level":
            raise InputError(f"{run}: this is a Keras network; leave --style out.")
        training = {"network": ONLY_NETWORK, "style": "keras", "saved": run.name}
        return load_network(lesson, run.parent, training, lesson.presets["article"])
    if not run.exists():
        raise InputError(
            f"{run}: there is no run here; train a network first, "
            f"`{lesson.command} --style low-level`, or name one with --from, such as "
            f"{Path('runs') / 'quick' / lesson.name} after `make run`."
        )
    record, settings = read_run(lesson, run)
    trained = {training["style"]: training for training in record["trainings"]}
    style = options.style or ("keras" if "keras" in trained else "low-level")
    if style not in trained:
        raise InputError(f"{run}: this run has no {style} network.")
    if notice := record["data"]["notice"]:
        print(f"{run}: this run is not of real scans: {notice}", file=sys.stderr)
    if found := published.departures(lesson, record):
        print(
            f"{run}: this run is not at the article's settings ({', '.join(found)}); "
            f"for cleaner pages train with `{lesson.command} --out FOLDER`.",
            file=sys.stderr,
        )
    return load_network(lesson, run, trained[style], settings)


def _targets(pages: Sequence[Path], out: str) -> list[Path]:
    if not out:
        raise InputError("-o: name a picture to write, or a folder.")
    is_folder = out.endswith(os.sep) or Path(out).is_dir()
    out = Path(out)
    if len(pages) == 1 and not is_folder:
        return [out]
    if len({path.stem for path in pages}) < len(pages):
        raise InputError("Two of the pages have the same name; clean them in separate calls.")
    names_picture = not is_folder and out.suffix.lower() in Image.registered_extensions()
    if names_picture or (out.exists() and not out.is_dir()):
        raise InputError(f"-o {out}: several pages need a folder, and this is a file.")
    return [out / f"{path.stem}.png" for path in pages]
