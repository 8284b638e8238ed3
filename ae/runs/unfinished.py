"""A run under way: what is left of it to do, and what each part of it leaves behind."""

import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from ae import claims, interrupts, precision, published
from ae.checkpoints import Checkpoints
from ae.errors import InputError, Interrupted, NotFiniteError
from ae.lesson import label_of
from ae.networks import count_parameters, reconstruct, weights_sha256
from ae.runs import records
from ae.runs.folder import CHECKPOINTS, complete
from ae.runs.records import UNFINISHED
from ae.runs.saved import build
from ae.runs.snapshots import Examples, Snapshots, write_examples, write_plane
from ae.training import Run

import keras
import tensorflow as tf


class Unfinished:
    """A run under way; its record says what is done of it."""

    def __init__(self, lesson, settings, data, record, folder, data_dir, show):
        self.lesson, self.settings, self.data = lesson, settings, data
        self.record, self.folder, self.show = record, folder, show
        self.work = folder / UNFINISHED
        self.source = self.work / f"{lesson.name}.py"  # for the report to show what ran
        self.again = f"{lesson.command} --resume {shlex.quote(str(folder))}"
        if data_dir is not None:
            self.again += f" --data-dir {shlex.quote(str(data_dir))}"

    def finish(self) -> dict[str, Any]:
        """Does what is left, moves everything to its place and returns the record."""
        if self.settings.mixed_precision and not precision.is_native():
            print(
                "This processor has no bfloat16 of its own, and trains slower in it.",
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
            raise Interrupted(f"Interrupted; to go on: {self.again}") from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"{self.folder}: something cannot be written ({error.strerror or error}); "
                f"mend that and go on: {self.again}"
            ) from error
        return {**records.read_record(self.folder), "folder": self.folder}

    def _do_the_rest(self) -> None:
        if self.lesson.file is not None and not self.source.exists():
            shutil.copyfile(self.lesson.file, self.source)
        examples = self.lesson.examples(self.data)
        chosen = [
            (network, style)
            for network, styles in self.lesson.networks.items()
            for style in styles
            if self.record["style"] in (style, "both")
        ]
        for network_name, style in chosen[len(self.record["trainings"]) :]:
            training = self._train(network_name, style, examples)
            self.record["trainings"].append(training)
            records.write_record(self.work, self.record)
            keras.backend.clear_session()
        lesson, data, work = self.lesson, self.data, self.work
        self.record["appendix"] = records.draw_appendix(
            lesson, data, self.settings, work, self.show
        )
        self.record["examples"] = write_examples(work, examples)
        self.record["source"] = self.source.name if self.source.exists() else None
        records.write_record(work, self.record)

    @interrupts.postponed()
    def _train(self, network_name: str, style: str, examples: Examples) -> dict[str, Any]:
        """Trains one network, from where it was stopped, and returns its part of the record."""
        lesson, settings, data, work = self.lesson, self.settings, self.data, self.work
        label = label_of(network_name, style)
        name = label.replace(" ", "-")
        network = build(lesson, network_name, style, settings)
        checkpoints = Checkpoints(work / CHECKPOINTS / name, network)
        snapshots = Snapshots(work, label, examples, partial(reconstruct, network))
        snapshots.catch_up(len(checkpoints.history))
        training = Run(
            f"{lesson.name} {label}",
            settings.num_epochs,
            lesson.epoch_line,
            work / "tensorboard" / name if self.record["tensorboard"] else None,
            snapshots.after_epoch,
            checkpoints,
        )
        if training.is_over:
            checkpoints.follow(None)
        else:
            rewritten = settings.mixed_precision and style == "low-level"
            with precision.compiled_steps() if rewritten else nullcontext():
                self._fit(lesson.networks[network_name][style].train, network, training)
        snapshots.keep(training.epochs_done)

        keras.utils.set_random_seed(settings.seed)  # what follows is alike, resumed or not
        saved = records.save_network(network, work / "networks", name)
        report = records.draw(lesson, network, label, data, settings, work, self.show)
        claimed = []
        if not published.departures(lesson, self.record):
            claimed = claims.measure(lesson, network, data, settings)
            print("\n".join(f"{label}: {line}" for line in claims.lines(claimed)))
        return {
            "network": network_name,
            "style": style,
            "parameters": count_parameters(network),
            "seconds": sum(logs["seconds"] for logs in training.history),
            "published": _published(lesson, network_name, self.record, training.epochs_done),
            "history": training.history,
            "weights_sha256": weights_sha256(network),
            **report.as_recorded(work),
            "claims": claimed,
            "snapshots": snapshots.kept,
            "plane": _plane(lesson, network, label, data, work),
            "saved": saved.relative_to(work),
        }

    def _fit(self, train: Callable, network: Any, training: Run) -> None:
        try:
            train(network, self.data, self.settings, training)
        except (InputError, tf.errors.ResourceExhaustedError) as error:
            if isinstance(error, NotFiniteError) and training.history:
                states = self.work / CHECKPOINTS
                raise NotFiniteError(
                    f"{error} What epoch {training.epochs_done} ended with is in {states}."
                ) from error
            if not self.record["trainings"] and not training.history:
                shutil.rmtree(self.work)
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{training.label}: the memory is too small for this training; try a smaller "
                "--batch-size."
            ) from error
        finally:
            training.close()


def _published(lesson, network, record, num_epochs) -> dict[str, Any] | None:
    """Looks up what was published for the epoch that a run ended with, or the last before it."""
    printed = published.columns(lesson, network, record["settings"], record["data"]["notice"])
    if not printed:
        return None
    curve = published.curve(lesson.name)
    row = min(num_epochs, len(curve["epoch"])) - 1
    return {
        "epoch": int(curve["epoch"][row]),
        "losses": [curve[c][row] for c in printed[lesson.measure]],
    }


def _plane(lesson, network, label, data, folder) -> dict[str, Any] | None:
    if lesson.plane is None:
        return None
    return write_plane(folder, label, lesson.plane(network, data))
