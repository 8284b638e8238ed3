"""Cleans one page of any size, with a network that knows print of one size.

The network works at the scale on which ordinary print has the height of that in NoisyOffice. A page
of a finer scan is shrunk for it, and what the network did is carried over to the page as it is: in
each small window the cleaned page is taken as a linear function of the page, and that function is
applied to the page's own pixels (K. He and J. Sun, "Fast guided filter", arXiv:1505.00996, 2015).
So a cleaned page is as sharp as the scan.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

TILE = 768  # px; bounds the memory that a page takes
STRIP = 2**22  # px of a fine page that are computed at once
LARGEST = 5000  # px a side; letters of larger pages are measured on a smaller copy
LETTER = 12.0  # px; height of ordinary letters in NoisyOffice, as `letter_height` finds it
FEWEST_LETTERS = 30
DPI = 125  # at which 10-point print has letters of that height
FINEST, COARSEST = 1.5, 0.6  # times LETTER; in between the network needs no other scale
RADIUS = 1  # px; half a window's size, without its middle
SPREAD = 1e-4  # variance of a window's pixels, in [0, 1], below which it counts as even
COLORFUL = 30  # grey levels between the channels of a pixel that has color
FEWEST_COLORED = 2e-4  # share of such pixels that makes a page a colored one
INK = 0.75  # a pixel that is darker, over its surroundings, counts as ink ...
GONE = 0.9  # ... and is gone if it has more than this afterwards
MOST_INK = 0.5  # share of a page's ink; if cleaning takes more, the page stays as it is
DITHERED = 0.1  # share of pixels that differ from most around them, where greys are dots
SCALES = 0.3, 20  # that somebody may ask for
DPIS = 50, 2400  # that scanners give; a file or an option with another one is wrong
UNTRUSTED_DPI = (72, 96)


class PageNetwork(NamedTuple):
    """A network that cleans pages, and what must be known to apply it in tiles."""

    features: Callable  # from a page, uint8 (h, w), to what the network takes, float32 (h, w, c)
    apply: Callable  # from features (1, h, w, c) to cleaned pages (1, h, w, 1) in [0, 1]
    stride: int  # h and w are multiples of it
    reach: int  # px; an output pixel depends on no input further away; a multiple of the stride
    edge: int  # px; by so much a page is continued by its mirror image; so is this


def restore(
    page: np.ndarray, network: PageNetwork, dpi: float | None = None, scale: float | None = None
) -> tuple[np.ndarray, float]:
    """Cleans a page, grey or in color, unless that would remove most of what is dark on it.

    Args:
        dpi: dots an inch, as its file says.
        scale: see `clean_page`; default: `scale_of` the page.

    Returns:
        The cleaned page and 0; or the page as it is, and the share that would be lost.
    """
    scale = scale_of(page, dpi) if scale is None else scale
    cleaned = clean_page(page, network, scale)
    lost = ink_lost(page, cleaned, scale)
    return (page, lost) if lost > MOST_INK else (cleaned, 0.0)


def clean_page(page: np.ndarray, network: PageNetwork, scale: float = 1.0) -> np.ndarray:
    """Cleans a grey page, uint8 (height, width), or each channel of a page (height, width, 3).

    Args:
        scale: the page's size over the size that the network knows, as `scale_of` returns it.
    """
    if page.ndim == 3:
        result = np.empty_like(page)
        for c in range(page.shape[2]):
            result[:, :, c] = clean_page(np.ascontiguousarray(page[:, :, c]), network, scale)
        return result
    if COARSEST <= scale <= FINEST:
        return clean_in_tiles(page, network)
    height, width = (max(8, round(size / scale)) for size in page.shape)
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    small = cv2.resize(page, (width, height), interpolation=how)
    cleaned = clean_in_tiles(small, network)
    if scale < 1:
        return cv2.resize(cleaned, page.shape[::-1], interpolation=cv2.INTER_AREA)
    return _carry_over(page, small, cleaned)


def clean_in_tiles(page: np.ndarray, network: PageNetwork, tile: int = TILE) -> np.ndarray:
    """Cleans a page at the network's own scale; the result is that of the whole page."""
    edge, reach = network.edge, network.reach
    after = [edge + -size % network.stride for size in page.shape]
    whole = np.pad(page, [(edge, end) for end in after], mode="symmetric")
    cleaned = np.empty_like(whole)
    for top in range(0, whole.shape[0], tile):
        for left in range(0, whole.shape[1], tile):
            first = max(0, top - reach), max(0, left - reach)
            patch = whole[first[0] : top + tile + reach, first[1] : left + tile + reach]
            result = network.apply(network.features(patch)[None])[0, :, :, 0]
            result = result[top - first[0] :, left - first[1] :][:tile, :tile]
            target = cleaned[top : top + tile, left : left + tile]
            target[...] = np.rint(255 * np.clip(result, 0, 1))
    return cleaned[edge : edge + page.shape[0], edge : edge + page.shape[1]]


