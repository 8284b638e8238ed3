"""Generated office pages: what people scan besides clean prose on white paper.

They have headings, black bars, tables, pictures, white print on black, colored paper and faint
print, in many fonts and sizes, sharp or soft, under the dirt of `ae.datasets.dirt`. Our own page
cleaner trains on them beside the scans.
"""

from pathlib import Path

from ae.datasets.dirt import fold, stain_with_coffee, tread, wrinkle
from ae.datasets.typesetting import SENTENCES

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
BODY = ("cmr10", "cmss10", "cmtt10", "DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral",
    "STIXGeneralItalic", "DejaVuSans-Oblique", "DejaVuSerif-Italic")  # fmt: skip
BOLD = ("cmb10", "DejaVuSans-Bold", "DejaVuSerif-Bold", "STIXGeneralBol", "DejaVuSansMono-Bold")
FAINT = 0.45  # ink over paper; darker print becomes black, fainter print keeps a part of its grey
PAPERS = (None, stain_with_coffee, fold, tread, wrinkle)


def generate_office_page(
    rng: np.random.Generator, height: int = 384, width: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Generates a dirty page and its clean original, both uint8 (height, width).

    On the original, paper is white, and black ink is 0. Faint print stays grey, but gets darker.
    Pictures and grey areas keep their tones relative to the paper.
    """
    tones, print_ = _lay_out(rng, height, width)
    ink = rng.uniform(0.03, 0.12) if rng.random() < 0.7 else rng.uniform(0.12, 0.65)
    shade = 1 - (1 - ink) * (1 - print_)  # what the paper's light is multiplied by
    target = 1 - (1 - max(0, (ink - FAINT) / (1 - FAINT))) * (1 - print_)
    shade, target = np.minimum(shade, tones), np.minimum(target, tones)
    paper = _dirty_paper(rng, height, width)
    if rng.random() < 0.07:  # a page in negative
        shade, target = 1.03 - shade, 1 - target
    dirty = paper * shade
    if rng.random() < 0.5:
        dirty = ndimage.gaussian_filter(dirty, rng.uniform(0.3, 1.4))
    dirty = dirty + rng.choice([0, 2, 5, 8]) * rng.standard_normal(dirty.shape, np.float32)
    return _to_bytes(dirty), _to_bytes(255 * target)


def _to_bytes(page: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(page), 0, 255).astype(np.uint8)


def _dirty_paper(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws a sheet: white, grey or colored, clean or dirty, evenly lit or not."""
    kind = PAPERS[rng.integers(len(PAPERS))]
    sheet = np.full((height, width), 225.0, np.float32) if kind is None else kind(
        rng, height, width
    )  # fmt: skip
    bright = rng.uniform(0.85, 1.13) if rng.random() < 0.75 else rng.uniform(0.55, 0.85)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    slope = rng.normal(0, 0.06 if rng.random() < 0.4 else 0, 2)
    light = 1 + slope[0] * (x / width - 0.5) + slope[1] * (y / height - 0.5)
    if rng.random() < 0.4:  # broad patches, as of damp or of a bad copy
        hills = rng.standard_normal((height // 40 + 3, width // 40 + 3)).astype(np.float32)
        hills = np.asarray(Image.fromarray(hills).resize((width, height), Image.BICUBIC))
        light = light + rng.uniform(0.02, 0.09) * hills
    return np.clip(sheet * bright * light, 0, 255)


def _lay_out(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Fills a page with blocks; returns its tones and its print, 1 white to 0 black."""
    tones = Image.new("L", (width, height), 255)
    ink = Image.new("L", (width, height), 255)
    em = rng.uniform(9, 16) if rng.random() < 0.4 else rng.uniform(16, 34)
    y = int(rng.uniform(-0.5, 1.5) * em)
    blocks = [*[_paragraph] * 3, _heading, _bar, *[_wedge] * 2, _picture, _table, _line_art]
    while y < height:
        block = blocks[rng.integers(len(blocks))]
        y += block(rng, tones, ink, y, em) + int(rng.uniform(0.2, 1.2) * em)
    return (np.asarray(page, np.float32) / 255 for page in (tones, ink))


def _face(rng: np.random.Generator, names: tuple[str, ...], em: float) -> ImageFont.FreeTypeFont:
    path = FONTS / f"{names[rng.integers(len(names))]}.ttf"
    return ImageFont.truetype(path, em, layout_engine=ImageFont.Layout.BASIC)


def _words(rng: np.random.Generator) -> list[str]:
    return SENTENCES[rng.integers(len(SENTENCES))].split()


def _write(rng, draw, face, left, right, y, fill=0) -> None:
    """Sets one line of words from `left` to `right`."""
    space = face.getlength("n") * rng.uniform(0.5, 0.8)
    words, x = _words(rng), left
    while words and x < right:
        word = words.pop(0)
        draw.text((x, y), word, fill=fill, font=face, anchor="ls")
        x += face.getlength(word) + space
        words = words or _words(rng)


def _paragraph(rng, tones, ink, y, em) -> int:
    face, draw = _face(rng, BODY, em), ImageDraw.Draw(ink)
    pitch = int(em * rng.uniform(1.15, 1.6))
    lines = int(rng.integers(1, 6))
    margin = rng.uniform(0, 2) * em
    for line in range(lines):
        last = line == lines - 1
        right = ink.width * (rng.uniform(0.3, 1) if last else 1) - margin
        _write(rng, draw, face, margin, right, y + (line + 1) * pitch)
    return (lines + 1) * pitch - int(0.6 * em)


def _heading(rng, tones, ink, y, em) -> int:
    size = em * rng.uniform(1.2, 2.8)
    face = _face(rng, BOLD, size)
    right = rng.uniform(0.4, 1) * ink.width
    _write(rng, ImageDraw.Draw(ink), face, rng.uniform(0, 3) * em, right, y + int(size))
    return int(1.3 * size)


def _box(rng, page, y, tall) -> tuple[int, int, int, int]:
    left = int(rng.uniform(-0.1, 0.5) * page.width)
    return left, y, left + int(rng.uniform(0.15, 1) * page.width), y + max(4, int(tall))


def _bar(rng, tones, ink, y, em) -> int:
    """Draws a black or dark bar, often with white words on it."""
    box = _box(rng, tones, y, em * rng.uniform(0.4, 5))
    draw = ImageDraw.Draw(tones)
    draw.rectangle(box, fill=int(rng.choice([0, 10, 25, 25, 60])))
    if box[3] - box[1] > 1.5 * em and rng.random() < 0.8:
        face = _face(rng, BODY + BOLD, em)
        middle = (box[1] + box[3] + int(0.7 * em)) // 2
        _write(rng, draw, face, box[0] + em / 2, box[2] - 5 * em, middle, fill=255)
    return box[3] - box[1]


def _wedge(rng, tones, ink, y, em) -> int:
    """Draws a row of greys, or one grey that changes evenly."""
    box = _box(rng, tones, y, em * rng.uniform(1, 5))
    greys = np.linspace(*rng.permutation([rng.uniform(0, 60), rng.uniform(150, 230)]), 256)
    steps = int(rng.choice([2, 3, 5, 8, 256]))
    at = np.linspace(0, steps - 1e-6, max(1, box[2] - box[0])).astype(int)
    row = greys[np.rint(at * 255 / max(1, steps - 1)).astype(int)]
    area = np.broadcast_to(row, (box[3] - box[1], len(row))).astype(np.uint8)
    tones.paste(Image.fromarray(area), box[:2])
    return box[3] - box[1]


def _picture(rng, tones, ink, y, em) -> int:
    """Draws a picture: clouds of all sizes and some shapes, from black to nearly white."""
    box = _box(rng, tones, y, em * rng.uniform(3, 9))
    size = max(8, box[2] - box[0]), max(8, box[3] - box[1])
    values = np.zeros(size[::-1], np.float32)
    for grain in (64, 32, 16, 8, 4, 2):
        shape = size[1] // grain + 2, size[0] // grain + 2
        hills = rng.standard_normal(shape).astype(np.float32) * grain**0.7
        values += np.asarray(Image.fromarray(hills).resize(size, Image.BICUBIC))
    for _ in range(rng.integers(0, 4)):
        x0, x1 = np.sort(rng.integers(0, size[0], 2))
        y0, y1 = np.sort(rng.integers(0, size[1], 2))
        values[y0:y1, x0:x1] += rng.normal(0, 15)
    low, high = np.percentile(values, [2, 98])
    dark, bright = rng.uniform(0, 60), rng.uniform(150, 220)
    values = np.clip(dark + (bright - dark) * (values - low) / (high - low + 1e-6), 0, 245)
    tones.paste(Image.fromarray(values.astype(np.uint8)), box[:2])
    return size[1]


def _table(rng, tones, ink, y, em) -> int:
    """Draws ruled rows of words or numbers."""
    draw, face = ImageDraw.Draw(ink), _face(rng, BODY, em)
    pitch, rows = int(1.6 * em), int(rng.integers(2, 5))
    columns = np.linspace(0.05, 0.95, rng.integers(3, 6)) * ink.width
    thick = int(rng.integers(1, 4))
    for row in range(rows + 1):
        draw.line([columns[0], y + row * pitch, columns[-1], y + row * pitch], 0, thick)
    for left in columns:
        draw.line([left, y, left, y + rows * pitch], 0, thick)
    for row in range(rows):
        for left in columns[:-1]:
            word = str(rng.integers(10_000)) if rng.random() < 0.6 else _words(rng)[0]
            draw.text((left + em / 2, y + (row + 0.75) * pitch), word, 0, face, anchor="ls")
    return rows * pitch


def _line_art(rng, tones, ink, y, em) -> int:
    """Draws rules, circles and strokes of a pen."""
    draw, tall = ImageDraw.Draw(ink), int(em * rng.uniform(1, 5))
    for _ in range(rng.integers(1, 4)):
        x0, x1 = np.sort(rng.uniform(0, ink.width, 2))
        thick = int(rng.integers(1, 6))
        if rng.random() < 0.4:
            draw.ellipse([x0, y, max(x0 + 4, x1), y + tall], outline=0, width=thick)
        elif rng.random() < 0.5:
            draw.line([x0, y + rng.uniform(0, tall), x1, y + rng.uniform(0, tall)], 0, thick)
        else:
            xs = np.linspace(x0, x1, 40)
            ys = y + tall * (0.5 + 0.4 * np.sin(xs / rng.uniform(3, 20) + rng.uniform(0, 6)))
            draw.line(list(zip(xs, ys, strict=True)), 0, thick)
    return tall
