"""The run that a lesson trains in: it hands out epochs and minibatches, and keeps what they cost.

A lesson writes its own loop or its own `compile` and `fit`. What every lesson needs besides, and
none teaches, is here: progress, early stopping, saving after each epoch, and resuming.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ae.training import interrupts
from ae.training.checkpoints import Checkpoints
from ae.training.minibatches import NextBatch, Shuffled, dataset, stack_equal
from ae.training.progress import Progress

import keras
import numpy as np
import tensorflow as tf


class Run:
    """One training of one network in one style.

    The low-level style loops over it:

        for epoch in run.epochs(optimizer):
            for rows in run.chunks(order.epoch(epoch)):
                run.log(train_steps(rows))

    The Keras style passes it to `fit`:

        model.fit(run.dataset(order, x), epochs=num_epochs, callbacks=run.callbacks(), verbose=0)

    Args:
        label: heads the progress bar.
        num_epochs: epochs to train for.
        steps_per_call: minibatches that `chunks` hands out at a time.
        epoch_line: formats the line printed after an epoch; None prints nothing.
        log_dir: folder for TensorBoard's event files; None writes none.
        after_epoch: called with the number of each finished epoch.
        checkpoints: where the state is saved after each epoch and read when a run resumes; None
            saves nothing.

    Attributes:
        history: one dictionary for each finished epoch: `loss` (the mean over its examples),
            `last_batch_loss` and `val_loss` where they are computed, and `seconds`.
    """

    def __init__(
        self,
        label: str,
        num_epochs: int,
        steps_per_call: int = 1,
        epoch_line: Callable[[int, Mapping[str, float]], str] | None = None,
        log_dir: Path | None = None,
        after_epoch: Callable[[int], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ):
        self.label = label
        self.num_epochs = num_epochs
        self.steps_per_call = steps_per_call
        self.epoch_line = epoch_line
        self.log_dir = log_dir
        self.after_epoch = after_epoch
        self.checkpoints = checkpoints
        self.history: list[dict[str, float]] = checkpoints.history if checkpoints else []
        self._progress: Progress | None = None

    @property
    def epochs_done(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        stopped = self.checkpoints is not None and self.checkpoints.stopped
        return stopped or self.epochs_done >= self.num_epochs

    # The low-level style

    def epochs(
        self, optimizer: keras.optimizers.Optimizer, patience: int | None = None
    ) -> Iterator[int]:
        """Yields the number of each epoch, from 0, or from where a run resumes.

        Before the first one it restores network and optimizer if the run resumes. After each one
        it saves them, shows the loss and refuses weights that are not finite.

        Args:
            optimizer: already built.
            patience: stop after so many epochs without a better validation loss; None never does.

        Raises:
            NotFiniteError: if a loss or a weight is infinite or NaN.
            ValueError: if an epoch ended and nothing was logged.
        """
        if self.checkpoints is not None:
            self.checkpoints.follow(optimizer)
        with closing(self.progress()) as progress:
            while (epoch := self.epochs_done) < self.num_epochs:
                self._losses, self._batch_sizes, self._batch_size = [], [], 1
                self._logs: dict[str, float] = {}
                progress.begin_epoch()
                yield epoch
                if not self._losses:
                    raise ValueError("The epoch logged no loss; call run.log(losses) in the loop.")
                progress.end_epoch(
                    {
                        "loss": float(np.average(self._losses, weights=self._batch_sizes)),
                        "last_batch_loss": self._losses[-1],
                        **self._logs,
                    }
                )
                stopped = patience is not None and _epochs_since_best(self.history) >= patience
                if self.checkpoints is not None:
                    self.checkpoints.save(self.history, stopped)
                if stopped:
                    break

    def chunks(self, batches: Sequence[np.ndarray]) -> Iterator[tf.Tensor]:
        """Hands out an epoch's minibatches, `steps_per_call` at a time.

        Many steps in one call keep Python out of the way; between two calls Ctrl-C is heard.

        Args:
            batches: (batch,) example numbers of each minibatch, such as `order.epoch(epoch)`.

        Yields:
            (steps, batch) example numbers; a shorter last minibatch comes alone.
        """
        self._progress.expect(len(batches))
        for rows in stack_equal(batches):
            for first in range(0, len(rows), self.steps_per_call):
                self._batch_size = rows.shape[1]
                yield tf.constant(rows[first : first + self.steps_per_call])

    def log(self, losses: tf.Tensor) -> None:
        """Takes the losses (steps,) of the newest minibatches.

        Raises:
            NotFiniteError: if one is infinite or NaN.
        """
        new = np.atleast_1d(losses.numpy()).tolist()
        self._losses += new
        self._batch_sizes += [self._batch_size] * len(new)
        self._progress.steps(new, len(self._losses))

    def validate(self, test_step: Callable, *arrays: np.ndarray, batch_size: int) -> None:
        """Computes the epoch's validation loss, a mean over the examples.

        Args:
            test_step: takes one batch of each array and returns the loss.
            *arrays: the validation data.
            batch_size: examples in a batch.
        """
        losses, sizes = [], []
        for first in range(0, len(arrays[0]), batch_size):
            batch = [tf.convert_to_tensor(a[first : first + batch_size]) for a in arrays]
            losses.append(float(test_step(*batch)))
            sizes.append(len(batch[0]))
            interrupts.deliver()
        self._logs["val_loss"] = float(np.average(losses, weights=sizes))

    # The Keras style

    def dataset(self, order: NextBatch | Shuffled, *arrays: np.ndarray) -> tf.data.Dataset:
        """Makes the minibatches that `fit` takes, in the order of the low-level style.

        Args:
            order: the minibatches.
            *arrays: input and target, or one array that is both; the first axis counts examples.

        Returns:
            A dataset of (input, target) pairs: each pass is the run's next epoch.
        """
        batches = dataset(order, *arrays, epochs=lambda: [self.epochs_done])
        return batches.apply(tf.data.experimental.assert_cardinality(order.steps_per_epoch))

    def callbacks(self, patience: int | None = None) -> list[keras.callbacks.Callback]:
        """Makes the callbacks with which `fit` shows progress, saves and resumes.

        Args:
            patience: stop after so many epochs without a better validation loss; None never does.
        """
        callbacks: list[keras.callbacks.Callback] = [_Reporting(self)]
        if patience is not None:
            callbacks.append(_EarlyStopping(self, patience))
        if self.checkpoints is not None:
            callbacks.append(_Saving(self))
        return callbacks

    # Both styles

    def progress(self) -> Progress:
        """Opens what shows the progress of the training and keeps its history."""
        self._progress = Progress(self)
        return self._progress

    def close(self) -> None:
        """Closes the progress bar and the event file that a failed training left open."""
        if self._progress is not None:
            self._progress.close()

    def observe(self, losses: list[float]) -> None:
        """Hears the newest losses; a subclass may keep them.

        Args:
            losses: of each minibatch in the low-level style, the epoch's mean so far in Keras's.
        """


class _Reporting(interrupts.Delivery):
    """Passes what `fit` reports to the progress that the low-level style uses too."""

    def __init__(self, run: Run):
        super().__init__()
        self._run = run
        self._progress = None

    def on_train_begin(self, logs=None):
        self._progress = self._run.progress()
        self._progress.expect(self.params["steps"])

    def on_epoch_begin(self, epoch, logs=None):
        self._progress.begin_epoch()

    def on_train_batch_end(self, batch, logs=None):
        # The call that ends an epoch may have taken fewer steps than Keras counts.
        self._progress.steps([logs["loss"]], min(batch + 1, self.params["steps"]))

    def on_epoch_end(self, epoch, logs=None):
        self._progress.end_epoch({name: float(value) for name, value in logs.items()})

    def on_train_end(self, logs=None):
        self._progress.close()


class _EarlyStopping(keras.callbacks.EarlyStopping):
    """Stops early; in a resumed run it counts the epochs before the interruption too."""

    def __init__(self, run: Run, patience: int):
        super().__init__(monitor="val_loss", patience=patience)
        self._run = run

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, earlier in enumerate(self._run.history):
            self.on_epoch_end(epoch, earlier)


class _Saving(keras.callbacks.Callback):
    """Saves after each epoch, and lets `fit` begin where a run resumes; the last callback."""

    def __init__(self, run: Run):
        super().__init__()
        self._run = run

    def on_train_begin(self, logs=None):
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self._run.checkpoints.follow(self.model.optimizer)
        # Keras's own BackupAndRestore tells `fit` its first epoch in the same way.
        self.model._initial_epoch = self._run.epochs_done

    def on_epoch_end(self, epoch, logs=None):
        self._run.checkpoints.save(self._run.history, self.model.stop_training)


def _epochs_since_best(history: Sequence[Mapping[str, float]]) -> int:
    losses = [logs["val_loss"] for logs in history]
    return len(losses) - 1 - losses.index(min(losses))
