"""What an earlier run left: its record, its settings, its data and its networks."""

import dataclasses
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras
from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, label_of
from ae.networks import Network, name_of, reconstruct
from ae.runs import records
from ae.runs.folder import CHECKPOINTS
from ae.training import interrupts, precision
from ae.training.checkpoints import Checkpoints

import numpy as np


def read_run(
    lesson: Lesson, folder: Path, asked: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Settings]:
    """Reads the record and the settings of a lesson's earlier run; `asked` replaces settings."""
    record = records.read_record(folder)
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
    records.table([record])
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


def load_data(
    lesson: Lesson,
    folder: Path,
    record: Mapping[str, Any],
    settings: Settings,
    data_dir: Path | None = None,
) -> Any:
    """Loads the data of an earlier run, and no others; if it took what it found, that kind."""
    if getattr(settings, "data", None) == "auto":
        kind = "synthetic" if record["data"]["notice"] else "real"
        settings = dataclasses.replace(settings, data=kind)
    data = lesson.load(settings, data_dir)
    if data.provenance.sha256 != record["data"]["sha256"]:
        raise InputError(
            f"{folder}: this run was on other data ({record['data']['source']}); "
            "give those with --data-dir, or start a new run."
        )
    return data


@interrupts.postponed()
def load_network(
    lesson: Lesson, folder: Path, training: Mapping[str, Any], settings: Settings
) -> Network:
    """Builds the network of a training in a run's record and fills it with its saved weights."""
    network = build(lesson, training["network"], training["style"], settings)
    records.load_weights(network, folder / training["saved"])
    return network


def load_networks(
    lesson: Lesson, folder: Path, record: Mapping[str, Any], settings: Settings
) -> dict[str, Network]:
    """Loads the networks of a run by their names; of two styles, that which was trained last."""
    trainings = {training["network"]: training for training in record["trainings"]}
    return {
        name: load_network(lesson, folder, training, settings)
        for name, training in trainings.items()
    }


@interrupts.postponed()
def load_newest(lesson: Lesson, folder: Path, network: str, style: str | None) -> Network | None:
    """Loads a network of an interrupted run as it was after its newest epoch, with a notice.

    The folder is the run's, or "unfinished" in it. If both styles have begun and none is asked for,
    the network is the Keras one. None means that no run was interrupted here.
    """
    work = folder if folder.name == records.UNFINISHED else folder / records.UNFINISHED
    if not (work / records.RECORD).is_file() or (
        (folder / records.RECORD).is_file() and work != folder
    ):
        return None
    record, settings = read_run(lesson, work)
    done = {t["style"]: t for t in record["trainings"] if t["network"] == network}
    for one in (style,) if style else STYLES[::-1]:
        if one in done:
            _notice_unfinished(folder, one, len(done[one]["history"]))
            return load_network(lesson, work, done[one], settings)
        states = work / CHECKPOINTS / label_of(network, one).replace(" ", "-")
        if (states / "checkpoint").exists():
            loaded = build(lesson, network, one, settings)
            checkpoints = Checkpoints(states, loaded)
            checkpoints.follow(None)
            _notice_unfinished(folder, one, len(checkpoints.history))
            return loaded
    wanted = f"{style} network" if style else "network"
    raise InputError(f"{folder}: this run was interrupted before it had a {wanted}; resume it.")


def _notice_unfinished(folder: Path, style: str, epochs: int) -> None:
    about = f"using its {style} network after epoch {epochs}"
    print(f"{folder}: not finished; {about}.", file=sys.stderr)


def require_saved(
    lesson: Lesson,
    folder: Path,
    training: Mapping[str, Any],
    settings: Settings,
    network: Network,
    data: Any,
) -> None:
    """Raises InputError if a new network that loads a saved one differs from it."""
    loaded, fails = build(lesson, training["network"], training["style"], settings), False
    try:
        records.load_weights(loaded, folder / training["saved"])
    except InputError:  # its sentence is about a file from elsewhere
        fails = True
    x = lesson.examples(data).x
    alike = np.allclose(reconstruct(network, x), reconstruct(loaded, x), rtol=1e-3, atol=1e-4)
    pairs = zip(network.trainable_variables, loaded.trainable_variables, strict=False)
    lost = [name_of(v, network) for v, w in pairs if not np.array_equal(v.numpy(), w.numpy())]
    if fails or lost or not alike:
        what = f'the variable "{lost[0]}"' if lost else "something besides its trainable variables"
        raise InputError(
            f"{lesson.name} {label_of(training['network'], training['style'])}: the saved network "
            f"lacks {what}; make variables with a Keras layer's add_weight, or keep them in "
            "attributes of a tf.Module."
        )


@interrupts.postponed()
def build(lesson: Lesson, network: str, style: str, settings: Settings) -> Network:
    """Builds an untrained network of a lesson, its weights drawn with the run's seed."""
    keras.utils.set_random_seed(settings.seed)
    built = lesson.networks[network][style].build(settings)
    if settings.mixed_precision and style == "keras":
        precision.to_bfloat16(built)
    return built
