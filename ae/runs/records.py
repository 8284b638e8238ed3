"""What a run leaves behind: a record in JSON, figures, trained networks."""

import dataclasses
import json
import os
import platform
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, Lesson, Settings, label_of, with_network
from ae.networks import Network
from ae.paths import replacing
from ae.terminal import counted, say
from ae.training import interrupts
from ae.training.checkpoints import writing

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

RECORD = "record.json"
UNFINISHED = "unfinished"  # the folder in a run's own, until it is complete


@dataclasses.dataclass
class Report:
    """Collects the figures and the measured values of one trained network."""

    folder: Path  # where the figures go
    prefix: str  # what their file names begin with, such as "keras-"
    title: str = ""  # what every figure is headed with
    network_name: str = ONLY_NETWORK  # what the lesson calls the network
    notice: str = ""  # a line to print under every figure
    show: bool = False  # whether to keep figures open, so that `plt.show()` shows them
    figures: list[Path] = dataclasses.field(default_factory=list)  # the saved ones
    results: dict[str, Any] = dataclasses.field(default_factory=dict)  # measured values by name

    def figure(self, name: str, figure: Figure, shows: str = "", of: str = "") -> None:
        """Saves a figure under a title, and in its file what it shows, in words; names the file.

        `of` is added to the title: whose figure it is, where that is not one trained network.
        """
        path = self.folder / f"{self.prefix}{name}.png"
        if path in self.figures or not isinstance(figure, Figure):
            found = "two figures" if path in self.figures else "no Matplotlib figure but something"
            raise InputError(f"{path.name}: `draw` gives {found} of this name; correct it.")
        _frame(figure, ", ".join(filter(None, (self.title, of))), self.notice)
        about = {"Description": shows} if shows else None
        with replacing(path) as partial:
            figure.savefig(partial, format="png", dpi=100, bbox_inches="tight", metadata=about)
        self.figures.append(path)
        say(f"picture: {path}")
        if not self.show:
            plt.close(figure)
        interrupts.deliver()

    def result(self, name: str, value: Any) -> None:
        """Keeps a measured value for the record."""
        self.results[name] = value

    def kept(self, name: str, measure: Callable[[], Any]) -> Any:
        """Returns a result of the run that is drawn again, or else measures and keeps it."""
        if name not in self.results:
            self.result(name, measure())
        return self.results[name]

    def listed(self, run: Path) -> dict[str, Any]:
        """Returns results and figures, these relative to the run's folder, for its record."""
        figures = [path.relative_to(run) for path in self.figures]
        return {"results": self.results, "figures": figures}


