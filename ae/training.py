"""The training loop of both styles: epochs, progress, early stopping, history.

A lesson writes its own gradient step or its own `compile` and `fit`. What is the same in every
lesson is here: `Run.fit` repeats a low-level step, and `Run.callbacks` lets `Model.fit` report and
stop in the same way.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from ae import interrupts
from ae.checkpoints import Checkpoints, writing
from ae.datasets.batches import NextBatch, Shuffled, feed, stack_equal
from ae.errors import NotFiniteError

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm


class Run:
    """One training of one network in one style.

    Args:
        label: what the progress bar is headed with.
        num_epochs: epochs to train for.
        epoch_line: formats the line printed after an epoch; None prints nothing.
        log_dir: folder for TensorBoard's event files; None writes none.
        after_epoch: called with the number of each finished epoch.
        checkpoints: what the training goes on from, and is saved in after each epoch; None saves
            nothing.

    Attributes:
        history: one dictionary for each finished epoch: `loss`, and where they are computed
            `val_loss` and `last_batch_loss`, and `seconds`.
    """

    def __init__(
        self,
        label: str,
        num_epochs: int,
        epoch_line: Callable[[int, Mapping[str, float]], str] | None = None,
        log_dir: Path | None = None,
        after_epoch: Callable[[int], None] | None = None,
        checkpoints: Checkpoints | None = None,
    ):
        self.label = label
        self.num_epochs = num_epochs
        self.epoch_line = epoch_line
        self.log_dir = log_dir
        self.after_epoch = after_epoch
        self.checkpoints = checkpoints
        self.history: list[dict[str, float]] = checkpoints.history if checkpoints else []
        self._progress: _Progress | None = None

    @property
    def epochs_done(self) -> int:
        """Number of finished epochs, from which `Model.fit` goes on."""
        return len(self.history)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        stopped = self.checkpoints is not None and self.checkpoints.stopped
        return stopped or self.epochs_done >= self.num_epochs

    def fit(
        self,
        train_step: Callable,
        order: NextBatch | Shuffled,
        *arrays: np.ndarray,
        optimizer: keras.optimizers.Optimizer | None = None,
        test_step: Callable | None = None,
        validation: tuple[np.ndarray, ...] = (),
        validation_batch_size: int | None = None,
        patience: int | None = None,
        jit_compile: bool = False,
    ) -> None:
        """Repeats `train_step` for all epochs.

        Many steps run in one call of a compiled function over data held in memory, so that
        Python is not in the way.

        Args:
            train_step: takes one batch of each array, updates the weights and returns the loss.
            order: the minibatches.
            *arrays: the training data; the first axis counts examples.
            optimizer: what `train_step` updates the weights with, for the checkpoints.
            test_step: takes one batch of each validation array and returns the loss.
            validation: the validation data, in the same form.
            validation_batch_size: examples in a batch of them; None means as in training.
            patience: epochs without a better validation loss before training stops early.
            jit_compile: whether XLA compiles the steps.

        Raises:
            NotFiniteError: if the loss is no longer finite.
        """
        if self.checkpoints is not None:
            self.checkpoints.follow(optimizer)
        tensors = [tf.convert_to_tensor(a) for a in arrays]
        chunk = _steps_in_a_call(order, jit_compile)

        @tf.function(jit_compile=jit_compile)
        def run_steps(rows):  # rows (steps, batch)
            losses = tf.TensorArray(keras.config.floatx(), len(rows))
            for i in tf.range(len(rows)):
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                loss = train_step(*[tf.gather(t, rows[i]) for t in tensors])
                losses = losses.write(i, tf.cast(loss, losses.dtype))
            return losses.stack()

        with closing(self.progress(order.steps_per_epoch)) as progress:
            for epoch in range(self.epochs_done, self.num_epochs):
                progress.begin_epoch()
                losses, sizes = [], []
                for rows in stack_equal(order.epoch(epoch)):
                    for first in range(0, len(rows), chunk):
                        new = run_steps(tf.constant(rows[first : first + chunk])).numpy().tolist()
                        losses.extend(new)
                        sizes.extend([rows.shape[1]] * len(new))
                        progress.steps(new, len(losses))
                logs = {"loss": float(np.average(losses, weights=sizes))}
                logs["last_batch_loss"] = losses[-1]
                if test_step is not None:
                    logs["val_loss"] = _mean_loss(
                        test_step, validation, validation_batch_size or order.batch_size
                    )
                progress.end_epoch(logs)
                stopped = patience is not None and _waited(self.history) >= patience
                if self.checkpoints is not None:
                    self.checkpoints.save(self.history, stopped)
                if stopped:
                    break

    def progress(self, steps_per_epoch: int) -> "_Progress":
        """Opens what shows the progress of a training and keeps its history."""
        self._progress = _Progress(self, steps_per_epoch)
        return self._progress

    def close(self) -> None:
        """Closes the progress bar and the event file that a training which failed left open."""
        if self._progress is not None:
            self._progress.close()

    def feed(self, order: NextBatch | Shuffled, *arrays: np.ndarray) -> tf.data.Dataset:
        """Makes the batches that `Model.fit` takes, in the order of the low-level style.

        Args:
            order: the minibatches.
            *arrays: input and target, or one array that is both; the first axis counts examples.

        Returns:
            A dataset of (input, target) pairs: each pass over it is the run's next epoch, and ends
            with that, so that `fit` needs no `steps_per_epoch`.
        """
        batches = feed(order, *arrays, epochs=lambda: [self.epochs_done])
        return batches.apply(tf.data.experimental.assert_cardinality(order.steps_per_epoch))

    def steps_at_once(self, order: NextBatch | Shuffled, jit_compile: bool) -> int:
        """Chooses how many steps `Model.fit` takes in one call, for `compile`.

        Args:
            order: the minibatches.
            jit_compile: whether XLA compiles the steps.
        """
        return _steps_in_a_call(order, jit_compile)

    def callbacks(self, patience: int | None = None) -> list[keras.callbacks.Callback]:
        """Makes the callbacks with which `Model.fit` reports to this run.

        Args:
            patience: epochs without a better validation loss before training stops early.
        """
        callbacks: list[keras.callbacks.Callback] = [_ProgressCallback(self)]
        if patience is not None:
            callbacks.append(_EarlyStopping(self, patience))
        if self.checkpoints is not None:
            callbacks.append(_Checkpoint(self))
        return callbacks

    def observe(self, losses: list[float]) -> None:
        """Hears what was reported of the newest steps; a subclass may keep it.

        Args:
            losses: the loss of each minibatch in the low-level style, the epoch's mean so far in
                Keras's.
        """


class _ProgressCallback(interrupts.Delivery):
    """Passes what `Model.fit` says on to what low-level training shows its progress with."""

    def __init__(self, run: Run):
        super().__init__()
        self._run = run
        self._progress = None

    def on_train_begin(self, logs=None):
        self._progress = self._run.progress(self.params["steps"])

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
    """Waits for a better validation loss; in a training gone on with, since its beginning."""

    def __init__(self, run: Run, patience: int):
        super().__init__(monitor="val_loss", patience=patience)
        self._run = run

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, earlier in enumerate(self._run.history):
            self.on_epoch_end(epoch, earlier)


class _Checkpoint(keras.callbacks.Callback):
    """Saves after each epoch what `Model.fit` can go on from; the last of a run's callbacks."""

    def __init__(self, run: Run):
        super().__init__()
        self._run = run

    def on_train_begin(self, logs=None):
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        self._run.checkpoints.follow(self.model.optimizer)

    def on_epoch_end(self, epoch, logs=None):
        self._run.checkpoints.save(self._run.history, self.model.stop_training)


