"""A run under way: what is left of it to do, and what each part of it leaves behind."""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ae.errors import InputError, Interrupted, NotFiniteError
from ae.lesson import Lesson, Settings, label_of
from ae.networks import count_parameters, weights_sha256
from ae.runs import records
from ae.runs.folder import CHECKPOINTS, complete
from ae.runs.records import UNFINISHED
from ae.runs.saved import build
from ae.training import interrupts, precision
from ae.training.checkpoints import Checkpoints
from ae.training.run import Run

import keras
import tensorflow as tf


class Training(NamedTuple):
    """One training within a run, as its observers see it.

    Attributes:
        style: "low-level" or "keras".
        network: the network in training.
        record: the run's, so far.
        folder: where the run writes until it is complete.
        history: as `Run.history`; it grows.
    """

    lesson: Lesson
    network_name: str
    style: str
    network: Any
    data: Any
    settings: Settings
    record: Mapping[str, Any]
    folder: Path
    history: Sequence[Mapping[str, float]]

    @property
    def label(self) -> str:
        """What tells the training from the others of its run."""
        return label_of(self.network_name, self.style)


class Observer(Protocol):
    """Keeps more of each training than the run itself does; one is made for each training."""

    def __init__(self, training: Training): ...

    def after_epoch(self, epoch: int) -> None:
        """Hears that an epoch is finished."""

    def result(self) -> dict[str, Any]:
        """Returns what the training's record holds of it, once the training is over."""

    @staticmethod
    def of_run(lesson: Lesson, data: Any, record: Mapping[str, Any], folder: Path) -> dict:
        """Returns what the run's record holds of it, once all trainings are over."""


class Unfinished:
    """A run under way; its record says what is done of it."""

    def __init__(self, lesson, settings, data, record, folder, data_dir, show, observers):
        self.lesson, self.settings, self.data = lesson, settings, data
        self.record, self.folder, self.show = record, folder, show
        self.observers = observers
        self.work = folder / UNFINISHED
        self.source = self.work / f"{lesson.name}.py"  # for the report to show what ran
        self.again = f"{lesson.command} --resume {shlex.quote(str(folder))}"
        if data_dir is not None:
            self.again += f" --data-dir {shlex.quote(str(data_dir))}"

    def finish(self) -> dict[str, Any]:
        """Does what is left, moves everything to its place and returns the record."""
        if self.settings.mixed_precision and not precision.is_native():
            print(
                "This processor has no bfloat16 instructions, so training is slower in it.",
                file=sys.stderr,
            )
        if self.settings.deterministic:
            tf.config.experimental.enable_op_determinism()
        try:
            records.write_record(self.work, self.record)
            if "source" not in self.record:
                self._do_the_rest()
            complete(self.folder)
        except KeyboardInterrupt as error:
            raise Interrupted(f"Interrupted; to resume: {self.again}") from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"{self.folder}: something cannot be written ({error.strerror or error}); "
                f"make room or fix that, then resume: {self.again}"
            ) from error
        return {**records.read_record(self.folder), "folder": self.folder}

    def _do_the_rest(self) -> None:
        lesson, data, work = self.lesson, self.data, self.work
        if lesson.file is not None and not self.source.exists():
            shutil.copyfile(lesson.file, self.source)
        chosen = [
            (network, style)
            for network, styles in lesson.networks.items()
            for style in styles
            if self.record["style"] in (style, "both")
        ]
        for network_name, style in chosen[len(self.record["trainings"]) :]:
            self.record["trainings"].append(self._train(network_name, style))
            records.write_record(work, self.record)
            keras.backend.clear_session()
        self.record["appendix"] = records.draw_appendix(
            lesson, data, self.settings, work, self.show
        )
        for observer in self.observers:
            self.record.update(observer.of_run(lesson, data, self.record, work))
        self.record["source"] = self.source.name if self.source.exists() else None
        records.write_record(work, self.record)

    @interrupts.postponed()
    def _train(self, network_name: str, style: str) -> dict[str, Any]:
        """Trains one network, from where it was stopped, and returns its part of the record."""
        lesson, settings, data, work = self.lesson, self.settings, self.data, self.work
        label = label_of(network_name, style)
        name = label.replace(" ", "-")
        network = build(lesson, network_name, style, settings)
        checkpoints = Checkpoints(work / CHECKPOINTS / name, network)
        run = Run(
            f"{lesson.name} {label}",
            settings.num_epochs,
            settings.steps_per_call,
            lesson.epoch_line,
            work / "tensorboard" / name if self.record["tensorboard"] else None,
            lambda epoch: [observer.after_epoch(epoch) for observer in observers],
            checkpoints,
        )
        training = Training(
            *(lesson, network_name, style, network, data, settings),
            *(self.record, work, run.history),
        )
        observers = [observer(training) for observer in self.observers]
        if run.is_over:
            checkpoints.follow(None)
        else:
            rewritten = settings.mixed_precision and style == "low-level"
            with precision.compiled_steps() if rewritten else nullcontext():
                self._fit(lesson.networks[network_name][style].train, network, run)

        keras.utils.set_random_seed(settings.seed)  # so that what follows is the same if resumed
        saved = records.save_network(network, work / "networks", name)
        report = records.draw(lesson, network, label, data, settings, work, self.show)
        kept: dict[str, Any] = {}
        for observer in observers:
            kept.update(observer.result())
        return {
            "network": network_name,
            "style": style,
            "parameters": count_parameters(network),
            "seconds": sum(logs["seconds"] for logs in run.history),
            "history": run.history,
            "weights_sha256": weights_sha256(network),
            **report.as_recorded(work),
            **kept,
            "saved": saved.relative_to(work),
        }

    def _fit(self, train: Callable, network: Any, run: Run) -> None:
        try:
            train(network, self.data, self.settings, run)
        except (InputError, tf.errors.ResourceExhaustedError) as error:
            if isinstance(error, NotFiniteError) and run.history:
                states = self.work / CHECKPOINTS
                raise NotFiniteError(
                    f"{error} The state after epoch {run.epochs_done} is in {states}."
                ) from error
            if not self.record["trainings"] and not run.history:
                shutil.rmtree(self.work)
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{run.label}: there is too little memory for this training; try a smaller "
                "--batch-size."
            ) from error
        finally:
            run.close()
