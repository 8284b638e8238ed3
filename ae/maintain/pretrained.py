"""Keeps trained networks in data/pretrained, each in a folder as a run leaves it.

The files are for use: no optimizer and no figures.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras
from ae.cleaning.cleaners import ARTICLE
from ae.export import onnx_models
from ae.export.models import as_keras
from ae.lesson import label_of
from ae.lessons import load
from ae.networks import count_parameters, weights_sha256
from ae.paths import PRETRAINED
from ae.runs.records import environment, read_record, read_run, write_record
from ae.runs.saved import load_network, save_network

LEFT = ("figures", "plane", "snapshots")  # of a training; their files stay behind


def keep(name: str, network: keras.Model, about: Mapping[str, Any]) -> Path:
    """Keeps a network that belongs to no lesson, as ONNX too; returns the path of its record."""
    path = save_network(network, PRETRAINED / name / "networks", "keras")
    onnx_models.write(network, path.with_suffix(".onnx"))
    found = {"parameters": count_parameters(network), "weights_sha256": weights_sha256(network)}
    return write_record(PRETRAINED / name, {**environment(), **found, **about})


def keep_run(run: Path) -> Path:
    """Keeps the networks of a run in one style, Keras if it has it, for `--from pretrained`."""
    lesson = load(read_record(run)["lesson"])
    record, settings = read_run(lesson, run)
    styles = {training["style"] for training in record["trainings"]}
    style = "keras" if "keras" in styles else "low-level"
    kept = [training for training in record["trainings"] if training["style"] == style]
    for training in kept:
        name = label_of(training["network"], style).replace(" ", "-")
        network = load_network(lesson, run, training, settings)
        saved = save_network(network, PRETRAINED / lesson.name / "networks", name)
        if lesson.name == ARTICLE:  # which `clean` applies with ONNX Runtime
            model = as_keras(lesson, run, training, settings)
            onnx_models.write(model, saved.with_suffix(".onnx"))
        training["saved"] = saved.relative_to(PRETRAINED / lesson.name)
        training.update({part: [] for part in LEFT if part in training}, results={})
    names = ("appendix", "examples", "source", "tensorboard")
    record = {key: value for key, value in record.items() if key not in names}
    record |= {"trainings": kept, "style": style, "tensorboard": False, "source": None}
    record["data"]["source"] = "the article's data"  # the folder says nothing elsewhere
    return write_record(PRETRAINED / lesson.name, record)
