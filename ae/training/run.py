"""The run that a lesson trains in: it hands out epochs and minibatches, and keeps their losses.

A lesson writes its own loop or its own `compile` and `fit`. What every lesson needs besides, and
none teaches, is here: progress, early stopping, saving after each epoch, and resuming.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ae.backend import keras, tf
from ae.errors import InputError, NotFiniteError
from ae.terminal import bar, say
from ae.training import interrupts
from ae.training.checkpoints import Checkpoints, writing
from ae.training.minibatches import NextBatch, Shuffled, dataset, stack_equal
from ae.training.notices import drop_notice_of_onednn
from ae.training.strategies import Replicas

import numpy as np


@dataclass(eq=False)
class Run:
    """One training of one network in one style.

    The low-level style loops over it:

        for epoch in run.epochs(optimizer):
            for rows in run.chunks(order.epoch(epoch)):
                run.log(train_steps(rows))

    where `train_steps` takes each step with `run.step(train_step, x)`. The Keras style passes it to
    `fit`:

        model.fit(run.dataset(order, x), epochs=num_epochs, callbacks=run.callbacks(), verbose=0)
    """

    label: str  # heads the progress bar
    num_epochs: int
    steps_per_call: int = 1  # minibatches that `chunks` hands out at a time
    epoch_line: Callable[[int, Mapping[str, float]], str] | None = None  # printed after an epoch
    log_dir: Path | None = None  # for TensorBoard's event files
    after_epoch: Callable[[int], None] | None = None  # gets the number of each finished epoch
    checkpoints: Checkpoints | None = None  # save the state after each epoch
    replicas: Replicas | None = None  # share each step, if there are several devices
    summed: bool = False  # whether the loss adds up over a minibatch, instead of taking the mean

    def __post_init__(self):
        # One dictionary for each finished epoch: `loss` (the mean over its examples),
        # `last_batch_loss` and `val_loss` where they are computed, and `seconds`.
        self.history: list[dict[str, float]] = self.checkpoints.history if self.checkpoints else []
        self.stopped = self.checkpoints is not None and self.checkpoints.stopped  # early
        self._bar = self._writer = None
        self._shares = False  # whether `step` has shared a minibatch

    @property
    def epochs_done(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self.stopped or self.epochs_done >= self.num_epochs

    # The low-level style

    def epochs(
        self, optimizer: keras.optimizers.Optimizer, patience: int | None = None
    ) -> Iterator[int]:
        """Yields the number of each epoch, from 0, or from where a run resumes.

        Before the first epoch it restores network and optimizer, which must be built, if the run
        resumes. After each epoch it saves them. It stops after `patience` epochs without a better
        validation loss, and raises NotFiniteError if a loss or a weight is infinite or NaN.
        """
        if not getattr(optimizer, "built", False):  # so its state would not be saved
            raise InputError(
                f"{self.label}: run.epochs takes the Keras optimizer that trains; build it first: "
                "optimizer.build(network.weights)."
            )
        if self.replicas is not None:
            self.replicas.end_making()
            self.replicas.weigh(optimizer)
        if self.checkpoints is not None:
            self.checkpoints.follow(optimizer)
        self._open()
        with closing(self):
            while (epoch := self.epochs_done) < self.num_epochs:
                self._losses, self._batch_sizes, self._batch_size = [], [], 1
                self._logs: dict[str, float] = {}
                self._begin_epoch()
                yield epoch
                if not self._losses:
                    raise InputError(
                        f"{self.label}: the epoch logged no loss; call run.log(losses) in the loop."
                    )
                loss = float(np.average(self._losses, weights=self._batch_sizes))
                self._end_epoch({"loss": loss, "last_batch_loss": self._losses[-1], **self._logs})
                self.stopped = patience is not None and _epochs_since_best(self.history) >= patience
                if self.checkpoints is not None:
                    self.checkpoints.save(self.history, self.stopped)
                if self.stopped:
                    break

    def chunks(self, batches: Sequence[np.ndarray]) -> Iterator[tf.Tensor]:
        """Hands out an epoch's minibatches, such as `order.epoch(epoch)`, some at a time.

        Many steps in one call keep Python out of the way; between two calls Ctrl-C is heard. It
        yields example numbers (steps, batch), where a shorter last minibatch comes alone.
        """
        self._expect(len(batches))
        self._require_shares(batches, "low-level")
        for rows in stack_equal(batches):
            for first in range(0, len(rows), self.steps_per_call):
                self._batch_size = rows.shape[1]
                yield tf.constant(rows[first : first + self.steps_per_call])

    def step(self, train_step: Callable, *batch: tf.Tensor) -> tf.Tensor:
        """Takes a training step on a minibatch, with `--strategy` on several devices.

        `train_step` takes arrays (batch, ...) and returns their loss, and so does this.
        """
        if self.replicas is None:
            return train_step(*batch)
        self._shares = True
        return self.replicas.step(train_step, batch, self.summed)

    def log(self, losses: tf.Tensor) -> None:
        """Takes the losses (steps,) of the newest minibatches; they must be finite."""
        if self.replicas is not None and not self._shares:
            raise InputError(f"{self.label}: --strategy needs run.step(train_step, x) in the loop.")
        new = np.atleast_1d(losses.numpy()).tolist()
        self._losses += new
        self._batch_sizes += [self._batch_size] * len(new)
        self._report(new, len(self._losses))

    def validate(self, test_step: Callable, *arrays: np.ndarray, batch_size: int) -> None:
        """Computes the epoch's validation loss from `test_step`, the loss of a batch of arrays."""
        losses, sizes = [], []
        for first in range(0, len(arrays[0]), batch_size):
            batch = [tf.convert_to_tensor(a[first : first + batch_size]) for a in arrays]
            losses.append(float(test_step(*batch)))
            sizes.append(len(batch[0]))
            interrupts.deliver()
        loss = float(np.average(losses, weights=sizes))
        self._logs["val_loss"] = loss if self.replicas is None else self.replicas.agree(loss)

    # The Keras style

    def dataset(
        self, order: NextBatch | Shuffled, *arrays: np.ndarray | Callable[[int], np.ndarray]
    ) -> tf.data.Dataset:
        """Makes the minibatches that `fit` takes; each pass through them is the run's next epoch.

        The arrays are input and target, or one that is both. One that changes is a function of the
        epoch.
        """
        self._require_shares(order.epoch(0), "keras")
        batches = dataset(order, *arrays, epochs=lambda: [self.epochs_done])
        return batches.apply(tf.data.experimental.assert_cardinality(order.steps_per_epoch))

    def callbacks(self, patience: int | None = None) -> list[keras.callbacks.Callback]:
        """Makes the callbacks with which `fit` shows progress, saves, resumes and stops early."""
        stopping = [] if patience is None else [_EarlyStopping(self, patience)]
        return [*stopping, _Reporting(self)]  # the last saves whether the first stopped

    # Both styles

    def observe(self, losses: list[float]) -> None:
        """Hears the losses of the newest minibatches; from `fit`, the epoch's mean so far."""

    def close(self) -> None:
        """Closes the progress bar and the event file."""
        if self._bar is not None:
            self._bar.close()
        if self._writer is not None:
            with writing():
                self._writer.close()

    def _open(self) -> None:
        drop_notice_of_onednn()
        if self.log_dir is not None:
            with writing():
                self._writer = tf.summary.create_file_writer(str(self.log_dir))
                self._writer.init()
        if self.epoch_line is not None:
            say(self.label)
        self._bar = bar(self.label)

    def _expect(self, steps_per_epoch: int) -> None:
        """Takes the number of steps in an epoch, and with it the length of the bar."""
        if self._bar.total is None:
            self._bar.total = self.num_epochs * steps_per_epoch
            self._bar.initial = self._bar.n = self.epochs_done * steps_per_epoch
            self._bar.refresh()

    def _require_shares(self, batches: Sequence[np.ndarray], style: str) -> None:
        if self.replicas is not None:
            self.replicas.require_shares([len(rows) for rows in batches], style, self.summed)

    def _begin_epoch(self) -> None:
        interrupts.deliver()
        self._started = time.perf_counter()
        self._steps_done = 0
        self._bar.set_description(f"{self.label} epoch {self.epochs_done + 1}/{self.num_epochs}")

    def _report(self, losses: list[float], last: int) -> None:
        """Shows the newest losses of this epoch; the final one belongs to step `last`."""
        for step, loss in enumerate(losses, start=last - len(losses) + 1):
            if not math.isfinite(loss):
                raise NotFiniteError(
                    f"{self.label}: the loss became {loss} by step {step} of epoch "
                    f"{self.epochs_done + 1}; try a smaller --learning-rate."
                )
        self.observe(losses)
        self._bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
        self._bar.update(last - self._steps_done)
        self._steps_done = last
        interrupts.deliver()

    def _end_epoch(self, logs: dict[str, float]) -> None:
        """Adds an epoch to the history and reports it, unless a loss or a weight is not finite."""
        spoilt = [f"{name} is {value}" for name, value in logs.items() if not math.isfinite(value)]
        if not spoilt and self.checkpoints is not None and not self.checkpoints.is_finite:
            spoilt = ["some weights are not finite"]
        epoch = self.epochs_done + 1
        if spoilt:
            raise NotFiniteError(
                f"{self.label}: after epoch {epoch} {spoilt[0]}; try a smaller --learning-rate."
            )
        logs["seconds"] = time.perf_counter() - self._started
        self.history.append(logs)
        if self._writer is not None:
            with writing(), self._writer.as_default(step=epoch):
                for name, value in logs.items():
                    tf.summary.scalar(name, value)
        if self.epoch_line is not None:
            say(self.epoch_line(epoch, logs))
        if self.after_epoch is not None:
            self.after_epoch(epoch)


