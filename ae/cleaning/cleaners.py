"""The networks that clean pages: the one that comes with the project, and those of earlier runs.

ONNX Runtime applies the former where it is installed; it starts in a tenth of TensorFlow's time.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from ae.cleaning.features import features
from ae.cleaning.page import PageNetwork
from ae.errors import InputError
from ae.paths import PRETRAINED

import numpy as np

ARTICLE = "document_cleaner"
NETWORKS = {  # ONNX models in PRETRAINED
    "ours": "page_cleaner/networks/keras.onnx",
    "article": f"{ARTICLE}/networks/low-level.onnx",
}


def _light(page: np.ndarray) -> np.ndarray:
    """Maps a page, uint8 (height, width), to what the article's network takes."""
    return page[:, :, None].astype(np.float32) / np.float32(255)


FORMS = {  # how each kind of network is applied
    "ours": {"features": features, "stride": 8, "reach": 64, "edge": 16},
    "article": {"features": _light, "stride": 2, "reach": 8, "edge": 8},
}


def pretrained(name: str, threads: int | None = None) -> PageNetwork:
    """Loads a network of `NETWORKS` with the weights in data/pretrained.

    Args:
        threads: how many ONNX Runtime takes; default: all.
    """
    path = PRETRAINED / NETWORKS[name]
    if importlib.util.find_spec("onnxruntime"):
        apply = _by_onnx_runtime(path, threads)
    elif name == "article":
        return of_run(PRETRAINED / ARTICLE, None)
    else:
        apply = _by_tensorflow(path.with_suffix(".keras"))
    return PageNetwork(apply=apply, **FORMS[name])


def _by_onnx_runtime(path: Path, threads: int | None) -> Callable:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def _by_tensorflow(path: Path) -> Callable:
    from ae.backend import keras
    from ae.networks import in_batches

    return in_batches(keras.models.load_model(path, compile=False), batch_size=1)


def of_run(run: Path, style: str | None) -> PageNetwork:
    """Loads the article's network as an earlier run trained it: of its folder or .keras file.

    It says on standard error if the run is not finished, not of real scans or not at the article's
    settings.
    """
    from ae.lesson import ONLY_NETWORK
    from ae.lessons import load
    from ae.networks import codec
    from ae.proof import published
    from ae.runs.records import read_run
    from ae.runs.saved import load_network, load_newest

    lesson = load(ARTICLE)

    def ready(network):
        return PageNetwork(apply=codec(network, batch_size=1).reconstruct, **FORMS["article"])

    if run.suffix == ".keras":
        if style == "low-level":
            raise InputError(f"{run}: this is a Keras network; leave --style out.")
        training = {"network": ONLY_NETWORK, "style": "keras", "saved": run.name}
        return ready(load_network(lesson, run.parent, training, lesson.presets["article"]))
    if not run.exists():
        raise InputError(
            f"{run}: there is no run here; leave --from out to take a network that is trained "
            f"already, or train one: `{lesson.command} --style low-level`."
        )
    if newest := load_newest(lesson, run, ONLY_NETWORK, style):
        return ready(newest)
    record, settings = read_run(lesson, run)
    trained = {training["style"]: training for training in record["trainings"]}
    style = style or ("keras" if "keras" in trained else "low-level")
    if style not in trained:
        raise InputError(f"{run}: this run has no {style} network.")
    if notice := record["data"]["notice"]:
        print(f"{run}: this run is not of real scans: {notice}", file=sys.stderr)
    if found := published.departures(lesson, record):
        print(
            f"{run}: this run is not at the article's settings ({', '.join(found)}); "
            f"for cleaner pages train with `{lesson.command} --out FOLDER`.",
            file=sys.stderr,
        )
    return ready(load_network(lesson, run, trained[style], settings))
