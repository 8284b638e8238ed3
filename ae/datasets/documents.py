"""The dirty documents: scanned pages of prose under coffee, folds, footprints and wrinkles.

NoisyOffice, by Castro-Bleda, España-Boquera, Pastor-Pellicer and Zamora-Martínez, The Computer
Journal 63(11), 2020, doi:10.1093/comjnl/bxz098, CC BY 4.0. Kaggle's "Denoising Dirty Documents"
holds the same pages under numbers instead of names.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ae.datasets import noisy_office
from ae.datasets.fetch import user_folder
from ae.datasets.pictures import decode_grey
from ae.datasets.provenance import Provenance
from ae.errors import InputError, MissingDataError
from ae.paths import DATA, cache_root

import numpy as np
from PIL import Image

REGISTRY = DATA / "dirty_documents.json"
MAX_MEGAPIXELS = 50


@dataclass(frozen=True, eq=False)
class Page:
    """One dirty scan with its clean original, if there is one, and its description."""

    name: str  # the file's name, or one like "synthetic-0007"
    dirty: np.ndarray  # uint8 (height, width), 0 black to 255 white
    clean: np.ndarray | None  # the same shape; None if no original is published
    size: str  # "f" footnote, "L" large or "n" normal
    font: str  # "r" roman, "s" sans serif or "t" typewriter
    emphasis: str  # "e" emphasised (slanted) or "m" medium
    noise: str  # "coffee", "folded", "footprints" or "wrinkled"
    partition: str  # "TR" training, "VA" validation or "TE" test; each has its own text


@dataclass(frozen=True, eq=False)
class Documents:
    """The dirty documents: those to learn from and those to clean."""

    train: tuple[Page, ...]  # with clean originals, partitions TR and VA
    test: tuple[Page, ...]  # without, partition TE
    source: str  # where the pages come from, in one line for people
    synthetic: bool  # whether the pages are generated
    sha256: str  # of all pages, independent of their order and file names

    @property
    def provenance(self) -> Provenance:
        """Where the pages came from, for the record, with a notice if they are generated."""
        notice = "generated pages, not the article's scans" if self.synthetic else ""
        return Provenance(self.source, self.sha256, notice)


def load_documents(data_dir: str | Path | None = None) -> Documents:
    """Loads the published pages from a folder, from the cache, or else from UCI.

    Compares every page with the checksums in data/dirty_documents.json.

    Args:
        data_dir: a folder that contains `dirty_documents` or `NoisyOffice`, or one of these two.
            By default, the folder that AE_DATA_DIR names.

    Returns:
        144 training pages with originals and 72 test pages, in the order of Kaggle's numbers.

    Raises:
        MissingDataError: no source has the pages.
        InputError: a page is missing, damaged or not the published one.
    """
    folder = user_folder(data_dir)
    if folder is not None:
        for place in (folder / "dirty_documents", folder):
            try:
                files = noisy_office.kaggle_files(place) or noisy_office.uci_files(place)
            except OSError as error:
                raise InputError(
                    f"{place} cannot be read ({error.strerror or error}); name another data folder."
                ) from error
            if files:
                return _read_documents(files, f"NoisyOffice in {place}")
        attempt = f"{folder} holds neither dirty_documents nor NoisyOffice"
    else:
        attempt = "AE_DATA_DIR names no folder"
    archive = cache_root() / "noisyoffice.zip"
    if not archive.exists():
        try:
            noisy_office.fetch_zip(archive)
        except (OSError, ValueError) as error:
            raise MissingDataError(
                f"The dirty documents could not be found or fetched: {attempt}; there is no "
                f"{archive}; fetching {noisy_office.URL} failed ({type(error).__name__}). Download "
                f"that file to {archive}, or unpack Kaggle's train.zip, train_cleaned.zip and "
                "test.zip into a folder dirty_documents and set AE_DATA_DIR to the folder around "
                "it, or use generated pages with `--data synthetic`."
            ) from error
    with noisy_office.zip_files(archive) as files:
        return _read_documents(files, f"NoisyOffice in {archive}")


def resize_to_nearest(page: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a uint8 page as Keras 2.2's `load_img` did: each new pixel is the nearest old one."""
    return np.array(Image.fromarray(page).resize((width, height), Image.Resampling.NEAREST))


def digest_page(pixels: np.ndarray) -> str:
    """Returns the hexadecimal sha256 of the line "height width" and the pixels row by row."""
    height, width = pixels.shape
    return hashlib.sha256(b"%d %d\n" % (height, width) + pixels.tobytes()).hexdigest()


def digest_pages(pages: tuple[Page, ...]) -> str:
    """Returns a hexadecimal sha256 of the pages' descriptions, as UCI's names, and pixels."""
    lines = []
    for page in pages:
        name = noisy_office.page_names(
            page.size, page.font, page.emphasis, page.noise, page.partition
        )["dirty"]
        clean = "none" if page.clean is None else digest_page(page.clean)
        lines.append(f"{name} {digest_page(page.dirty)} {clean}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _read_documents(files: noisy_office.Candidates, source: str) -> Documents:
    """Reads every page that the registry lists and compares it."""
    registry = json.loads(REGISTRY.read_text())
    pages = []
    for index in range(noisy_office.NUM_PAGES):
        description = noisy_office.describe_page(index)
        names = noisy_office.page_names(**description)
        if names["dirty"] not in registry["pages"]:
            continue
        if description["partition"] == "TE":
            del names["clean"]
        pixels, labels = {}, {}
        for kind, name in names.items():
            labels[kind], pixels[kind] = _read_page(
                files.get((kind, index), []),
                name,
                registry["pages"][name],
                registry["shapes"][description["size"]],
                source,
            )
        pages.append(Page(labels["dirty"], pixels["dirty"], pixels.get("clean"), **description))
    return Documents(
        train=tuple(page for page in pages if page.partition != "TE"),
        test=tuple(page for page in pages if page.partition == "TE"),
        source=source,
        synthetic=False,
        sha256=digest_pages(tuple(pages)),
    )


def _read_page(
    candidates: list[noisy_office.PageFile],
    name: str,
    sha256: str,
    shape: list[int],
    source: str,
) -> tuple[str, np.ndarray]:
    """Returns the file name and pixels of the first candidate that has the published pixels."""
    problems = []
    for file in candidates:
        try:
            with file.open() as stream:
                pixels = decode_grey(stream, file.label, MAX_MEGAPIXELS)
        except FileNotFoundError:
            problems.append(f"{file.label} is missing")
            continue
        except OSError as error:
            problems.append(f"{file.label} cannot be read ({error.strerror or error})")
            continue
        except InputError as error:
            problems.append(str(error).rstrip("."))
            continue
        if digest_page(pixels) == sha256:
            return file.name, pixels
        rows, columns = pixels.shape
        if [rows, columns] != shape:
            problems.append(
                f"{file.label} has {rows} x {columns} pixels, "
                f"the published page {shape[0]} x {shape[1]}"
            )
        else:
            problems.append(f"{file.label} differs from the published page in its pixels")
    problem = problems[0] if problems else f"{name} is missing from {source}"
    raise InputError(
        f"{problem} ({name}): unpack the data set again and leave it as it is; it is compared "
        "pixel by pixel."
    )