def draw(
    lesson: Lesson,
    data: Any,
    settings: Settings,
    folder: Path,
    show: bool,
    network: Network,
    network_name: str,
    style: str,
    history: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Draws the figures of a trained network.

    Returns results and figures, as the record of the run in the folder lists them.
    """
    prefix = label_of(network_name, style).replace(" ", "-") + "-"
    corrected = ["corrected"] if settings.variant == "corrected" else []
    loss = f"loss {number(history[-1][lesson.printed_loss])}"
    title = ", ".join([lesson.name, *corrected, trained(network_name, style, len(history)), loss])
    report = Report(folder / "figures", prefix, title, network_name, data.provenance.notice, show)
    lesson.draw(network, data, settings, report)
    return report.listed(folder)


def draw_appendix(
    lesson: Lesson,
    data: Any,
    settings: Settings,
    folder: Path,
    show: bool,
    networks: Callable,
    results: Mapping[str, Any],
) -> dict[str, Any]:
    """Draws the figures of a whole run, as `draw`.

    `networks()` returns networks by their names; `results` are what the run's appendix measured, if
    it is drawn again.
    """
    report = Report(
        *(folder / "figures", "", lesson.name),
        notice=data.provenance.notice,
        show=show,
        results=dict(results),
    )
    if lesson.appendix is not None:
        lesson.appendix(data, settings, report, networks)
    return report.listed(folder)


def trained(network_name: str, style: str, num_epochs: int) -> str:
    """Says for the title of a figure what was trained: "class, Keras, 10 epochs"."""
    network = [] if network_name == ONLY_NETWORK else [network_name]
    return ", ".join([*network, style.replace("keras", "Keras"), counted(num_epochs, "epoch")])


def number(loss: float) -> str:
    """Writes a loss with four digits, or without decimals if it is large."""
    return f"{loss:.4f}" if loss < 10 else f"{loss:.0f}"


def _frame(figure: Figure, title: str, notice: str) -> None:
    """Writes a title over all that a figure shows, and a notice in red under it."""
    figure.draw_without_rendering()  # which lays it out
    shown, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    middle, top, bottom = (shown.x0 + shown.x1) / 2 / width, shown.y1 / height, shown.y0 / height
    gap = 0.12 / height
    if title:
        figure.text(middle, top + gap, title, ha="center", va="bottom", fontsize="large")
    if notice:
        figure.text(middle, bottom - gap, notice, ha="center", va="top", color="tab:red")


def save_network(network: Network, folder: Path, name: str) -> Path:
    """Saves a trained network: a Keras model as `NAME.keras`, a module as a `tf.train.Checkpoint`.

    The Keras model is for use: without optimizer, loss and metrics, unless it is of a class of its
    own. Returns the path that `load_weights` takes.
    """
    if isinstance(network, keras.Model):
        path = folder / f"{name}.keras"
        alone = keras.Model(network.input, network.output, name=network.name)
        with replacing(path) as partial:
            (alone if type(alone) is type(network) else network).save(partial)
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with writing():
        prefix = tf.train.Checkpoint(network=network).write(str(folder / name))
    return Path(prefix)


def load_weights(network: Network, path: Path) -> None:
    """Fills a network with weights that `save_network` wrote; no code in the file runs."""
    is_keras = isinstance(network, keras.Model)
    if not (path if is_keras else Path(f"{path}.index")).is_file():
        raise InputError(f"{path}: there is no such saved network.")
    try:
        if is_keras:
            with warnings.catch_warnings():  # what Keras skips stays untrained
                warnings.filterwarnings("error", "Skipping nested container", UserWarning)
                network.load_weights(path)
        else:
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


def read_json(path: Path) -> Any:
    """Reads a file of the repository's own that `write_json` wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is missing or damaged ({getattr(error, 'strerror', error)}); get it back with "
            "git, or see `python -m ae.maintain --help` for what makes it."
        ) from error


def write_json(path: Path, value: Any) -> Path:
    """Writes a file of JSON and returns its path."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=1, default=_plain) + "\n", encoding="utf-8")
    return path


def read_record(folder: Path) -> dict[str, Any]:
    """Reads the record of a run, or raises InputError if its folder holds no readable one."""
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["lesson"], record["settings"], record["trainings"]
    except OSError as error:
        found = f"there is no run here ({RECORD} cannot be read)"
        if (folder / UNFINISHED / RECORD).is_file():
            found = f"this run is not finished; resume it: --resume {folder}"
        raise InputError(f"{folder}: {found}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: this is not the record of a run.") from error
    return record


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Lays out the records of runs: lesson, style, epochs, time, loss, published loss."""
    rows = [("lesson", "style", "epochs", "time", "loss", "published")]
    for record in runs:
        for training in record["trainings"]:
            history, printed, published = (
                training["history"],
                training["published"],
                "none comparable",
            )
            if printed:
                losses = " and ".join(f"{loss:.4f}" for loss in printed["losses"])
                published = f"{losses} at epoch {printed['epoch']}"
            name = with_network(record["lesson"], training["network"])
            seconds, loss = training["seconds"], history[-1][record["printed_loss"]]
            style, epochs = training["style"], str(len(history))
            rows.append((name, style, epochs, f"{seconds:.1f} s", f"{loss:.4f}", published))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    notices = [f"{r['lesson']}: {r['data']['notice']}" for r in runs if r["data"]["notice"]]
    shown = [r for r in runs if any(training["published"] for training in r["trainings"])]
    if any(r["preset"] != "article" or r.get("departures") for r in shown):
        notices.append("The published losses are those of the article's settings, not of these.")
    return "\n".join([*lines, *notices])


def environment(*others: str) -> dict[str, Any]:
    """Describes the software, `others` too where they are installed, and the machine."""
    packages = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "imaug", "matplotlib")
    versions = {"python": platform.python_version()}
    for package in (*packages, *others):
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
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
    with suppress(OSError):  # a file of Linux
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:(.*)", cpuinfo, re.MULTILINE):
            return found[1].strip()
    return platform.processor() or platform.machine()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"A record cannot hold {type(value).__name__}.")
