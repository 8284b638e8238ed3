"""Dirty paper: random coffee stains, folds, footprints and wrinkles on light grey sheets.

Each public function draws from `rng` a sheet without ink. It returns the sheet's brightness as a
float32 array (height, width), 0 black to 255 white. The constants were chosen by eye, and so that
the mean, spread and percentiles match NoisyOffice's pages (doi:10.1093/comjnl/bxz098).
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from scipy.spatial import Delaunay

# Its center, a radius that encloses it, and how deep an offset from the center lies inside it (px).
_Shape = tuple[tuple[float, float], float, Callable[[np.ndarray, np.ndarray], np.ndarray]]

# The nested squares of a sole's block: half of each side in pitches, and its share of the tone.
BLOCK = ((0.38, 1), (0.28, 0), (0.23, 0.5), (0.18, 1))


def stain_with_coffee(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws the rings of cups, splashes and drops."""
    passed = np.ones((height, width), np.float32)
    mottle = 1 + 0.16 * _clouds(rng, height, width, 30) + 0.1 * _clouds(rng, height, width, 3)

    def anywhere(beyond=0):
        return rng.uniform(-beyond, width + beyond), rng.uniform(-beyond, height + beyond)

    def stain(shape, *strengths):
        _stain(passed, mottle, shape, rng.uniform(*strengths))

    for _ in range(rng.integers(3, 7)):
        stain(_ring(rng, anywhere(beyond=40), rng.uniform(80, 150)), 0.14, 0.46)
    for _ in range(rng.integers(0, 3)):
        stain(_blob(rng, anywhere(), rng.uniform(12, 45)), 0.2, 0.5)
    if rng.random() < 0.3:
        x, y = anywhere()
        for radius in rng.uniform(70, 130, 2):
            stain(_blob(rng, (x, y), radius), 0.2, 0.32)
            x, y = x + rng.uniform(-90, 90), y + rng.uniform(-60, 60)
        _sprinkle(rng, passed, 0.15)
    for _ in range(rng.integers(2, 9)):
        stain(_blob(rng, anywhere(), rng.uniform(1, 4)), 0.3, 0.7)
    return _paper(rng, height, width, 228) * passed


