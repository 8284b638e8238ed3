"""What our page cleaner sees of a page: its light, and its light over that of the paper."""

import cv2
import numpy as np

WINDOW = 23  # px; a median over so many ignores the strokes of ordinary print
BRIGHTEST = 1.25  # of the second feature; the paper itself is 1


def features(page: np.ndarray) -> np.ndarray:
    """Maps a page, uint8 (height, width), to float32 (height, width, 2).

    The first is the page itself from 0 to 1. The second is the page over its median nearby, which
    is the paper where there is print, and which takes even stains away. In a black area it is 1, so
    the network needs the first too.
    """
    light = page.astype(np.float32) / np.float32(255)
    paper = np.maximum(cv2.medianBlur(page, WINDOW), 1).astype(np.float32) / np.float32(255)
    return np.stack([light, np.minimum(light / paper, np.float32(BRIGHTEST))], axis=-1)