def _carry_over(page: np.ndarray, small: np.ndarray, cleaned: np.ndarray) -> np.ndarray:
    """Does to a page what was done to its small copy."""
    x, y = small.astype(np.float32) / 255, cleaned.astype(np.float32) / 255

    def mean(values):
        size = (2 * RADIUS + 1, 2 * RADIUS + 1)
        return cv2.blur(values, size, borderType=cv2.BORDER_REFLECT)

    slope = (mean(x * y) - mean(x) * mean(y)) / (mean(x * x) - mean(x) ** 2 + SPREAD)
    offset = mean(y) - slope * mean(x)
    slope, offset = mean(slope), mean(offset)
    result = np.empty_like(page)
    height = max(1, STRIP // page.shape[1])
    for top in range(0, len(page), height):
        rows = page[top : top + height]
        slopes = _enlarged(slope, page.shape, top, len(rows))
        offsets = _enlarged(offset, page.shape, top, len(rows))
        result[top : top + height] = np.clip(np.rint(slopes * rows + 255 * offsets), 0, 255)
    return result


def _enlarged(small: np.ndarray, shape: tuple[int, int], top: int, rows: int) -> np.ndarray:
    """Enlarges an image to a shape, between its pixels linearly; computes only some rows."""
    down, across = (s / f for s, f in zip(small.shape, shape, strict=True))
    first = max(0, int(top * down) - 2)
    needed = small[first : int((top + rows) * down) + 3]
    # Where the middle of an enlarged pixel lies among those of the needed rows.
    move = np.float64([[across, 0, across / 2 - 0.5], [0, down, (top + 0.5) * down - 0.5 - first]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = shape[1], rows
    return cv2.warpAffine(needed, move, size, flags=how, borderMode=cv2.BORDER_REPLICATE)


def scale_of(page: np.ndarray, dpi: float | None = None) -> float:
    """Returns a page's size over the size that the network knows: 1.9 at 300 dots an inch.

    The letters tell it. If there are few, `dpi` does; without it, the result is 1. So it is where
    it is 72 or 96, which programs write that do not know, or what no scanner gives.
    """
    height = letter_height(page)
    if height is not None:
        return height / LETTER
    known = dpi and DPIS[0] <= dpi <= DPIS[1]
    trusted = known and round(dpi) not in UNTRUSTED_DPI  # a PNG's 72 is 72.009
    return dpi / DPI if trusted else 1.0


def letter_height(page: np.ndarray) -> float | None:
    """Returns the height of a page's letters in pixels, or None if there are too few.

    It is the median of all connected dark areas that may be letters; most have no ascender.
    """
    page = page if page.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_RGB2GRAY)
    if (times := max(page.shape) / LARGEST) > 1:
        size = [max(1, round(side / times)) for side in page.shape[::-1]]
        found = letter_height(cv2.resize(page, size, interpolation=cv2.INTER_AREA))
        return found and found * times
    around = cv2.blur(page, (61, 61), borderType=cv2.BORDER_REFLECT).astype(np.int16)
    dark = (page < around - 30).astype(np.uint8)
    _, _, areas, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    width, height, size = areas[1:, cv2.CC_STAT_WIDTH], areas[1:, cv2.CC_STAT_HEIGHT], areas[1:, 4]
    alike = (height >= 4) & (height <= 120) & (width < 2.5 * height) & (height < 4 * width)
    alike &= size > 0.15 * width * height
    height = np.sort(height[alike])
    if len(height) < FEWEST_LETTERS:
        return None
    return float(height[np.searchsorted(np.cumsum(height), height.sum() / 2)])


def has_color(page: np.ndarray) -> bool:
    """Says whether some of a page (height, width, 3) is colored, such as a stamp, or its paper."""
    colored, height = 0, max(1, STRIP // page.shape[1])
    for top in range(0, len(page), height):
        rows = page[top : top + height]
        colored += np.count_nonzero(rows.max(axis=2) - rows.min(axis=2) > COLORFUL)
    return colored > FEWEST_COLORED * page[:, :, 0].size


def is_dithered(page: np.ndarray) -> bool:
    """Says whether a page of black and white pixels has dots for greys."""
    return float((cv2.medianBlur(page, 3) != page).mean()) > DITHERED


def ink_lost(page: np.ndarray, cleaned: np.ndarray, scale: float = 1.0) -> float:
    """Returns the share of a page's ink that is white on the cleaned page."""
    if page.ndim == 3:
        page, cleaned = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (page, cleaned))
    if scale > 1:
        size = tuple(max(8, round(n / scale)) for n in page.shape[::-1])
        page, cleaned = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (page, cleaned))
    paper = np.maximum(cv2.medianBlur(np.ascontiguousarray(page), 23), 1)
    ink = page < INK * paper
    return float((cleaned[ink] > GONE * 255).mean()) if ink.any() else 0.0