class _Progress:
    """Shows progress, keeps the history and refuses losses and weights that are no numbers.

    Raises:
        OSError: if an event file cannot be written.
    """

    def __init__(self, run: Run, steps_per_epoch: int):
        self._run = run
        self._writer = None
        self._headed = False
        if run.log_dir is not None:
            with writing():
                self._writer = tf.summary.create_file_writer(str(run.log_dir))
                self._writer.init()
        self._bar = tqdm(
            total=run.num_epochs * steps_per_epoch,
            initial=len(run.history) * steps_per_epoch,
            desc=run.label,
            unit="step",
            disable=None,
            leave=False,
            dynamic_ncols=True,
        )

    def close(self) -> None:
        self._bar.close()
        if self._writer is not None:
            with writing():
                self._writer.close()

    def begin_epoch(self) -> None:
        interrupts.deliver()
        self._started = time.perf_counter()
        self._done = 0
        epoch = len(self._run.history) + 1
        self._bar.set_description(f"{self._run.label} epoch {epoch}/{self._run.num_epochs}")

    def steps(self, losses: list[float], last: int) -> None:
        """Takes the newest losses of this epoch; the final one belongs to step `last`."""
        for step, loss in enumerate(losses, start=last - len(losses) + 1):
            if not math.isfinite(loss):
                raise NotFiniteError(
                    f"{self._run.label}: the loss became {loss} by step {step} of epoch "
                    f"{len(self._run.history) + 1}; try a smaller --learning-rate."
                )
        self._run.observe(losses)
        self._bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
        self._bar.update(last - self._done)
        self._done = last
        interrupts.deliver()

    def end_epoch(self, logs: dict[str, float]) -> None:
        self._refuse_what_is_no_number(logs)
        logs["seconds"] = time.perf_counter() - self._started
        self._run.history.append(logs)
        epoch = len(self._run.history)
        if self._writer is not None:
            with writing(), self._writer.as_default(step=epoch):
                for name, value in logs.items():
                    tf.summary.scalar(name, value)
        if self._run.epoch_line is not None:
            if not self._headed:
                self._bar.write(self._run.label)
                self._headed = True
            self._bar.write(self._run.epoch_line(epoch, logs))
        if self._run.after_epoch is not None:
            self._run.after_epoch(epoch)

    def _refuse_what_is_no_number(self, logs: Mapping[str, float]) -> None:
        """Keeps an epoch whose last update spoilt the weights from being saved over a good one."""
        epoch = len(self._run.history) + 1
        spoilt = [f"{name} is {value}" for name, value in logs.items() if not math.isfinite(value)]
        states = self._run.checkpoints
        if not spoilt and states is not None and not states.is_finite:
            spoilt = ["some weights are no numbers"]
        if spoilt:
            raise NotFiniteError(
                f"{self._run.label}: after epoch {epoch} {spoilt[0]}; "
                "try a smaller --learning-rate."
            )


def _mean_loss(test_step: Callable, arrays: tuple[np.ndarray, ...], batch_size: int) -> float:
    starts = range(0, len(arrays[0]), batch_size)
    batches = [[a[i : i + batch_size] for a in arrays] for i in starts]
    losses = []
    for batch in batches:
        losses.append(float(test_step(*map(tf.convert_to_tensor, batch))))
        interrupts.deliver()
    return float(np.average(losses, weights=[len(batch[0]) for batch in batches]))


def _steps_in_a_call(order: NextBatch | Shuffled, jit_compile: bool) -> int:
    """Weighs what a call costs against the sign of life that it is; XLA's steps are short ones."""
    calls, longest = (4, 256) if jit_compile else (20, 64)
    return max(1, min(longest, order.steps_per_epoch // calls))


def _waited(history: list[dict[str, float]]) -> int:
    """Counts the epochs since the best validation loss."""
    losses = [logs["val_loss"] for logs in history]
    return len(losses) - 1 - losses.index(min(losses))
