"""Small pictures that a run keeps for the report, which then needs neither data nor network.

They show what a network makes of a few examples as it learns, and the plane of its codes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.figures import canvas
from ae.lesson import Examples, Lesson
from ae.networks import reconstruct
from ae.pictures import write_grey
from ae.runs.unfinished import Training

import numpy as np

TILES = 30  # decoded codes across the plane
ITEMS = 1600  # training images on the plane
OUTLIERS = 0.01  # share of the codes, at either end of an axis, that the plane leaves out


class Snapshots:
    """Keeps what a network makes of the lesson's examples after epochs 1, 2, 4, 8 ... and the last.

    If a training resumes, an earlier process has kept its first snapshots already.
    """

    def __init__(self, training: Training):
        self._training = training
        self._examples = training.lesson.examples(training.data)
        earlier = (2**n for n in range(len(training.history).bit_length()))
        self._kept = [{"epoch": epoch, "image": self._path(epoch)} for epoch in earlier]

    def after_epoch(self, epoch: int) -> None:
        """Keeps a snapshot if the epoch is a power of two."""
        if epoch & (epoch - 1) == 0:
            self._keep(epoch)

    def result(self) -> dict[str, Any]:
        """Returns the snapshots, each with its epoch and image, and the plane of codes if any."""
        training, plane = self._training, None
        self._keep(len(training.history))
        if training.lesson.plane is not None:
            about = training.network, training.data, training.network_name
            if plane := training.lesson.plane(*about):
                plane = write_plane(training.folder, training.label, plane)
        return {"snapshots": self._kept, "plane": plane}

    @staticmethod
    def of_run(lesson: Lesson, data: Any, record: Any, folder: Path) -> dict[str, Any]:
        """Writes the examples themselves."""
        return {"examples": write_examples(folder, lesson.examples(data))}

    def _keep(self, epoch: int) -> None:
        if self._kept and self._kept[-1]["epoch"] == epoch:
            return
        seen = reconstruct(self._training.network, self._examples.x)
        image = _write(self._training.folder, self._path(epoch), seen, len(seen))
        self._kept.append({"epoch": epoch, "image": image})

    def _path(self, epoch: int) -> str:
        return f"snapshots/{self._training.label.replace(' ', '-')}-{epoch:04}.png"


def write_examples(folder: Path, examples: Examples) -> dict[str, Any]:
    """Writes the examples, each kind in a row; returns their count and the pictures' paths."""
    count = len(examples.x)
    written = {"count": count, "input": _write(folder, "snapshots/input.png", examples.x, count)}
    if examples.target is not None:
        written["target"] = _write(folder, "snapshots/target.png", examples.target, count)
    return written


class Plane(NamedTuple):
    """A plane of codes to walk in."""

    decode: Callable  # takes codes (n, 2), returns images (n, height, width, 1)
    z: np.ndarray  # (n, 2) the codes of the training images
    images: np.ndarray  # (n, height, width, 1) those images
    labels: np.ndarray  # (n,) their classes
    classes: Sequence[str]  # the names of the classes


def write_plane(folder: Path, label: str, plane: Plane) -> dict[str, Any]:
    """Writes the pictures of a plane of codes, and returns what the report needs to walk in it.

    The files' names begin with `label`. Of the training images that lie on the plane, the first
    1600 are shown.
    """
    low, high = np.quantile(plane.z, [OUTLIERS, 1 - OUTLIERS], axis=0).astype("float32")
    inside = np.flatnonzero(((plane.z >= low) & (plane.z <= high)).all(axis=1))[:ITEMS]
    axes = [np.linspace(a, b, TILES, dtype="float32") for a, b in zip(low, high, strict=True)]
    codes = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)  # x changes fastest
    columns = int(np.ceil(np.sqrt(len(inside))))
    padded = np.zeros((columns * -(-len(inside) // columns), *plane.images.shape[1:]), "float32")
    padded[: len(inside)] = plane.images[inside]
    prefix = f"plane/{label.replace(' ', '-')}"
    return {
        "low": low.tolist(),  # one corner
        "high": high.tolist(),  # the opposite one
        "tiles": TILES,  # decoded codes across and down, row by row from `low`
        "decoded": _write(folder, f"{prefix}-decoded.png", plane.decode(codes), TILES),
        "items": _write(folder, f"{prefix}-items.png", padded, columns),
        "columns": columns,  # items across
        "codes": np.round(plane.z[inside], 3).tolist(),  # of the items
        "labels": plane.labels[inside].tolist(),  # of the items
        "classes": list(plane.classes),
    }


def _write(folder: Path, path: str, images: np.ndarray, columns: int) -> str:
    """Writes images as the tiles of one picture and returns its path within the folder.

    They are (n, height, width, 1) in [0, 1], or square ones as rows (n, pixels).
    """
    if images.ndim == 2:
        side = int(np.sqrt(images.shape[1]))
        images = images.reshape(-1, side, side)
    tiles = canvas(images, len(images) // columns, columns)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_grey(folder / path, np.rint(255 * np.clip(tiles, 0, 1)).astype("uint8"))
    return path
