"""What a run leaves behind: a record in JSON, figures, trained networks."""

import dataclasses
import json
import os
import platform
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import Lesson, Settings, with_network
from ae.networks import Network
from ae.paths import replacing
from ae.training import interrupts
from ae.training.checkpoints import writing

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

RECORD = "record.json"
UNFINISHED = "unfinished"  # the folder in a run's own, until it is complete


class Report:
    """Collects the figures and the measured values of one trained network.

    Args:
        folder: where the figures go; made when the first one is saved.
        prefix: what their file names begin with, such as "keras-"; also their window's title.
        notice: a line to print under every figure, or "".
        show: whether to keep the figures open, so that `plt.show()` shows them.

    Attributes:
        figures: paths of the saved figures.
        results: measured values by name.
    """

    def __init__(self, folder: Path, prefix: str, notice: str = "", show: bool = False):
        self._folder, self._prefix, self._notice, self._show = folder, prefix, notice, show
        self.figures: list[Path] = []
        self.results: dict[str, Any] = {}

    def figure(self, name: str, figure: Figure, shows: str = "") -> None:
        """Saves a figure as `PREFIX NAME.png`.

        Args:
            name: of the figure.
            figure: the figure, which is closed unless windows are asked for.
            shows: what is to be seen in it, in words; kept in the file.
        """
        if self._notice:
            figure.text(0.5, 0.0, self._notice, ha="center", va="bottom", color="tab:red")
        path = self._folder / f"{self._prefix}{name}.png"
        about = {"Description": shows} if shows else None
        with replacing(path) as partial:
            figure.savefig(partial, format="png", dpi=100, bbox_inches="tight", metadata=about)
        self.figures.append(path)
        if not self._show:
            plt.close(figure)
        interrupts.deliver()

    def result(self, name: str, value: Any) -> None:
        """Keeps a measured value for the record."""
        self.results[name] = value

    def as_recorded(self, folder: Path) -> dict[str, Any]:
        """Returns results and figures as the record of the run in a folder lists them."""
        figures = [path.relative_to(folder) for path in self.figures]
        return {"results": self.results, "figures": figures}


def draw(
    lesson: Lesson,
    network: Network,
    label: str,
    data: Any,
    settings: Settings,
    folder: Path,
    show: bool,
) -> Report:
    """Draws a trained network's figures into a run's folder; returns what came of it."""
    prefix = label.replace(" ", "-") + "-"
    report = Report(folder / "figures", prefix, data.provenance.notice, show)
    lesson.draw(network, data, settings, report)
    return report


def draw_appendix(
    lesson: Lesson, data: Any, settings: Settings, folder: Path, show: bool
) -> dict[str, Any]:
    """Draws what needs no trained network; returns results and figures, as a record lists them."""
    report = Report(folder / "figures", "", data.provenance.notice, show)
    if lesson.appendix is not None:
        lesson.appendix(data, settings, report)
    return report.as_recorded(folder)


def save_network(network: Network, folder: Path, name: str) -> Path:
    """Saves a trained network: a Keras model as `NAME.keras`, a module as a `tf.train.Checkpoint`.

    Args:
        network: a network of either style.
        folder: where it goes; made if it is missing.
        name: the file's name without its ending.

    Returns:
        What `load_weights` takes.

    Raises:
        OSError: if it cannot be written.
    """
    if isinstance(network, keras.Model):
        path = folder / f"{name}.keras"
        with replacing(path) as partial:
            network.save(partial)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with writing():
        prefix = tf.train.Checkpoint(network=network).write(str(folder / name))
    return Path(prefix)


