"""A page cleaned whole, which a page cleaned in tiles must equal."""

import numpy as np


def cleaned_at_once(page, reconstruct):
    """Cleans a page whole, an odd side repeated to make it even; returns its grey levels."""
    height, width = page.shape
    even = page
    if height % 2:
        even = np.concatenate([even, even[-1:]], axis=0)
    if width % 2:
        even = np.concatenate([even, even[:, -1:]], axis=1)
    cleaned = reconstruct((even / 255).astype("float32")[None, :, :, None])
    return 255 * cleaned[0, :height, :width, 0]
