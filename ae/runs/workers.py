"""Training on several machines: the first worker, the chief, keeps the run; the others help it.

All workers get the same command. Before they train, they tell each other what they are going to
train, and stop if that differs. The chief also tells how far a resumed run has come: the others
have no folder of their own.
"""

import base64
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError
from ae.lesson import Lesson, Settings, label_of
from ae.runs.folder import CHECKPOINTS, differences
from ae.runs.records import UNFINISHED, settings_of
from ae.runs.saved import build, load_data
from ae.terminal import say, working
from ae.training import interrupts, peers, strategies
from ae.training.checkpoints import Checkpoints
from ae.training.peers import Cluster
from ae.training.run import Run
from ae.training.strategies import Replicas

STYLE = "low-level"  # what several machines can train


def begin(
    lesson: Lesson, cluster: Cluster | None, record: Mapping[str, Any], folder: Path, resumed: bool
) -> Replicas | None:
    """Makes the replicas that train a run, for the process that keeps it; None: it needs none."""
    if record.get("strategy") is None:
        return None
    if cluster is None:
        return strategies.mirrored()
    done = len(record["trainings"])
    about = {name: value for name, value in record.items() if name != "trainings"}
    about |= {**_versions(), "resumed": resumed, "done": done, "state": {}}
    if resumed and (left := list(lesson.networks)[done:]):
        state = folder / UNFINISHED / CHECKPOINTS / label_of(left[0], STYLE).replace(" ", "-")
        for path in state.glob("*"):
            about["state"][path.name] = base64.b64encode(path.read_bytes()).decode()
    with working(f"{lesson.name}: waiting for the other workers"):
        _meet(cluster, about)
    return strategies.multi_worker(cluster)


def assist(
    lesson: Lesson,
    cluster: Cluster,
    about: Mapping[str, Any],
    settings: Settings | None,
    folder: Path,
    data_dir: Path | None,
) -> None:
    """Trains along with the chief, and keeps nothing.

    `about` is how the record begins. A worker that resumes has no settings; it gets the chief's.
    """
    data = None if settings is None else lesson.load(settings, data_dir)
    of_data = {} if data is None else {"sha256": data.provenance.sha256}
    chief = _meet(
        cluster,
        {"settings": {}, **about, **_versions(), "data": of_data, "resumed": settings is None},
    )
    replicas = strategies.multi_worker(cluster)
    say(f"{cluster.name(cluster.own)} trains with {cluster.name(0)}, which keeps the run.")
    if settings is None:
        settings = settings_of(lesson, chief["settings"])
        data = load_data(lesson, folder, chief, settings, data_dir)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        with tempfile.TemporaryDirectory() as state:
            for name, content in chief.get("state", {}).items():
                (Path(state) / Path(name).name).write_bytes(base64.b64decode(content))
            for network_name in list(lesson.networks)[chief["done"] :]:
                with interrupts.postponed():
                    _train(lesson, network_name, settings, data, replicas, Path(state))
                for path in Path(state).iterdir():
                    path.unlink()
                keras.backend.clear_session()
    except strategies.LOST as error:
        raise InputError(
            f"{lesson.name}: another worker has ended; {cluster.name(0)} says how to resume."
        ) from error


def _train(
    lesson: Lesson,
    network_name: str,
    settings: Settings,
    data: Any,
    replicas: Replicas,
    state: Path,
) -> None:
    with replicas.making_variables():
        network = build(lesson, network_name, STYLE, settings)
        run = Run(
            f"{lesson.name} {label_of(network_name, STYLE)}",
            settings.num_epochs,
            settings.steps_per_call,
            checkpoints=Checkpoints(state, network, keeps=False),
            replicas=replicas,
            summed=network_name in lesson.summed,
        )
        if not run.is_over:
            train = lesson.networks[network_name][STYLE].train
            train(network, data, strategies.adapted(settings, STYLE), run)


def _versions() -> dict[str, str]:
    return {"TensorFlow": tf.__version__, "Keras": keras.__version__}


def _meet(cluster: Cluster, about: Mapping[str, Any]) -> dict[str, Any]:
    """Waits for all workers and returns what the chief says, if they are about the same."""
    said = peers.meet(cluster, about, peers.PATIENCE)
    for worker, other in enumerate(said):
        if others := differences(said[0], other):
            raise InputError(
                f"{cluster.name(0)} has {others[0]} as {cluster.name(worker)} has; "
                "start all workers with the same command."
            )
    return said[0]
