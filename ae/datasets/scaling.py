"""Pixels of 0 to 255 as the networks take them."""

import numpy as np


def flat(images: np.ndarray) -> np.ndarray:
    """Scales images (n, height, width) of uint8 to rows (n, height * width) in [0, 1]."""
    return images.reshape(len(images), -1).astype("float32") / np.float32(255)


def nhwc(images: np.ndarray) -> np.ndarray:
    """Scales images (n, height, width) of uint8 to (n, height, width, 1) in [0, 1]."""
    return images[..., None].astype("float32") / np.float32(255)
