"""A run under way: what is left of it to do, and what each part of it leaves behind."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ae.backend import keras, tf
from ae.errors import InputError, Interrupted, NotFiniteError
from ae.lesson import Lesson, Settings, label_of
from ae.networks import count_parameters, weights_sha256
from ae.runs import drawing, records
from ae.runs.folder import CHECKPOINTS, complete, was_interrupted
from ae.runs.records import UNFINISHED
from ae.runs.saved import build, load_networks, require_saved, save_network
from ae.terminal import working
from ae.training import interrupts, precision, strategies
from ae.training.checkpoints import Checkpoints
from ae.training.faster_layers import faster_layers
from ae.training.run import Run
from ae.training.strategies import Replicas


class Training(NamedTuple):
    """One training within a run, as its observers see it."""

    lesson: Lesson
    network_name: str
    style: str  # "low-level" or "keras"
    network: Any
    data: Any
    settings: Settings
    record: Mapping[str, Any]  # the run's, so far
    folder: Path  # where the run writes until it is complete
    history: Sequence[Mapping[str, float]]  # as `Run.history`; it grows

    @property
    def label(self) -> str:
        """What tells the training from the others of its run."""
        return label_of(self.network_name, self.style)


@dataclass
class Unfinished:
    """A run under way; its record says what is done.

    An observer class, such as `ae.report.snapshots.Snapshots`, keeps more of each training. It is
    made of a `Training` and hears `after_epoch(epoch)`. Then `result()` returns entries for the
    training's record, and `of_run(lesson, data, record, folder)` entries for the run's.
    """

    lesson: Lesson
    settings: Settings
    data: Any
    record: dict[str, Any]
    folder: Path
    data_dir: Path | None
    show: bool
    observers: Sequence[type]
    replicas: Replicas | None = None  # train with `--strategy`

    @property
    def work(self) -> Path:
        """Where the run writes until it is complete."""
        return self.folder / UNFINISHED

    def finish(self) -> dict[str, Any]:
        """Does what is left, moves everything to its place and returns the record."""
        lesson, settings, data, record = self.lesson, self.settings, self.data, self.record
        if settings.mixed_precision and not precision.is_native():
            print("This processor lacks bfloat16, so training in it is slower.", file=sys.stderr)
        if self.replicas is not None:
            about = strategies.notice(settings, record["style"], self.replicas.number)
            print(about, end="\n" if about else "", file=sys.stderr)
        if settings.deterministic:
            tf.config.experimental.enable_op_determinism()
        with self._advice():
            records.write_record(self.work, record)
            if "source" not in record:  # the last entry that is written
                source = self.work / f"{lesson.name}.py"  # for the report to show what ran
                if lesson.file is not None and not source.exists():
                    shutil.copyfile(lesson.file, source)
                trainings = [(n, s) for n, styles in lesson.networks.items() for s in styles]
                chosen = [(n, s) for n, s in trainings if record["style"] in (s, "both")]
                for network_name, style in chosen[len(record["trainings"]) :]:
                    with interrupts.postponed(), self._making_variables():
                        trained = self._train(network_name, style)
                    record["trainings"].append(trained)
                    records.write_record(self.work, record)
                    keras.backend.clear_session()
                with working(f"{lesson.name}: further figures"):
                    record["appendix"] = drawing.draw_appendix(
                        *(lesson, data, settings, self.work, self.show),
                        lambda: load_networks(lesson, self.work, record, settings),
                        results={},
                    )
                for observer in self.observers:
                    record.update(observer.of_run(lesson, data, record, self.work))
                record["source"] = source.name if source.exists() else None
                records.write_record(self.work, record)
            complete(self.folder)
        return {**records.read_record(self.folder), "folder": self.folder}

    @contextmanager
    def _advice(self) -> Iterator[None]:
        """Makes Ctrl-C and a full disk end with the command that resumes the run.

        A run that another mistake stops is removed, unless it can be resumed.
        """
        again = f"{self.lesson.command} --resume {shlex.quote(str(self.folder))}"
        if self.data_dir is not None:
            again += f" --data-dir {shlex.quote(str(self.data_dir))}"
        if self.replicas is not None:
            again += f" --strategy {self.record['strategy']}"
        try:
            yield
        except strategies.LOST as error:
            if self.replicas is None or not self.replicas.is_shared:
                raise
            advice = "start all workers again."
            if was_interrupted(self.folder):
                advice = f"to resume, start all workers: {again}"
            else:
                shutil.rmtree(self.work)
            raise InputError(f"{self.folder}: another worker has ended; {advice}") from error
        except KeyboardInterrupt as error:
            raise Interrupted(f"Interrupted; to resume: {again}") from error
        except InputError:
            if not was_interrupted(self.folder):
                shutil.rmtree(self.work)
            raise
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"{self.folder}: something cannot be written ({error.strerror or error}); "
                f"make room or fix that, then resume: {again}"
            ) from error

    def _making_variables(self) -> AbstractContextManager:
        return nullcontext() if self.replicas is None else self.replicas.making_variables()

    def _train(self, network_name: str, style: str) -> dict[str, Any]:
        """Trains one network, from where it was stopped, and returns its part of the record."""
        lesson, settings, data, work = self.lesson, self.settings, self.data, self.work
        label = label_of(network_name, style)
        name = label.replace(" ", "-")
        told = settings if self.replicas is None else strategies.adapted(settings, style)
        network = build(lesson, network_name, style, settings)
        checkpoints = Checkpoints(work / CHECKPOINTS / name, network)
        run = Run(
            f"{lesson.name} {label}",
            settings.num_epochs,
            told.steps_per_call,
            lesson.epoch_line,
            work / "tensorboard" / name if self.record["tensorboard"] else None,
            lambda epoch: [observer.after_epoch(epoch) for observer in observers],
            checkpoints,
            self.replicas,
            network_name in lesson.summed,
        )
        training = Training(
            *(lesson, network_name, style, network, data, settings),
            *(self.record, work, run.history),
        )
        observers = [observer(training) for observer in self.observers]
        if run.is_over:
            checkpoints.follow(None)
        else:
            if notice := lesson.notice(network, settings):
                print(f"{label}: {notice}", file=sys.stderr)
            with precision.chosen(settings, style), faster_layers(network), self._stops(run):
                lesson.networks[network_name][style].train(network, data, told, run)
        if self.replicas is not None:
            self.replicas.end_making()

        saved = save_network(network, work / "networks", name).relative_to(work)
        about = {"network": network_name, "style": style, "saved": saved}
        require_saved(lesson, work, about, settings, network, data)
        keras.utils.set_random_seed(settings.seed)  # so that what follows is the same if resumed
        shown = self.show, network, network_name, style, run.history
        with working(f"{run.label}: figures"):
            drawn = drawing.draw(lesson, data, settings, work, *shown)
        kept: dict[str, Any] = {}
        for observer in observers:
            kept.update(observer.result())
        return {
            **about,
            "parameters": count_parameters(network),
            "seconds": sum(logs["seconds"] for logs in run.history),
            "history": run.history,
            "weights_sha256": weights_sha256(network),
            **drawn,
            **kept,
        }

    @contextmanager
    def _stops(self, run: Run) -> Iterator[None]:
        """Says what stopped a training."""
        try:
            yield
        except (InputError, tf.errors.ResourceExhaustedError) as error:
            if isinstance(error, NotFiniteError) and run.history:
                states = self.work / CHECKPOINTS
                raise NotFiniteError(
                    f"{error} The state after epoch {run.epochs_done} is in {states}."
                ) from error
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{run.label}: there is too little memory; try a smaller --batch-size."
            ) from error
        finally:
            run.close()
