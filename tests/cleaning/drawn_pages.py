"""Pages drawn for the tests of the cleaner: print, dirty paper, black areas, a stamp."""

from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
WORDS = (
    "A new offline handwritten database for the Spanish language, which contains full sentences, "
    "has recently been developed: the database has been created to record a large number of lines. "
)
INK, PAPER = 30, 200


def font(points, dpi, bold=False):
    name = "DejaVuSerif-Bold.ttf" if bold else "DejaVuSerif.ttf"
    return ImageFont.truetype(FONTS / name, points * dpi / 72)


def text(dpi, inches=(4.5, 2.6), ink=INK, points=10, heading=True):
    """Draws clean print on white: lines of 10 points, and a bold heading of 24."""
    size = tuple(round(side * dpi) for side in inches)
    page = Image.new("L", size, 255)
    draw = ImageDraw.Draw(page)
    top = 0.2 * dpi
    if heading:
        draw.text((0.2 * dpi, top), "Heading", ink, font(24, dpi, bold=True))
        top += 0.55 * dpi
    chosen = font(points, dpi)
    letters = int((inches[0] - 0.4) * dpi / chosen.getlength(WORDS) * len(WORDS))
    for number in range(int((size[1] - top - 0.1 * dpi) / (1.4 * points * dpi / 72))):
        start = 17 * number % 40
        draw.text((0.2 * dpi, top), (2 * WORDS)[start : start + letters], ink, chosen)
        top += 1.4 * points * dpi / 72
    return np.array(page)


def on_cloudy_paper(clean, dpi, seed=0, paper=PAPER):
    """Lays a clean page on grey paper with clouds, and adds the noise of a scanner."""
    rng = np.random.default_rng(seed)
    height, width = clean.shape
    coarse = [max(3, round(4 * side / dpi)) for side in (height, width)]
    clouds = rng.uniform(paper - 40, paper + 15, coarse).astype(np.float32)
    clouds = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    return grey(clouds * (clean / 255) + rng.normal(0, 3, clean.shape))


def grey(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def stroke_centres(clean):
    """Marks the pixels that are all ink, and no lighter than those around them."""
    around = cv2.erode(clean, np.ones((3, 3), np.uint8))
    return (clean == clean.min()) & (clean == around)