def load_weights(network: Network, path: Path) -> None:
    """Fills an untrained network with saved weights; nothing in the file is executed.

    Args:
        network: a network of the style and shape that was saved.
        path: what `save_network` returned.

    Raises:
        InputError: if there is no such file, or it holds another network.
    """
    try:
        if isinstance(network, keras.Model):
            if not path.is_file():
                raise InputError(f"{path}: there is no such model file.")
            with warnings.catch_warnings():  # what Keras skips stays untrained
                warnings.filterwarnings("error", "Skipping nested container", UserWarning)
                network.load_weights(path)
        else:
            if not Path(f"{path}.index").is_file():
                raise InputError(f"{path}: there is no such checkpoint.")
            checkpoint = tf.train.Checkpoint(network=network)
            checkpoint.read(str(path)).assert_existing_objects_matched()
    except (
        *(ValueError, AssertionError, OSError, LookupError, UserWarning),  # another network's
        # Damaged ones; a cut checkpoint is an IndexError, HDF5's links are RuntimeErrors.
        *(zipfile.BadZipFile, tf.errors.OpError, RuntimeError),
    ) as error:
        raise InputError(
            f"{path}: this is not a saved network of this lesson and style; "
            "give a file that a run of the same lesson wrote."
        ) from error
    if not all(np.isfinite(weight.numpy()).all() for weight in network.trainable_variables):
        raise InputError(f"{path}: its weights are not all finite numbers; give another file.")


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Writes `record.json` into a run's folder."""
    return write_json(folder / RECORD, record)


def changed_settings(lesson: Lesson, record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run that are not its preset's."""
    preset = json.loads(json.dumps(dataclasses.asdict(lesson.presets[record["preset"]])))
    return {name: value for name, value in record["settings"].items() if value != preset[name]}


def write_json(path: Path, value: Any) -> Path:
    """Writes a file of JSON and returns its path."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=1, default=_plain) + "\n", encoding="utf-8")
    return path


def read_record(folder: Path) -> dict[str, Any]:
    """Reads the record of a run.

    Returns:
        What `record.json` there holds.

    Raises:
        InputError: if the folder holds no readable record.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["lesson"], record["settings"], record["trainings"]
    except OSError as error:
        if (folder / UNFINISHED / RECORD).is_file():
            raise InputError(
                f"{folder}: this run is not finished; resume it: --resume {folder}."
            ) from error
        raise InputError(f"{folder}: there is no run here ({RECORD} cannot be read).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: this is not the record of a run.") from error
    return record


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Lays out the records of runs: lesson, style, epochs, time, loss, published loss."""
    rows = [("lesson", "style", "epochs", "time", "loss", "published")]
    for record in runs:
        for training in record["trainings"]:
            name, network = record["lesson"], training["network"]
            history, printed = training["history"], training["published"]
            rows.append(
                (
                    with_network(name, network),
                    training["style"],
                    str(len(history)),
                    f"{training['seconds']:.1f} s",
                    f"{history[-1][record['printed_loss']]:.4f}",
                    " and ".join(f"{loss:.4f}" for loss in printed["losses"])
                    + f" at epoch {printed['epoch']}"
                    if printed
                    else "no number",
                )
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    notices = [f"{r['lesson']}: {r['data']['notice']}" for r in runs if r["data"]["notice"]]
    shown = [r for r in runs if any(training["published"] for training in r["trainings"])]
    if any(r["preset"] != "article" or r.get("departures") for r in shown):
        notices.append("The published losses are those of the article's settings, not of these.")
    return "\n".join([*lines, *notices])


def environment(*others: str) -> dict[str, Any]:
    """Describes the software and the machine for a record.

    Args:
        *others: packages whose versions matter to it too, where they are installed.
    """
    packages = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "imaug", "matplotlib")
    versions = {"python": platform.python_version()}
    for package in (*packages, *others):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    gpus = [detail.get("device_name", "GPU") for detail in details]
    return {
        "versions": versions,
        "device": ", ".join(gpus) if gpus else f"{_cores()}, {_processor()}",
    }


def _cores() -> str:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    usable = len(affinity(0)) if affinity else os.cpu_count()
    return "1 core" if usable == 1 else f"{usable} cores"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"A record cannot hold {type(value).__name__}.")