def fold(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws straight crossing creases, each a bright line with a shadow and a step in tone."""
    page = _paper(rng, height, width, 225) + 3.5 * _clouds(rng, height, width, 60)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    wobble = _clouds(rng, height, width, 25)
    angles = np.concatenate([rng.uniform(0.4, 1.1, 2), -rng.uniform(0.4, 1.1, 2), [0, np.pi / 2]])
    for angle in rng.permutation(angles)[: rng.integers(4, 7)] + rng.normal(0, 0.03):
        normal = np.float32([-np.sin(angle), np.cos(angle)])
        point = np.float32(rng.uniform(0.1, 0.9, 2) * [width, height])
        distance = (x - point[0]) * normal[0] + (y - point[1]) * normal[1] + 0.8 * wobble
        side, away = np.sign(distance), np.abs(distance)
        step, shade = rng.choice([-1.0, 1.0], 2) * rng.uniform([1, 4], [3, 10])
        sharpness = rng.uniform(0.5, 1.1)
        page += side * (float(step) + float(shade) * np.exp(-away / rng.uniform(10, 35)))
        page += sharpness * (30 + 8 * wobble) * np.exp(-((away / 1.2) ** 2))
        page -= sharpness * 20 * np.exp(-away / 5) * (side > 0)
    return np.minimum(page, 255)


def tread(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws the blocks and bars of soles, smears, and clouds of dirt with speckle."""
    soles = Image.new("L", (width, height))
    draw = ImageDraw.Draw(soles)
    for _ in range(rng.integers(1, 3)):
        _draw_sole(rng, draw, rng.uniform(0, width), rng.uniform(0, height))
    for _ in range(rng.integers(0, 25)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        draw.line([x, y, x + rng.normal(0, 8), y + rng.uniform(20, 120)], int(rng.uniform(40, 110)))
    soles = np.asarray(soles.filter(ImageFilter.GaussianBlur(1.3)), np.float32) / 255
    patches = np.clip(0.7 + 0.3 * _clouds(rng, height, width, 40), 0, 1)
    speckle = np.clip(1 + 0.25 * _clouds(rng, height, width, 2), 0, 2)
    clouds = np.clip(_clouds(rng, height, width, 70) + 0.5 * _clouds(rng, height, width, 20), 0, 2)
    passed = 1 - speckle * (0.21 * soles * patches + rng.uniform(0.01, 0.06) * clouds)
    _sprinkle(rng, passed, 0.06)
    return _paper(rng, height, width, 220) * passed


def wrinkle(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draws crumpled paper: facets, bright ridges and dark valleys."""
    margin = 20
    shape = height + 2 * margin, width + 2 * margin
    relief = _facets(rng, *shape, 90)
    relief += 0.7 * _facets(rng, *shape, 350) * np.clip(_clouds(rng, *shape, 80) + 0.5, 0.2, 1.5)
    places = np.mgrid[:height, :width].astype(np.float32) + margin
    for place in places:
        place += 5 * _clouds(rng, height, width, 70) + 1.5 * _clouds(rng, height, width, 12)
    relief = ndimage.map_coordinates(relief, places, order=1)
    relief += 0.25 * _clouds(rng, height, width, 90)
    relief = (relief - relief.mean()) / relief.std()
    return np.clip(_paper(rng, height, width, 223) + 21.5 * relief, 0, 255)


def _paper(rng: np.random.Generator, height: int, width: int, brightness: float) -> np.ndarray:
    """A clean sheet with its grain and the scanner's faint rows and columns."""
    grain = rng.standard_normal((height, width), np.float32) * 2
    rows = rng.standard_normal((height, 1), np.float32) * 0.7
    columns = rng.standard_normal((1, width), np.float32) * 0.7
    return brightness + grain + rows + columns + 1.8 * _clouds(rng, height, width, 3)


def _clouds(rng: np.random.Generator, height: int, width: int, grain: int) -> np.ndarray:
    """Smooth noise: mean about 0, standard deviation about 1, `grain` pixels from hill to hill."""
    coarse = rng.standard_normal((height // grain + 3, width // grain + 3), np.float32)
    hills = Image.fromarray(coarse * 1.4)
    box = (1, 1, 1 + width / grain, 1 + height / grain)
    return np.asarray(hills.resize((width, height), Image.BICUBIC, box=box))


def _wave(rng: np.random.Generator, angle: np.ndarray) -> np.ndarray:
    """A random periodic function of an angle, about -1 to 1."""
    wave = np.zeros_like(angle)
    for harmonic in (2, 3, 5, 9, 16):
        wave += np.sin(harmonic * angle + rng.uniform(0, 6.3)) / harmonic**0.9
    return wave


def _ring(rng: np.random.Generator, center: tuple[float, float], radius: float) -> _Shape:
    """The crescent that a cup leaves, widest on one side."""
    heaviest, sharpness = rng.uniform(0, 6.3), rng.uniform(0.7, 3)
    widest = rng.uniform(14, 42)

    def depth(x, y):
        angle = np.arctan2(y, x)
        half = widest / 2 * ((1 + np.cos(angle - heaviest)) / 2) ** sharpness - 1.5
        half *= 1 + 0.2 * _wave(rng, angle)
        return half - np.abs(np.hypot(x, y) - radius - 1.5 * _wave(rng, angle))

    return center, radius + widest, depth


def _blob(rng: np.random.Generator, center: tuple[float, float], radius: float) -> _Shape:
    """A splash or a drop."""
    wobble, flatness = rng.uniform(0.05, 0.2), rng.uniform(0.7, 1.3)

    def depth(x, y):
        y = y * flatness
        return radius * (1 + wobble * _wave(rng, np.arctan2(y, x))) - np.hypot(x, y)

    return center, radius * 2, depth


def _stain(passed: np.ndarray, mottle: np.ndarray, shape: _Shape, strength: float) -> None:
    """Darkens the inside of a shape, most at its rim, where the liquid dried last."""
    (x, y), reach, depth = shape
    rows = slice(max(0, int(y - reach)), max(0, int(y + reach)))
    columns = slice(max(0, int(x - reach)), max(0, int(x + reach)))
    window = passed[rows, columns]
    if window.size == 0:
        return
    y_offset = np.arange(window.shape[0], dtype=np.float32)[:, None] + (rows.start - y)
    x_offset = np.arange(window.shape[1], dtype=np.float32)[None] + (columns.start - x)
    inside = depth(x_offset, y_offset)
    rim = np.exp(-((np.clip(inside, 0, 30) / 2) ** 2))
    density = strength * (mottle[rows, columns] + 0.35 * rim)
    window *= 1 - np.clip(density, 0, 0.8) * np.clip(inside + 0.5, 0, 1)


def _sprinkle(rng: np.random.Generator, passed: np.ndarray, strength: float) -> None:
    """Adds dark specks, many in some places and few in others."""
    dense = np.clip(_clouds(rng, *passed.shape, 80), 0, 3) * 0.02
    specks = (rng.random(passed.shape, np.float32) < dense).astype(np.float32)
    passed *= 1 - strength * np.minimum(1, ndimage.uniform_filter(specks, 2) * 3)


def _draw_sole(rng: np.random.Generator, draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """Draws rows of nested blocks or of bars, rotated and in perspective."""
    turn = rng.normal(0, 0.25) + rng.choice([0, np.pi / 2])
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    taper, pitch = rng.normal(0, 0.0006), rng.uniform(60, 95)

    def place(corners):
        corners = corners * (1 + taper * corners[:, 1:]) @ rotation
        return [tuple(corner) for corner in corners + np.array([x, y])]

    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    for row in range(-2, 3):
        for column in range(-2, 3):
            center = np.array([column, row]) * pitch
            tone = rng.uniform(80, 255)
            shapes = [((0, 0), reach, tone * share) for reach, share in BLOCK]
            if row < -1:
                shapes = [((bar, 0), np.array([0.08, 0.6]), tone) for bar in (-0.3, 0, 0.3)]
            for offset, reach, paint in shapes:
                corners = center + pitch * (np.array(offset) + square * reach)
                draw.polygon(place(corners + rng.normal(0, 1.5, (4, 2))), int(paint))


def _facets(rng: np.random.Generator, height: int, width: int, num_corners: int) -> np.ndarray:
    """The shading of a random polyhedral surface, soft within a facet and sharp at its edges."""
    corners = rng.uniform(-0.15, 1.15, (num_corners, 2)) * [width, height]
    mesh = Delaunay(corners @ np.array([[1, 0.35], [0, 1]]))
    image = Image.new("F", (width, height))
    draw = ImageDraw.Draw(image)
    for facet in mesh.simplices:
        draw.polygon([tuple(corner) for corner in corners[facet]], float(rng.normal()))
    for facet in mesh.simplices:
        if rng.random() < 0.4:
            ridge, side = corners[facet[:2]], rng.choice([-1, 1])
            draw.line([tuple(corner) for corner in ridge + side], -2.2, 2)
            draw.line([tuple(corner) for corner in ridge - side], 2.6, 2)
    small = image.resize((width // 8, height // 8), Image.BOX)
    small = ndimage.gaussian_filter(np.asarray(small), (width * height / num_corners) ** 0.5 / 26)
    average = Image.fromarray(small).resize((width, height), Image.BICUBIC)
    return ndimage.gaussian_filter(np.asarray(image), 0.9) - np.asarray(average)
