"""The newest state of a training, saved after every epoch so that it can resume.

Both styles use `tf.train.CheckpointManager`, which writes under temporary names and names the new
state last. Keras's `BackupAndRestore` writes weights and epoch number one after the other, so a
process killed in between would resume at the wrong epoch.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ae.backend import keras, tf
from ae.errors import InputError

import numpy as np


@contextmanager
def writing() -> Iterator[None]:
    """Turns TensorFlow's errors while writing into OSErrors."""
    try:
        yield
    except tf.errors.OpError as error:
        _, _, reason = error.message.rpartition("; ")  # after the name of the file
        raise OSError(reason.partition(" [Op")[0]) from error


class Checkpoints:
    """The newest state of one training: weights, optimizer, noise generators and history."""

    def __init__(self, folder: Path, network: Any, keeps: bool = True):
        """Reads the state in the folder, if any; `keeps` says whether `save` writes there."""
        self._folder, self._network, self._keeps = folder, network, keeps
        self._epochs = _Epochs()
        self._newest = None
        if (folder / "checkpoint").exists():  # the file that TensorFlow names the newest state in
            self._newest = self._try(tf.train.latest_checkpoint, str(folder))
            epochs = tf.train.Checkpoint(progress=self._epochs)
            self._try(epochs.read, self._newest).expect_partial()
        self.history = list(self._epochs.history)  # as `Run.history` was
        self.stopped = self._epochs.stopped  # whether training had stopped early

    @property
    def is_finite(self) -> bool:
        """Whether all weights of the network are finite now."""
        return all(np.isfinite(v.numpy()).all() for v in self._network.trainable_variables)

    def follow(self, optimizer: keras.optimizers.Optimizer | None) -> None:
        """Restores network and built optimizer to the newest state, if any; `save` saves both."""
        network = self._network
        if isinstance(network, keras.Model):  # its variables include its seeds
            variables = network.trainable_variables + network.non_trainable_variables
            network = [v.value for v in variables]
        checkpoint = tf.train.Checkpoint(
            progress=self._epochs,
            network=network,
            optimizer=[v.value for v in optimizer.variables] if optimizer is not None else [],
        )
        if self._newest is not None:
            status = self._try(checkpoint.read, self._newest)
            self._try(status.assert_existing_objects_matched)
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(self._folder), max_to_keep=1, checkpoint_name="epoch"
        )

    def save(self, history: list[dict[str, float]], stopped: bool) -> None:
        """Saves the state after an epoch; the one before it is kept until this one is complete."""
        self._epochs.history, self._epochs.stopped = list(history), stopped
        if self._keeps:
            with writing():
                self._manager.save(len(history))

    def _try(self, read: Callable, *arguments: str) -> Any:
        try:
            if (found := read(*arguments)) is None:
                raise LookupError
        except (tf.errors.OpError, ValueError, LookupError, AssertionError) as error:
            raise InputError(
                f"{self._folder}: this training cannot resume from the state here; delete this "
                "folder to start again."
            ) from error
        return found


class _Epochs(tf.train.experimental.PythonState):
    """History and early stopping, saved in the same file as the tensors."""

    def __init__(self):
        self.history: list[dict[str, float]] = []
        self.stopped = False

    def serialize(self) -> str:
        return json.dumps([self.history, self.stopped])

    def deserialize(self, string_value: bytes) -> None:
        self.history, self.stopped = json.loads(string_value)
