"""The dirty documents: scanned pages of prose under coffee, folds, footprints and wrinkles.

NoisyOffice, by Castro-Bleda, España-Boquera, Pastor-Pellicer and Zamora-Martínez, The Computer
Journal 63(11), 2020, doi:10.1093/comjnl/bxz098, CC BY 4.0. Kaggle's "Denoising Dirty Documents"
holds the same pages under numbers instead of names.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ae.datasets import noisy_office
from ae.datasets.fetch import user_folder
from ae.datasets.registry import Provenance, SourceError
from ae.errors import InputError, MissingDataError
from ae.paths import DATA, cache_root
from ae.pictures import decode_grey
from ae.terminal import bar

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
    provenance: Provenance  # with a notice if the pages are generated

    @property
    def synthetic(self) -> bool:
        """Whether the pages are generated."""
        return bool(self.provenance.notice)


def load_documents(data_dir: str | Path | None = None) -> Documents:
    """Loads the published pages from a folder, from the cache, or from `noisy_office.ARCHIVES`.

    There are 144 training pages with originals and 72 test pages, in the order of Kaggle's numbers.
    Every page is compared with its checksum in data/dirty_documents.json. `data_dir` contains
    `dirty_documents` or `NoisyOffice`, or is one of them; by default AE_DATA_DIR names it.

    Raises:
        MissingDataError: no source has the pages.
        InputError: `data_dir` has no pages, or a page is missing, damaged or not the published one.
    """
    folder = user_folder(data_dir)
    attempt = ""
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
        if data_dir is not None:
            raise InputError(
                f"{folder} holds neither dirty_documents nor NoisyOffice; put the scans there, or "
                "leave --data-dir out."
            )
        attempt = f", and {folder} holds neither dirty_documents nor NoisyOffice"
    try:
        archive = noisy_office.archive_in(cache_root())
    except SourceError as error:
        raise MissingDataError(
            f"The scans could not be fetched from {error}{attempt}.\n"
            f"Download {noisy_office.ARCHIVES[0].url} to {cache_root()}, see data/README.md for "
            "another way, or take generated pages with --data synthetic."
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


def digest_pages(pages: Iterable[Page]) -> str:
    """Returns a hexadecimal sha256 of all pages, independent of their order and file names."""
    lines = []
    for page in pages:
        kind = (page.size, page.font, page.emphasis, page.noise, page.partition)
        name = noisy_office.page_names(*kind)["dirty"]
        clean = "none" if page.clean is None else digest_page(page.clean)
        lines.append(f"{name} {digest_page(page.dirty)} {clean}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _read_documents(candidates: noisy_office.Candidates, source: str) -> Documents:
    """Reads every page that the registry lists and compares it."""
    digests = json.loads(REGISTRY.read_text())["pages"]
    pages = []
    for index in bar("scans", unit="page", iterable=range(noisy_office.NUM_PAGES)):
        description = noisy_office.describe_page(index)
        names = noisy_office.page_names(**description)
        if names["dirty"] not in digests:
            continue
        if description["partition"] == "TE":
            del names["clean"]
        read = {
            kind: _read_page(candidates.get((kind, index), []), name, digests[name], source)
            for kind, name in names.items()
        }
        file, dirty = read["dirty"]
        clean = read["clean"][1] if "clean" in read else None
        pages.append(Page(file, dirty, clean, **description))
    return Documents(
        train=tuple(page for page in pages if page.partition != "TE"),
        test=tuple(page for page in pages if page.partition == "TE"),
        provenance=Provenance(source, digest_pages(pages)),
    )


def _read_page(
    files: Iterable[noisy_office.PageFile], name: str, sha256: str, source: str
) -> tuple[str, np.ndarray]:
    """Returns the file name and pixels of the first file that has the published pixels."""
    problems = []
    for file in files:
        try:
            with file.open() as stream:
                pixels = decode_grey(stream, file.label, MAX_MEGAPIXELS)
            if digest_page(pixels) == sha256:
                return file.name, pixels
            problems.append(f"{file.label} differs from the published page in its pixels")
        except FileNotFoundError:
            problems.append(f"{file.label} is missing")
        except OSError as error:
            problems.append(f"{file.label} cannot be read ({error.strerror or error})")
        except InputError as error:
            problems.append(str(error).rstrip("."))
    problem = problems[0] if problems else f"{name} is missing from {source}"
    raise InputError(
        f"{problem} ({name}): unpack the data set again and leave it as it is; it is compared "
        "pixel by pixel."
    )
