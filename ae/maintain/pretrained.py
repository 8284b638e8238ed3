"""Keeps trained networks in data/pretrained, each in a folder as a run leaves it.

The files are for use: no optimizer and no figures. Those that `clean` applies are ONNX models too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae import onnx_models
from ae.backend import keras
from ae.cleaning.cleaners import NETWORKS
from ae.errors import InputError
from ae.export import as_keras
from ae.lesson import ONLY_NETWORK
from ae.lessons import load
from ae.networks import count_parameters, weights_sha256
from ae.paths import PRETRAINED
from ae.runs.records import environment, read_record, save_network, write_record
from ae.runs.saved import read_run

KEPT = ("figures", "results", "plane", "snapshots")  # of a training; their files stay behind


def keep(name: str, network: keras.Model, about: Mapping[str, Any]) -> Path:
    """Keeps a network that belongs to no lesson; returns the path of its record."""
    _save(name, network, "keras")
    found = {"parameters": count_parameters(network), "weights_sha256": weights_sha256(network)}
    return write_record(PRETRAINED / name, {**environment(), **found, **about})


def keep_run(run: Path) -> Path:
    """Keeps the networks of a run in the Keras style; `--from pretrained` draws with them."""
    lesson = load(read_record(run)["lesson"])
    record, settings = read_run(lesson, run)
    kept = [training for training in record["trainings"] if training["style"] == "keras"]
    if not kept:
        raise InputError(f"{run}: this run has no Keras network; name another.")
    for training in kept:
        name = "keras" if training["network"] == ONLY_NETWORK else f"{training['network']}-keras"
        network = as_keras(lesson, run, training, settings)
        training["saved"] = _save(lesson.name, network, name)
        training.update({part: [] for part in KEPT if part in training}, results={})
    names = ("appendix", "examples", "source", "tensorboard")
    record = {key: value for key, value in record.items() if key not in names}
    record |= {"trainings": kept, "style": "keras", "tensorboard": False, "source": None}
    return write_record(PRETRAINED / lesson.name, record)


def _save(folder: str, network: keras.Model, name: str) -> Path:
    path = save_network(network, PRETRAINED / folder / "networks", name)
    if f"{folder}/networks/{name}" in NETWORKS.values():  # which `clean` applies
        onnx_models.write(network, path.with_suffix(".onnx"))
    return path.relative_to(PRETRAINED / folder)
