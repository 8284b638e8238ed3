"""Pages of the user's own, dirty and clean, in place of NoisyOffice."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ae.datasets.documents import Documents, Page, digest_page
from ae.datasets.own_images import pictures_in
from ae.datasets.registry import Provenance
from ae.errors import InputError
from ae.pictures import read_grey
from ae.terminal import bar

import numpy as np

HEIGHT, WIDTH = 258, 540  # pixels of a part: the network's input in the article
TEST_SHARE = 7  # one page of seven is a test page
LEAST = 3  # pairs: to train on, to validate on and to test


class OwnPairs(NamedTuple):
    """Two folders of pages; a dirty page and its clean original have the same name."""

    dirty: Path
    clean: Path
    seed: int  # of the split into training, validation and test pages


def read_pairs(own: OwnPairs) -> Documents:
    """Reads pages and cuts them into parts of 258 x 540 pixels, at their own resolution.

    A page that is smaller is filled up with white. Dirty pages without an original are test pages;
    if there are none, one pair of seven is. Of the other pairs one of seven is of partition VA.

    Raises:
        InputError: a folder is missing, there are fewer than 3 pairs, a page cannot be read, or a
            pair differs in its size.
    """
    dirty, clean = (
        {path.relative_to(folder).with_suffix(""): path for path in pictures_in(folder)}
        for folder in (own.dirty, own.clean)
    )
    names = [name for name in dirty if name in clean]
    if len(names) < LEAST:
        raise InputError(
            f"{own.dirty} and {own.clean} have {len(names)} pairs; give a dirty page and its clean "
            f"original the same name, and {LEAST} pairs or more."
        )
    names = [names[i] for i in np.random.default_rng(own.seed).permutation(len(names))]
    test = [name for name in dirty if name not in clean]
    share = -(-len(names) // TEST_SHARE)
    if not test:
        test, names = names[:share], names[share:]
    partitions = {**dict.fromkeys(names, "TR"), **dict.fromkeys(names[:share], "VA")}
    pages: dict[bool, list[Page]] = {True: [], False: []}
    for name in bar("pages", unit="page", iterable=[*names, *test]):
        original = clean[name] if name in partitions else None
        pages[original is None] += _parts(dirty[name], original, partitions.get(name, "TE"))
    arrays = [array for page in pages[False] for array in (page.dirty, page.clean)]
    arrays += [page.dirty for page in pages[True]]
    return Documents(
        train=tuple(pages[False]),
        test=tuple(pages[True]),
        provenance=Provenance(
            f"pages in {own.dirty} and {own.clean}",
            hashlib.sha256("".join(map(digest_page, arrays)).encode()).hexdigest(),
            f"{len(names) + len(test):,} own pages in parts of {HEIGHT} x {WIDTH} pixels; not the "
            "article's",
        ),
    )


def _parts(path: Path, original: Path | None, partition: str) -> Iterator[Page]:
    """Yields the whole parts of a page, row by row."""
    dirty = _filled(read_grey(path))
    clean = dirty if original is None else _filled(read_grey(original))
    if dirty.shape != clean.shape:
        raise InputError(
            f"{path} and {original} differ in their sizes; save both at the same resolution."
        )
    height, width = dirty.shape
    for top in range(0, height - HEIGHT + 1, HEIGHT):
        for left in range(0, width - WIDTH + 1, WIDTH):
            part = slice(top, top + HEIGHT), slice(left, left + WIDTH)
            yield Page(
                name=f"{path.name} {top}+{left}",
                dirty=dirty[part],
                clean=None if original is None else clean[part],
                size="",
                font="",
                emphasis="",
                noise="own",
                partition=partition,
            )


def _filled(page: np.ndarray) -> np.ndarray:
    height, width = page.shape
    missing = (0, max(0, HEIGHT - height)), (0, max(0, WIDTH - width))
    return np.pad(page, missing, constant_values=255)
