"""The record that a run leaves: JSON, which is read and written without TensorFlow."""

import dataclasses
import json
import os
import platform
import re
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, Lesson, Settings, with_network
from ae.paths import replacing
from ae.terminal import counted

RECORD = "record.json"
UNFINISHED = "unfinished"  # the folder in a run's own, until it is complete


def trained(network_name: str, style: str, num_epochs: int) -> str:
    """Says for the title of a figure what was trained: "class, Keras, 10 epochs"."""
    network = [] if network_name == ONLY_NETWORK else [network_name]
    return ", ".join([*network, style.replace("keras", "Keras"), counted(num_epochs, "epoch")])


def number(loss: float) -> str:
    """Writes a loss with four digits, or without decimals if it is large."""
    return f"{loss:.4f}" if loss < 10 else f"{loss:.0f}"


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


def read_run(
    lesson: Lesson, folder: Path, asked: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Settings]:
    """Reads the record and the settings of a lesson's earlier run; `asked` replaces settings."""
    record = read_record(folder)
    if record["lesson"] != lesson.name:
        raise InputError(f"{folder}: this is a run of {record['lesson']}, not of {lesson.name}.")
    try:
        settings = settings_of(lesson, {**record["settings"], **(asked or {})})
        _require_parts(lesson, folder, record)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"{folder}: its record does not fit this version of {lesson.name}; run it again."
        ) from error
    return record, settings


def _require_parts(lesson: Lesson, folder: Path, record: Mapping[str, Any]) -> None:
    """Uses all parts of a record as others will, so that one that does not fit fails here."""
    for key in ("preset", "style", "tensorboard", "started", "device"):
        record[key]
    dict(record["versions"]), record["data"]["source"], record["data"]["sha256"]
    for training in record["trainings"]:
        lesson.networks[training["network"]][training["style"]]
        folder / training["saved"]
        training["parameters"], training["claims"]
    table([record])
    for part in (*record["trainings"], record.get("appendix", {})):
        dict.fromkeys(part.get("figures", ())), dict(part.get("results", {}))


def settings_of(lesson: Lesson, values: Mapping[str, Any]) -> Settings:
    """Makes settings of a record's values; a TypeError if a value is of another type.

    Settings that the lesson no longer has are left out.
    """
    types = typing.get_type_hints(type(lesson.presets["article"]))
    chosen = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items() if n in types}
    settings = dataclasses.replace(lesson.presets["article"], **chosen)
    for name, hint in types.items():
        if not _fits(getattr(settings, name), hint):
            raise TypeError(f"{name} is {getattr(settings, name)!r}.")
    return settings


def _fits(value: Any, hint: Any) -> bool:
    """Says whether a value has the type of a field's hint; a whole number is a float too."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:  # of any length
        return isinstance(value, tuple) and all(_fits(one, arguments[0]) for one in value)
    if arguments:
        return any(_fits(value, argument) for argument in arguments)
    return isinstance(value, (int, float) if hint is float else hint)


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
    from ae.backend import tf

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
    if hasattr(value, "tolist"):  # of NumPy
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"A record cannot hold {type(value).__name__}.")
