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


def paper(clean):
    """Marks what is well away from ink."""
    return cv2.erode(clean, np.ones((9, 9), np.uint8)) == 255


def with_black_areas(dpi):
    """Draws text, a black bar with white words, and a wedge of greys; returns all and both areas.

    The areas are a mask of the bar without its words, and the rows and columns of the wedge.
    """
    page = text(dpi)
    height, width = page.shape
    rows, columns = (
        slice(height - round(0.6 * dpi), height - round(0.2 * dpi)),
        slice(round(0.2 * dpi), width - round(0.2 * dpi)),
    )
    page[rows, columns] = 26
    picture = Image.fromarray(page)
    place = (round(0.3 * dpi), height - round(0.55 * dpi))
    ImageDraw.Draw(picture).text(place, "White words in a bar", 255, font(12, dpi))
    page = np.array(picture)
    bar = np.zeros(page.shape, bool)
    inside = cv2.dilate(page, np.ones((5, 5), np.uint8)) == 26
    bar[rows, columns] = inside[rows, columns]
    side = round(1.5 * dpi)
    wedge = slice(round(0.15 * dpi), round(0.5 * dpi)), slice(width - side - 20, width - 20)
    page[wedge] = np.linspace(20, 235, side)
    return page, bar, wedge


def with_stamp(dpi):
    """Draws text with a red stamp and a blue line; returns it, and masks of red and blue."""
    clean = text(dpi)
    height, width = clean.shape
    picture = Image.fromarray(clean).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.ellipse([width - dpi, 0.1 * dpi, width - 0.2 * dpi, 0.5 * dpi], RED)
    line = [0.2 * dpi, height - 0.1 * dpi, width / 2, height - 0.1 * dpi]
    draw.line(line, BLUE, width=max(4, dpi // 25))
    page = np.array(picture)
    return page, (page == RED).all(axis=2), (page == BLUE).all(axis=2)


RED, BLUE = (200, 40, 40), (40, 60, 180)
