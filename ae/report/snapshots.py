"""Small pictures that a run keeps for the report, which then needs neither data nor network.

They show what a network makes of a few examples as it learns, and the plane of its codes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.datasets.pictures import write_grey
from ae.figures import canvas
from ae.lesson import Examples, Lesson
from ae.networks import reconstruct
from ae.runs.unfinished import Training

import numpy as np

TILES = 30  # decoded codes across the plane
ITEMS = 1600  # training images on the plane
OUTLIERS = 0.01  # share of the codes, at either end of an axis, that the plane leaves out


class Snapshots:
    """Keeps what a network makes of the lesson's examples after epochs 1, 2, 4, 8 ... and the last.

    Args:
        training: the training to observe. If it resumes, an earlier process has kept the first
            snapshots already.
    """

    def __init__(self, training: Training):
        self._training = training
        self._examples = training.lesson.examples(training.data)
        earlier = (2**n for n in range(len(training.history).bit_length()))
        self._kept = [{"epoch": e, "image": strip_path(self._name(e))} for e in earlier]

    def after_epoch(self, epoch: int) -> None:
        """Keeps a snapshot if the epoch is a power of two."""
        if epoch & (epoch - 1) == 0:
            self._keep(epoch)

    def result(self) -> dict[str, Any]:
        """Returns the snapshots, each with its epoch and image, and the plane of codes if any."""
        lesson, network, data = (getattr(self._training, n) for n in ("lesson", "network", "data"))
        self._keep(len(self._training.history))
        folder, plane = self._training.folder, None
        if lesson.plane is not None:
            plane = write_plane(folder, self._training.label, lesson.plane(network, data))
        return {"snapshots": self._kept, "plane": plane}

    @staticmethod
    def of_run(lesson: Lesson, data: Any, record: Any, folder: Path) -> dict[str, Any]:
        """Writes the examples themselves."""
        return {"examples": write_examples(folder, lesson.examples(data))}

    def _keep(self, epoch: int) -> None:
        if self._kept and self._kept[-1]["epoch"] == epoch:
            return
        seen = reconstruct(self._training.network, self._examples.x)
        image = write_strip(self._training.folder, self._name(epoch), seen)
        self._kept.append({"epoch": epoch, "image": image})

    def _name(self, epoch: int) -> str:
        return f"{self._training.label.replace(' ', '-')}-{epoch:04}"


def write_examples(folder: Path, examples: Examples) -> dict[str, Any]:
    """Writes the examples themselves.

    Returns:
        How many there are, and the paths of their pictures relative to the folder.
    """
    written = {"count": len(examples.x), "input": write_strip(folder, "input", examples.x)}
    if examples.target is not None:
        written["target"] = write_strip(folder, "target", examples.target)
    return written


def write_strip(folder: Path, name: str, images: np.ndarray) -> str:
    """Writes images in a row, as one picture.

    Args:
        folder: the run's folder; the picture goes into its folder "snapshots".
        name: the file's name without its ending.
        images: (n, height, width, 1) in [0, 1], or square ones as rows (n, pixels).

    Returns:
        The picture's path relative to the run's folder.
    """
    return _write(folder, Path(strip_path(name)), images, columns=len(images))


def strip_path(name: str) -> str:
    """Returns where within the run's folder `write_strip` writes."""
    return f"snapshots/{name}.png"


class Plane(NamedTuple):
    """A plane of codes to walk in.

    Attributes:
        decode: takes codes (n, 2), returns images (n, height, width, 1).
        z: (n, 2) the codes of the training images.
        images: (n, height, width, 1) those images.
        labels: (n,) their classes.
        classes: the names of the classes.
    """

    decode: Callable
    z: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    classes: Sequence[str]


def write_plane(folder: Path, label: str, plane: Plane) -> dict[str, Any]:
    """Writes what the report needs to show what lies where on a plane of codes.

    Args:
        label: the training's name, which the files' names begin with.
        plane: the plane; of its training images the first 1600 that lie on it are shown.

    Returns:
        `low` and `high`, the plane's corners; `tiles`, how many decoded codes it has across and
        down, row by row from `low`; `decoded` and `items`, the paths of the pictures; `columns`,
        how many items the latter has across; and of each item its code and label.
    """
    low, high = np.quantile(plane.z, [OUTLIERS, 1 - OUTLIERS], axis=0).astype("float32")
    inside = np.flatnonzero(((plane.z >= low) & (plane.z <= high)).all(axis=1))[:ITEMS]
    axes = [np.linspace(a, b, TILES, dtype="float32") for a, b in zip(low, high, strict=True)]
    codes = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)  # x changes fastest
    columns = int(np.ceil(np.sqrt(len(inside))))
    padded = np.zeros((columns * -(-len(inside) // columns), *plane.images.shape[1:]), "float32")
    padded[: len(inside)] = plane.images[inside]
    prefix = Path("plane") / label.replace(" ", "-")
    return {
        "low": low.tolist(),
        "high": high.tolist(),
        "tiles": TILES,
        "decoded": _write(folder, Path(f"{prefix}-decoded.png"), plane.decode(codes), TILES),
        "items": _write(folder, Path(f"{prefix}-items.png"), padded, columns),
        "columns": columns,
        "codes": np.round(plane.z[inside], 3).tolist(),
        "labels": plane.labels[inside].tolist(),
        "classes": list(plane.classes),
    }


def _write(folder: Path, path: Path, images: np.ndarray, columns: int) -> str:
    """Writes images as the tiles of one picture and returns its path within the folder."""
    if images.ndim == 2:
        side = int(np.sqrt(images.shape[1]))
        images = images.reshape(-1, side, side)
    tiles = canvas(images, len(images) // columns, columns)
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    write_grey(folder / path, np.rint(255 * np.clip(tiles, 0, 1)).astype("uint8"))
    return path.as_posix()
