"""Scales pixels of 0 to 255 as the networks expect them."""

import numpy as np


def flat(images: np.ndarray) -> np.ndarray:
    """Scales uint8 images (n, height, width) to float32 rows (n, height * width) in [0, 1]."""
    return images.reshape(len(images), -1).astype("float32") / np.float32(255)


def nhwc(images: np.ndarray) -> np.ndarray:
    """Scales uint8 images (n, height, width) to float32 (n, height, width, 1) in [0, 1]."""
    return images[..., None].astype("float32") / np.float32(255)
