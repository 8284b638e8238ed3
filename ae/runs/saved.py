"""The networks of a run and its data: saved, and loaded again."""

import dataclasses
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, label_of
from ae.networks import Network, name_of, reconstruct
from ae.paths import replacing
from ae.runs.folder import CHECKPOINTS
from ae.runs.records import RECORD, UNFINISHED, read_run
from ae.training import interrupts, precision
from ae.training.checkpoints import Checkpoints, writing

import numpy as np


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
    load_weights(network, folder / training["saved"])
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
    work = folder if folder.name == UNFINISHED else folder / UNFINISHED
    if not (work / RECORD).is_file() or ((folder / RECORD).is_file() and work != folder):
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
        load_weights(loaded, folder / training["saved"])
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
