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
SENTENCES = """
A sheet of paper remembers every hand that has held it, and a scanner repeats what it remembers.
The lamp travels below the glass at a steady pace and lights one narrow line at a time.
Ink that is still damp prints twice: once where it should and once on the back of the next page.
Whoever files a letter should write the date on it first, for the envelope will be lost.
Rag paper turns soft with age, while cheap newsprint grows yellow and brittle within a summer.
A good margin gives the thumb a place to rest and the eye a place to stop.
The compositor picked each letter from the case without looking down, as others play the piano.
When the toner runs low, grey bands appear in the middle of the page and then move outwards.
Nobody reads the footnotes, said the printer, and set them in the smallest type he had.
A folded map never closes along the same creases by which it was opened.
The archive keeps its oldest ledgers in a cool room where the blinds are always drawn.
Coffee leaves a ring because the liquid carries its grains to the edge before it dries.
Two copies of one drawing may differ in scale by a hair, which is enough to spoil a gear.
The clerk stamped the form, turned it over, and stamped the other side as well.
Water raises the fibres of a sheet, so that a stain can be felt before it can be seen.
Typewriters give every letter the same width, and the narrow ones stand in their cells like guests.
A crease is a line of broken fibres, and no press will ever make it whole again.
Some of the plates were cut by hand; others were etched (with weak acid) over several days.
The reading room opens at nine, but the lift to the stacks does not run before ten.
Black ink is seldom black: held against the light it is brown, or blue, or a very dark green.
To copy a faint page, lay a dark sheet behind it and slow the lamp down.
The first proof had eleven errors, the second had four, and the third had one nobody found.
Dust on the glass draws the same small star in the same corner of each scan.
He wrote so lightly that the pencil hardly touched the page, and now only the dents remain.
A binder sews the sections together before the glue is warm enough to spread.
The machine takes forty sheets a minute unless one of them is torn or bent.
It was the custom to dry wet pages with fine sand and to pour the sand back into its box.
Letters that lean to the right seem to hurry, although they take no less time to read.
An old receipt fades from the top down, because the top is what sticks out of the wallet.
The copies were pale, the staples were rusty, and the map on the last page was upside down.
Every printer knows the smell of fresh ink, and most of them claim that they no longer notice it.
In the end the whole report was typed again, since that took less time than finding the leak.
Shoes carry the street into the office, and a sheet on the floor shows which way they went.
A blank page is not white: it is the colour of the wood and the lime from which it was made.
Thin strokes vanish first when a page is copied from a copy of a copy.
They measured the sheets with a steel rule at noon, when the room was neither dry nor damp.
The widest line decides the width of the column, and the longest word decides the widest line.
Crumpled paper is strong, for its ridges share the load in every direction.
Good glass bends the light as little as possible, and clean glass bends it less still.
The courier arrived in the rain, with the contract under his coat and mud on both boots.
A short line at the foot of a page was thought to bring bad luck to the shop.
Please return this card together with the key, even if the drawer was empty.
The tall letters reach above their neighbours, and the long tails hang into the line below.
An eraser takes away the graphite and some of the paper, and leaves a shine in their place.
She sorted the invoices by colour, then by size, and only at last by date.
Pressed between two boards, a damp book will dry flat in about three weeks.
The same word can be set tight or loose, and it is read at the same speed until it falls apart.
After the flood the pages were frozen, so that there was time to think about what to do next.
The drum turns once for each sheet, picks up the powder, and lets the heat do the rest.
Nothing is harder to proofread than a list of names in a language one does not speak.
A wet cup, a hot cup and a full cup leave three quite different marks on a desk.
""".strip().splitlines()


def typeset_page(
    rng: np.random.Generator, size: str, font: str, emphasis: str, partition: str
) -> np.ndarray:
    """Typesets one page of prose, black on white. The right edge cuts its lines off.

    Args:
        rng: orders the sentences and breaks the paragraphs.
        size: "f" (23 px a line, 258 rows), "L" (37 px, 420 rows) or "n" (28 px, 420 rows).
        font: "r" roman, "s" sans serif or "t" typewriter.
        emphasis: "e" slanted or "m" upright.
        partition: "TR", "VA" or "TE"; chooses the sentences.

    Returns:
        uint8 array (258 or 420, 540), ink 0 on 255.
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
            strip = strip.transform(
                strip.size, Image.Transform.AFFINE, shear, Image.Resampling.BILINEAR
            )
        top = baseline - above
        rows = np.asarray(strip)[max(0, -top) : max(0, height - top)]
        target = ink[max(0, top) :][: len(rows)]
        np.maximum(target, rows, out=target)
        baseline += pitch
    scan = Image.fromarray(ink).resize((WIDTH, height // scale), Image.Resampling.HAMMING)
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

    Returns:
        For each line, its words and where they begin, in pixels.
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
