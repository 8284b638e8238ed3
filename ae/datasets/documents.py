"""The dirty documents: scanned pages of prose under coffee, folds, footprints and wrinkles.

NoisyOffice, by Castro-Bleda, España-Boquera, Pastor-Pellicer and Zamora-Martínez, The Computer
Journal 63(11), 2020, doi:10.1093/comjnl/bxz098, CC BY 4.0. Kaggle's "Denoising Dirty Documents"
holds the same pages under numbers.
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
    """One dirty scan, its clean original where there is one, and what the data set says of it.

    Attributes:
        name: The file's name, or one like "synthetic-0007".
        dirty: uint8 array (height, width), 0 black to 255 white.
        clean: The same shape, or None where no original is published.
        size: "f" footnote, "L" large or "n" normal.
        font: "r" roman, "s" sans serif or "t" typewriter.
        emphasis: "e" emphasised (slanted) or "m" medium.
        noise: "coffee", "folded", "footprints" or "wrinkled".
        partition: "TR" training, "VA" validation or "TE" test; each has a text of its own.
    """

    name: str
    dirty: np.ndarray
    clean: np.ndarray | None
    size: str
    font: str
    emphasis: str
    noise: str
    partition: str


@dataclass(frozen=True, eq=False)
class Documents:
    """The dirty documents, those to learn from and those to clean.

    Attributes:
        train: Pages with a clean original, partitions TR and VA.
        test: Pages without, partition TE.
        source: One line for people: where the pages come from.
        synthetic: Whether the pages were generated.
        sha256: Hexadecimal digest of all pages, whatever their order and file names.
    """

    train: tuple[Page, ...]
    test: tuple[Page, ...]
    source: str
    synthetic: bool
    sha256: str

    @property
    def provenance(self) -> Provenance:
        """Where they came from, for the record; generated ones are announced as such."""
        notice = "generated pages, not the article's scans" if self.synthetic else ""
        return Provenance(self.source, self.sha256, notice)


def load_documents(data_dir: str | Path | None = None) -> Documents:
    """Loads the published pages from a folder, from the cache, or else from UCI.

    Every page is compared with the registry in data/dirty_documents.json, so all sources agree.

    Args:
        data_dir: A folder with `dirty_documents` or `NoisyOffice` in it, or one of these itself;
            by default the environment's AE_DATA_DIR.

    Returns:
        144 training pages with originals and 72 test pages, in the order of Kaggle's numbers.

    Raises:
        MissingDataError: No page can be had.
        InputError: A page is missing, damaged or not the published one.
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
                f"The dirty documents cannot be had: {attempt}; there is no {archive}; fetching "
                f"{noisy_office.URL} failed ({type(error).__name__}). Download that file to "
                f"{archive}, or unpack Kaggle's train.zip, train_cleaned.zip and test.zip into a "
                "folder dirty_documents and set AE_DATA_DIR to the folder around it; "
                "`--data synthetic` uses generated pages instead."
            ) from error
    with noisy_office.zip_files(archive) as files:
        return _read_documents(files, f"NoisyOffice in {archive}")


def resize_to_nearest(page: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a page as Keras 2.2's `load_img` did: each new pixel is the nearest old one.

    Args:
        page: uint8 array (any height, any width).
        height: Rows wanted, in pixels.
        width: Columns wanted, in pixels.

    Returns:
        uint8 array (height, width).
    """
    return np.array(Image.fromarray(page).resize((width, height), Image.Resampling.NEAREST))


def digest_page(pixels: np.ndarray) -> str:
    """Digests one page, its shape included.

    Args:
        pixels: uint8 array (height, width).

    Returns:
        Hexadecimal sha256 of the line "height width" and the pixels row by row.
    """
    height, width = pixels.shape
    return hashlib.sha256(b"%d %d\n" % (height, width) + pixels.tobytes()).hexdigest()


def digest_pages(pages: tuple[Page, ...]) -> str:
    """Digests pages, whatever their order and file names.

    Args:
        pages: The pages, with or without originals.

    Returns:
        Hexadecimal sha256 over the pages' descriptions, as UCI's names give them, and pixels.
    """
    lines = []
    for page in pages:
        name = noisy_office.page_names(
            page.size, page.font, page.emphasis, page.noise, page.partition
        )["dirty"]
        clean = "none" if page.clean is None else digest_page(page.clean)
        lines.append(f"{name} {digest_page(page.dirty)} {clean}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _read_documents(files: noisy_office.Candidates, source: str) -> Documents:
    """Reads every page of the registry and compares it."""
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
    """Reads the first candidate whose pixels are the published ones; returns its file name too."""
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
