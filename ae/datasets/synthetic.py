"""Synthetic dirty documents: generated pages that stand in for NoisyOffice.

They follow its sizes, fonts, counts and statistics. Every page has its own paper and its own text,
so a network cannot learn one page's background and recall it on another.
"""

import os
import sys

from ae.datasets import dirt
from ae.datasets.documents import Documents, Page, digest_pages, load_documents
from ae.datasets.noisy_office import describe_page
from ae.datasets.own_pages import OwnPairs, read_pairs
from ae.datasets.registry import Provenance
from ae.datasets.typesetting import typeset_page
from ae.errors import MissingDataError
from ae.terminal import bar

import numpy as np

PAPERS = {
    "coffee": dirt.stain_with_coffee,
    "folded": dirt.fold,
    "footprints": dirt.tread,
    "wrinkled": dirt.wrinkle,
}
INK_NOISE = 8  # standard deviation, grey levels


def synthetic_documents(seed: int = 0, num_train: int = 144, num_test: int = 72) -> Documents:
    """Generates dirty documents with the descriptions of the real ones, in the same order.

    Test pages (partition TE) have no clean originals. Page i depends only on the seed and on i, so
    the first pages stay the same if more are asked for. The same versions of NumPy, Pillow and
    SciPy give the same bits.
    """
    train, test = [], []
    index = 0
    with bar("generated pages", num_train + num_test, "page") as progress:
        while len(train) < num_train or len(test) < num_test:
            is_test = describe_page(index)["partition"] == "TE"
            pages, wanted = (test, num_test) if is_test else (train, num_train)
            if len(pages) < wanted:
                pages.append(_generate_page(seed, index))
                progress.update()
            index += 1
    return Documents(
        train=tuple(train),
        test=tuple(test),
        provenance=Provenance(
            source=f"synthetic pages, seed {seed}",
            sha256=digest_pages([*train, *test]),
            notice="generated pages, not the article's scans",
        ),
    )


def _generate_page(seed: int, index: int) -> Page:
    description = describe_page(index)
    rng = np.random.default_rng([seed, index])
    typeset = dict(description)
    noise = typeset.pop("noise")
    clean = typeset_page(rng, **typeset)
    paper = PAPERS[noise](rng, *clean.shape)
    return Page(
        name=f"synthetic-{index + 1:04}",
        dirty=print_on(rng, clean, paper, fades=noise in ("folded", "wrinkled")),
        clean=None if description["partition"] == "TE" else clean,
        **description,
    )


def print_on(
    rng: np.random.Generator, clean: np.ndarray, paper: np.ndarray, fades: bool
) -> np.ndarray:
    """Prints a uint8 page on a float sheet, both (height, width), 0 black to 255 white.

    If the ink `fades`, it is paler where the sheet is darker, as in creases. The formula was fitted
    to NoisyOffice's pages.
    """
    c = clean.astype(np.float32) / 255
    ink = 0.8 * (255 - paper) + 12 if fades else np.float32(15)
    ink = ink + INK_NOISE * rng.standard_normal(clean.shape, np.float32)
    return np.clip(np.rint(paper * c + ink * (1 - c)), 0, 255).astype(np.uint8)


def load_or_generate_documents(
    kind: str, data_dir: str | os.PathLike | OwnPairs | None, seed: int
) -> Documents:
    """Loads the "real" pages as `load_documents` does, or generates "synthetic" ones.

    The kind "auto" generates pages if no source has the real ones, but not if they are damaged. If
    `data_dir` is `OwnPairs`, these are loaded instead.
    """
    if isinstance(data_dir, OwnPairs):
        return read_pairs(data_dir)
    if kind == "synthetic":
        return synthetic_documents(seed)
    try:
        return load_documents(data_dir)
    except MissingDataError as error:
        if kind == "real":
            raise
        what, _, _ = str(error).partition("\n")
        how = "data/README.md says how to get the scans"
        print(f"{what}\nUsing generated pages instead; {how}.", file=sys.stderr)
        return synthetic_documents(seed)
