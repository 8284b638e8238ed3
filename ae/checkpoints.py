"""What a training that was stopped goes on from: its newest state, saved after every epoch.

Both styles are saved in the same way, by TensorFlow's own `tf.train.CheckpointManager`, which
writes under temporary names and names the new state last. Keras's `BackupAndRestore` writes
weights and epoch number one after the other, so that a process killed in between would go on from
the wrong epoch.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.networks import Network

import keras
import numpy as np
import tensorflow as tf


@contextmanager
def writing() -> Iterator[None]:
    """Lets what TensorFlow writes fail as Python's own files do.

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
        folder: where it is kept; the state of an earlier process is found there.
        network: the network in training, of either style.

    Raises:
        InputError: if there is a state, but not one that can be read.
    """

    def __init__(self, folder: Path, network: Network):
        self._folder, self._network = folder, network
        self._progress = _Progress()
        self._newest = None
        if (folder / "checkpoint").exists():  # the file that TensorFlow names the newest state in
            self._newest = self._try(tf.train.latest_checkpoint, str(folder))
            if self._newest is None:
                raise InputError(self._unreadable())
            progress = tf.train.Checkpoint(progress=self._progress)
            self._try(progress.read, self._newest).expect_partial()

    @property
    def history(self) -> list[dict[str, float]]:
        """What `ae.training.Run.history` was when the state was saved."""
        return list(self._progress.history)

    @property
    def stopped(self) -> bool:
        """Whether training had then stopped early."""
        return self._progress.stopped

    @property
    def is_finite(self) -> bool:
        """Whether all weights of the network, as they are now, are numbers."""
        return all(np.isfinite(v.numpy()).all() for v in self._network.trainable_variables)

    def follow(self, optimizer: keras.optimizers.Optimizer | None) -> None:
        """Puts network and optimizer into the newest state, if there is one, and saves them later.

        Args:
            optimizer: the training's, already built; None for one that keeps no state.

        Raises:
            InputError: if the state is not one of this network and optimizer.
        """
        checkpoint = tf.train.Checkpoint(
            progress=self._progress,
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
        self._progress.history, self._progress.stopped = list(history), stopped
        with writing():
            self._manager.save(len(history))

    def _try(self, read: Callable, *arguments: str) -> Any:
        try:
            return read(*arguments)
        except (tf.errors.OpError, ValueError, LookupError, AssertionError) as error:
            raise InputError(self._unreadable()) from error

    def _unreadable(self) -> str:
        return (
            f"{self._folder}: this is not a state that this training can go on from; delete this "
            "folder, and it begins anew."
        )


class _Progress(tf.train.experimental.PythonState):
    """The part of the state that is no tensor; in the same file, so that all belongs together."""

    def __init__(self):
        self.history: list[dict[str, float]] = []
        self.stopped = False

    def serialize(self) -> str:
        return json.dumps([self.history, self.stopped])

    def deserialize(self, string_value: bytes) -> None:
        self.history, self.stopped = json.loads(string_value)


def _state(network: Network) -> Any:
    """Returns what TensorFlow tracks of a network; a seed's state is one of Keras's variables."""
    if isinstance(network, keras.Model):
        return [v.value for v in network.trainable_variables + network.non_trainable_variables]
    return network
