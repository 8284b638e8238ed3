"""Images of the user's own, in place of MNIST or Fashion-MNIST."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from ae.datasets.registry import Provenance
from ae.errors import InputError
from ae.pictures import read_grey
from ae.terminal import bar

import numpy as np
from PIL import Image

SIDE = 28  # pixels, as MNIST's
TEST_SHARE = 7  # one image of seven is a test image, as of MNIST's 70,000
LEAST = 112  # images; 16 test images, as many as a figure shows


class OwnImages(NamedTuple):
    """A folder of images; sub-folders are classes, if all images lie in sub-folders."""

    folder: Path
    seed: int  # of the split into training and test images


def read_images(own: OwnImages) -> tuple:
    """Reads images as the fields of `ae.datasets.ImageSet`: grey, 28 x 28 pixels.

    They are resized as a whole, so an image that is not square is squashed. Files of other kinds
    are passed over.

    Raises:
        InputError: the folder is missing or has fewer than 112 images, or one cannot be read.
    """
    paths = pictures_in(own.folder)
    if len(paths) < LEAST:
        raise InputError(
            f"{own.folder} has {len(paths)} images; a lesson needs {LEAST} or more, and learns "
            "little from fewer than some hundreds."
        )
    paths = [paths[i] for i in np.random.default_rng(own.seed).permutation(len(paths))]
    labels = [path.relative_to(own.folder).parts[0] for path in paths]
    if any(path.parent == own.folder for path in paths):
        labels = [own.folder.name] * len(paths)
    class_names = tuple(sorted(set(labels)))
    images = np.stack([_small(path) for path in bar("images", unit="image", iterable=paths)])
    y = np.array([class_names.index(label) for label in labels])
    images.flags.writeable = y.flags.writeable = False
    num_test = len(paths) // TEST_SHARE
    provenance = Provenance(
        f"images in {own.folder}",
        hashlib.sha256(images.tobytes() + y.tobytes()).hexdigest(),
        f"{len(paths):,} own images, resized to {SIDE} x {SIDE} pixels; not the article's",
    )
    split = images[num_test:], y[num_test:], images[:num_test], y[:num_test]
    return *split, class_names, provenance


def pictures_in(folder: Path) -> list[Path]:
    """Lists the picture files below a folder by their names; hidden ones are left out."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name one that holds images.")
    readable = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in readable
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _small(path: Path) -> np.ndarray:
    page = Image.fromarray(read_grey(path))
    return np.asarray(page.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
