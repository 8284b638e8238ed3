"""Writes the networks of a run as ONNX models, LiteRT models or SavedModels.

Every file is loaded again in its own runtime and compared with Keras, on inputs of the run's own
data, before it counts as written.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.export import KINDS, NoCounterpartError, litert_models, onnx_models
from ae.lesson import Lesson, Settings, label_of
from ae.paths import make_folder, move_into, refuse_to_overwrite
from ae.proof.parity import to_keras
from ae.runs.records import read_run
from ae.runs.saved import load_data, load_network, load_weights

import numpy as np

NUM_INPUTS = 8  # that outputs are compared on
CLOSE = 1e-4  # of the largest output; float32 in another order of sums
CLOSE_IN_FLOAT16 = 5e-3  # with weights rounded to 11 bits; of all lessons, at most 2.6e-3 was found


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
    lesson: Lesson,
    run: Path,
    kind: str,
    out: Path,
    overwrite: bool,
    data_dir: Path | None,
    float16: bool = False,
) -> Iterator[str]:
    """Writes all networks of a run; with `float16`, ONNX or LiteRT models of half the size.

    Yields:
        A line for each file: what it differs by, or why it is not written.

    Raises:
        InputError: a package is missing, or what a file in float32 computes differs.
    """
    record, settings = read_run(lesson, run)
    x = load_data(lesson, run, record, settings, data_dir).x_test[:NUM_INPUTS]
    end = "-float16" * float16 + KINDS[kind]
    planned = []
    for training in record["trainings"]:
        label = label_of(training["network"], training["style"]).replace(" ", "-")
        for part, network in parts_of(as_keras(lesson, run, training, settings)).items():
            planned.append((part, out / f"{label}-{part}{end}", network))
    refuse_to_overwrite(out, [file for _, path, _ in planned for file in _files(path)], overwrite)
    make_folder(out)
    codes = None
    for part, path, network in planned:
        inputs = codes if part == "decoder" else x
        expected = _call(network, inputs)
        codes = expected if part == "encoder" else codes
        if _difference(_call(network, inputs), expected) > CLOSE:
            yield f"{path} is not written: it draws random numbers, so no comparison can check it."
            continue
        with tempfile.TemporaryDirectory(dir=out) as work:
            unchecked = Path(work) / path.name
            try:
                found, note = _write(kind, network, unchecked, inputs, float16)
            except NoCounterpartError as error:
                yield f"{path} is not written: {error}"
                continue
            difference = _difference(found, expected)
            about = f"by {difference:.1e} of the largest output"
            if float16:
                note = f"; with float16, up to {CLOSE_IN_FLOAT16:g} is allowed{note}"
                if not difference < CLOSE_IN_FLOAT16:
                    yield f"{path} is not written: it differs from Keras {about}{note}"
                    continue
            elif not difference < CLOSE:
                raise InputError(f"{path} differs from Keras {about}; report this as a fault.")
            move_into(out, _files(unchecked), Path(work))
        yield f"{path}: differs from Keras {about}{note}"


def _write(
    kind: str, network: keras.Model, path: Path, x: np.ndarray, float16: bool
) -> tuple[np.ndarray, str]:
    """Writes a network; returns what the file computes, and what else there is to say of it."""
    if kind == "savedmodel":
        network.export(path, verbose=False)
        loaded = tf.saved_model.load(str(path))  # it must stay alive while it is called
        return np.asarray(loaded.serve(x)), ""
    if kind == "onnx":
        onnx_models.write(network, path, float16)
        return onnx_models.run(path, x), ""
    shape = litert_models.shape_of(network, x)
    litert_models.write(network, path, shape, float16)
    fixed = f"; for inputs of {' x '.join(map(str, shape))} numbers"
    return litert_models.run(path, x), fixed if shape[0] else ""


def _files(path: Path) -> list[Path]:
    """Lists a file, or the files in a folder; a SavedModel is a folder."""
    return [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]


def _call(network: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(network(x[i : i + 1])) for i in range(len(x))])


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference, as a share of the largest output."""
    return float(np.abs(found - expected).max() / max(1e-6, np.abs(expected).max()))
