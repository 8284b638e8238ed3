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

from ae.errors import InputError

import keras
import numpy as np
import tensorflow as tf


@contextmanager
def writing() -> Iterator[None]:
    """Turns TensorFlow's errors while writing into Python's.

    Raises:
        OSError: if it cannot be written.
    """
    try:
        yield
    except tf.errors.OpError as error:
        _, _, reason = error.message.rpartition("; ")  # after the name of the file
        raise OSError(reason.partition(" [Op")[0]) from error


class Checkpoints:
    """The newest state of one training: weights, optimizer, noise generators and history.

    Args:
        folder: where the state is saved; an earlier process may have left one there.
        network: the network in training, of either style.

    Raises:
        InputError: if there is a state that cannot be read.
    """

    def __init__(self, folder: Path, network: Any):
        self._folder, self._network = folder, network
        self._epochs = _Epochs()
        self._newest = None
        if (folder / "checkpoint").exists():  # the file that TensorFlow names the newest state in
            self._newest = self._try(tf.train.latest_checkpoint, str(folder))
            if self._newest is None:
                raise InputError(self._unreadable())
            epochs = tf.train.Checkpoint(progress=self._epochs)
            self._try(epochs.read, self._newest).expect_partial()

    @property
    def history(self) -> list[dict[str, float]]:
        """`Run.history` when the state was saved."""
        return list(self._epochs.history)

    @property
    def stopped(self) -> bool:
        """Whether training had stopped early by then."""
        return self._epochs.stopped

    @property
    def is_finite(self) -> bool:
        """Whether all weights of the network are finite now."""
        return all(np.isfinite(v.numpy()).all() for v in self._network.trainable_variables)

    def follow(self, optimizer: keras.optimizers.Optimizer | None) -> None:
        """Restores network and optimizer to the newest state, if there is one; `save` saves both.

        Args:
            optimizer: already built; None where the training is over and only the network counts.

        Raises:
            InputError: if the state belongs to another network or optimizer.
        """
        checkpoint = tf.train.Checkpoint(
            progress=self._epochs,
            network=_state(self._network),
            optimizer=[v.value for v in optimizer.variables] if optimizer is not None else [],
        )
        if self._newest is not None:
            status = self._try(checkpoint.read, self._newest)
            self._try(status.assert_existing_objects_matched)
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(self._folder), max_to_keep=1, checkpoint_name="epoch"
        )

    def save(self, history: list[dict[str, float]], stopped: bool) -> None:
        """Saves the state after an epoch; the one before it is kept until this one is complete.

        Raises:
            OSError: if it cannot be written.
        """
        self._epochs.history, self._epochs.stopped = list(history), stopped
        with writing():
            self._manager.save(len(history))

    def _try(self, read: Callable, *arguments: str) -> Any:
        try:
            return read(*arguments)
        except (tf.errors.OpError, ValueError, LookupError, AssertionError) as error:
            raise InputError(self._unreadable()) from error

    def _unreadable(self) -> str:
        return (
            f"{self._folder}: this training cannot resume from the state here; delete this folder "
            "to start again."
        )


class _Epochs(tf.train.experimental.PythonState):
    """History and early stopping, saved in the same file as the tensors."""

    def __init__(self):
        self.history: list[dict[str, float]] = []
        self.stopped = False

    def serialize(self) -> str:
        return json.dumps([self.history, self.stopped])

    def deserialize(self, string_value: bytes) -> None:
        self.history, self.stopped = json.loads(string_value)


def _state(network: Any) -> Any:
    """Returns what TensorFlow saves of a network; Keras's variables include its seeds."""
    if isinstance(network, keras.Model):
        return [v.value for v in network.trainable_variables + network.non_trainable_variables]
    return network
