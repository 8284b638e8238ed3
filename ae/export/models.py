"""Writes the networks of a run as ONNX models or SavedModels.

Every file is loaded again in its own runtime and compared with Keras, on inputs of the run's own
data, before it counts as written.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.export import onnx_models
from ae.lesson import Lesson, Settings, label_of
from ae.paths import make_folder, refuse_to_overwrite, remember
from ae.proof.parity import to_keras
from ae.runs.records import read_run
from ae.runs.saved import load_data, load_network, load_weights

import numpy as np

NUM_INPUTS = 8  # that outputs are compared on
CLOSE = 1e-4  # of the largest output; float32 in another order of sums


def as_keras(
    lesson: Lesson, run: Path, training: Mapping[str, Any], settings: Settings
) -> keras.Model:
    """Builds the Keras model of a training of either style, with its weights."""
    model = lesson.networks[training["network"]]["keras"].build(settings)
    if training["style"] == "keras":
        load_weights(model, run / training["saved"])
    else:
        to_keras(load_network(lesson, run, training, settings), model)
    return model


def parts_of(model: keras.Model) -> dict[str, keras.Model]:
    """Returns what can be exported: encoder, decoder, and the whole unless it draws its codes.

    The encoder of a variational network gives the mean of the code alone.
    """
    encoder, decoder = (model.get_layer(part) for part in ("encoder", "decoder"))
    if len(encoder.outputs) > 1:
        return {"encoder": keras.Model(encoder.input, encoder.outputs[0]), "decoder": decoder}
    return {"encoder": encoder, "decoder": decoder, "whole": model}


def write(
    lesson: Lesson, run: Path, kind: str, out: Path, overwrite: bool, data_dir: Path | None
) -> Iterator[str]:
    """Writes all networks of a run.

    Yields:
        A line for each file: what it differs by, or why it is not written.

    Raises:
        InputError: a runtime is missing, or a result differs.
    """
    record, settings = read_run(lesson, run)
    x = load_data(lesson, run, record, settings, data_dir).x_test[:NUM_INPUTS]
    planned = []
    for training in record["trainings"]:
        label = label_of(training["network"], training["style"]).replace(" ", "-")
        for part, network in parts_of(as_keras(lesson, run, training, settings)).items():
            planned.append((out / f"{label}-{part}{'.onnx' if kind == 'onnx' else ''}", network))
    refuse_to_overwrite(out, [file for path, _ in planned for file in _files(path)], overwrite)
    make_folder(out)
    codes = None
    for path, network in planned:
        inputs = codes if path.stem.endswith("-decoder") else x
        expected = _call(network, inputs)
        codes = expected if path.stem.endswith("-encoder") else codes
        try:
            (onnx_models.write if kind == "onnx" else _save)(network, path)
        except onnx_models.NoCounterpartError as error:
            yield f"{path} is not written: {error}"
            continue
        remember(out, _files(path))
        found = (_run_onnx if kind == "onnx" else _run_saved)(path, inputs)
        difference = float(np.abs(found - expected).max() / max(1e-6, np.abs(expected).max()))
        if not difference < CLOSE:
            raise InputError(
                f"{path}: its output differs from Keras's by {difference:.1e} of the largest; "
                "report this as a fault."
            )
        yield f"{path}: differs from Keras by at most {difference:.1e} of the largest output"


def _files(path: Path) -> list[Path]:
    """Lists a file, or the files in a folder; a SavedModel is a folder."""
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def _call(network: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(network(x[i : i + 1])) for i in range(len(x))])


def _save(network: keras.Model, path: Path) -> None:
    network.export(path, verbose=False)


def _run_saved(path: Path, x: np.ndarray) -> np.ndarray:
    loaded = tf.saved_model.load(str(path))  # it must stay alive while it is called
    return np.asarray(loaded.serve(x))


def _run_onnx(path: Path, x: np.ndarray) -> np.ndarray:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path} is written but not checked: that needs onnxruntime; pip install onnxruntime."
        ) from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]
