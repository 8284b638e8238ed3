"""A page cleaned whole, which a page cleaned in tiles must equal."""

import numpy as np


def mirrored(page, before, after):
    """Continues a page by its mirror image, again and again where it is smaller than that."""
    for axis, size in enumerate(page.shape):
        places = np.arange(-before, size + after[axis]) % (2 * size)
        page = page.take(np.where(places < size, places, 2 * size - 1 - places), axis)
    return page


def cleaned_at_once(page, reconstruct, features=None, edge=8, stride=2):
    """Cleans a page whole, its edges continued to sizes that the network takes.

    Without `features` and more, the network is the article's. Returns grey levels.
    """
    after = [edge + -size % stride for size in page.shape]
    whole = mirrored(page, edge, after)
    x = features(whole) if features else (whole / 255).astype("float32")[:, :, None]
    height, width = page.shape
    return 255 * reconstruct(x[None])[0, edge : edge + height, edge : edge + width, 0]
