"""Typesets clean synthetic pages: our own prose, laid out like NoisyOffice's clean originals."""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = {"r": "cmr10.ttf", "s": "cmss10.ttf", "t": "cmtt10.ttf"}
HEIGHTS = {"f": 258, "L": 420, "n": 420}  # px
WIDTH = 540  # px
PITCHES = {"f": 23, "L": 37, "n": 28}  # px from baseline to baseline
EMS = {"f": 18.5, "L": 29.7, "n": 22.6}  # px
MARGIN = 8  # px
INDENT = 1.6  # em
SLANT = 0.22  # px to the right for each px up
OVERSAMPLING = 2
SPACES = {"r": 0.62, "s": 0.62, "t": 1.0}  # widths of an n
WEIGHTS = {"r": 1.12, "s": 1.17, "t": 1.12}  # ink gained between the outlines and the scan
PARTITIONS = ("TR", "VA", "TE")

# Sentence i belongs to partition i modulo 3, so no two partitions share a sentence.
SENTENCES = Path(__file__).with_name("sentences.txt").read_text(encoding="utf-8").splitlines()


def typeset_page(
    rng: np.random.Generator, size: str, font: str, emphasis: str, partition: str
) -> np.ndarray:
    """Typesets a page of prose as a uint8 array (258 or 420, 540), ink 0 on 255.

    The right edge cuts the lines off. For the arguments see `ae.datasets.documents.Page`.
    """
    scale = OVERSAMPLING
    height, pitch = HEIGHTS[size] * scale, PITCHES[size] * scale
    face = _face(font, EMS[size] * scale)
    num_lines = height // pitch + 2
    measure = WIDTH * scale * rng.uniform(1.02, 1.2)
    space = face.getlength("n") * SPACES[font]
    sentences = SENTENCES[PARTITIONS.index(partition) :: 3]
    lines = _break_lines(rng, face, space, sentences, num_lines, measure)
    ink = np.zeros((height, WIDTH * scale), np.uint8)
    baseline = int(pitch * rng.uniform(0.6, 0.95))
    above = int(pitch * 0.8)
    for line in lines:
        strip = Image.new("L", (ink.shape[1], int(pitch * 1.1)))
        draw = ImageDraw.Draw(strip)
        for x, word in line:
            draw.text((x, above), word, fill=255, font=face, anchor="ls")
        if emphasis == "e":
            shear = (1, SLANT, -SLANT * above, 0, 1, 0)
            strip = strip.transform(strip.size, Image.AFFINE, shear, Image.BILINEAR)
        top = baseline - above
        rows = np.asarray(strip)[max(0, -top) : max(0, height - top)]
        target = ink[max(0, top) :][: len(rows)]
        np.maximum(target, rows, out=target)
        baseline += pitch
    scan = Image.fromarray(ink).resize((WIDTH, height // scale), Image.HAMMING)
    coverage = np.asarray(scan, np.float32)
    return (255 - np.minimum(coverage * WEIGHTS[font], 255)).astype(np.uint8)


@functools.cache
def _face(font: str, em: float) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / FONTS[font]
    return ImageFont.truetype(path, em, layout_engine=ImageFont.Layout.BASIC)


def _break_lines(
    rng: np.random.Generator,
    face: ImageFont.FreeTypeFont,
    space: float,
    sentences: list[str],
    num_lines: int,
    measure: float,
) -> list[list[tuple[float, str]]]:
    """Fills lines with shuffled sentences. All are justified except the last of a paragraph.

    A line lists where its words begin, in pixels, and the words.
    """
    margin, indent = MARGIN * OVERSAMPLING, INDENT * face.size
    lines, line = [], []
    x = margin + indent
    while len(lines) < num_lines:
        for number in rng.permutation(len(sentences)):
            for word in sentences[number].split():
                length = face.getlength(word)
                if x + length > measure:
                    slack = (measure - x + space) / max(1, len(line) - 1)
                    lines.append(
                        [(start + i * slack, word) for i, (start, word) in enumerate(line)]
                    )
                    line, x = [], margin
                line.append((x, word))
                x += length + space * (1.4 if word[-1] in ".:" else 1)
            if rng.random() < 0.06:
                lines.append(line)
                line, x = [], margin + indent
    return lines[:num_lines]
