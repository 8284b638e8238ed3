"""Shows how a training goes, keeps its history and stops it where numbers are not finite."""

import math
import time
from collections.abc import Mapping
from typing import Any

from ae.errors import NotFiniteError
from ae.training import interrupts
from ae.training.checkpoints import writing

import tensorflow as tf
from tqdm.auto import tqdm


class Progress:
    """The progress bar, the printed lines, the event file and the history of one `Run`.

    Args:
        run: an `ae.training.run.Run`.

    Raises:
        OSError: if an event file cannot be written.
    """

    def __init__(self, run: Any):
        self._run = run
        self._writer = None
        self._headed = False
        if run.log_dir is not None:
            with writing():
                self._writer = tf.summary.create_file_writer(str(run.log_dir))
                self._writer.init()
        self._bar = tqdm(
            desc=run.label,
            unit="step",
            disable=None,
            leave=False,
            dynamic_ncols=True,
        )

    def close(self) -> None:
        """Closes bar and event file."""
        self._bar.close()
        if self._writer is not None:
            with writing():
                self._writer.close()

    def expect(self, steps_per_epoch: int) -> None:
        """Takes the number of steps in an epoch, and with it the length of the bar."""
        if self._bar.total is None:
            self._bar.total = self._run.num_epochs * steps_per_epoch
            self._bar.initial = self._bar.n = len(self._run.history) * steps_per_epoch
            self._bar.refresh()

    def begin_epoch(self) -> None:
        """Begins an epoch: names it on the bar and starts its clock."""
        interrupts.deliver()
        self._started = time.perf_counter()
        self._done = 0
        epoch = len(self._run.history) + 1
        self._bar.set_description(f"{self._run.label} epoch {epoch}/{self._run.num_epochs}")

    def steps(self, losses: list[float], last: int) -> None:
        """Takes the newest losses of this epoch; the final one belongs to step `last`.

        Raises:
            NotFiniteError: if one is infinite or NaN.
        """
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
        """Adds an epoch to the history and reports it.

        Raises:
            NotFiniteError: if a loss or a weight is infinite or NaN.
        """
        self._require_finite(logs)
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

    def _require_finite(self, logs: Mapping[str, float]) -> None:
        """Stops before weights that the last update spoilt are saved over good ones."""
        epoch = len(self._run.history) + 1
        spoilt = [f"{name} is {value}" for name, value in logs.items() if not math.isfinite(value)]
        states = self._run.checkpoints
        if not spoilt and states is not None and not states.is_finite:
            spoilt = ["some weights are not finite"]
        if spoilt:
            raise NotFiniteError(
                f"{self._run.label}: after epoch {epoch} {spoilt[0]}; "
                "try a smaller --learning-rate."
            )