class _Reporting(interrupts.Delivery):
    """Reports to the run, saves after each epoch, and lets `fit` begin where the run resumes."""

    def __init__(self, run: Run):
        super().__init__()
        self._run = run

    def set_model(self, model):
        super().set_model(model)
        if self._run.replicas is not None:
            self._run.replicas.weigh_fit(model, self._run.summed)

    def on_train_begin(self, logs=None):
        self._run._open()
        self._run._expect(self.params["steps"])
        if self._run.checkpoints is not None:
            if not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self._run.checkpoints.follow(self.model.optimizer)
            # Keras's own BackupAndRestore tells `fit` its first epoch in the same way.
            self.model._initial_epoch = self._run.epochs_done

    def on_epoch_begin(self, epoch, logs=None):
        self._run._begin_epoch()

    def on_train_batch_end(self, batch, logs=None):
        # The call that ends an epoch may have taken fewer steps than Keras counts.
        self._run._report([self._whole(logs["loss"])], min(batch + 1, self.params["steps"]))

    def on_epoch_end(self, epoch, logs=None):
        logs = logs | {"loss": self._whole(logs["loss"])}
        self._run._end_epoch({name: float(value) for name, value in logs.items()})
        self._run.stopped = self.model.stop_training
        if self._run.checkpoints is not None:
            self._run.checkpoints.save(self._run.history, self._run.stopped)

    def on_train_end(self, logs=None):
        self._run.close()

    def _whole(self, loss):
        """Returns the loss of minibatches; Keras gives the mean of the replicas' losses."""
        shared = self._run.summed and self._run.replicas is not None
        return loss * self._run.replicas.number if shared else loss


class _EarlyStopping(keras.callbacks.EarlyStopping):
    """Stops early; in a resumed run it counts the epochs before the interruption too."""

    def __init__(self, run: Run, patience: int):
        super().__init__(monitor="val_loss", patience=patience)
        self._run = run

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, earlier in enumerate(self._run.history):
            self.on_epoch_end(epoch, earlier)


def _epochs_since_best(history: Sequence[Mapping[str, float]]) -> int:
    losses = [logs["val_loss"] for logs in history]
    return len(losses) - 1 - losses.index(min(losses))
