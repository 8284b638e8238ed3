"""A run of a lesson: what it writes into its folder, and how it goes on after an interruption.

Until a run is complete, all that it writes is in the folder "unfinished" within its own: pictures,
networks, a record that grows with each finished training, TensorBoard's logs, and the checkpoints
of the training under way. Then the files move to their places, the record last. So a run that ends
early leaves an earlier one in the same folder as it was.
"""

import dataclasses
import datetime
import inspect
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ae import claims, precision, published, records
from ae.checkpoints import Checkpoints
from ae.errors import InputError, Interrupted
from ae.lesson import Lesson, Settings, count_parameters, reconstruct
from ae.snapshots import Examples, Snapshots, write_examples, write_plane
from ae.training import Run

import keras
import matplotlib
import tensorflow as tf
from filelock import FileLock, Timeout

UNFINISHED = "unfinished"
PARTS = ("figures", "networks", "snapshots", "plane", "tensorboard")  # folders that a run may make
LOCK = ".lock"


def train(
    lesson: Lesson,
    settings: Settings,
    folder: Path,
    *,
    preset: str,
    style: str = "both",
    data_dir: Path | None = None,
    show: bool = False,
    tensorboard: bool = False,
) -> dict[str, Any]:
    """Trains a lesson's networks, draws their figures and writes the record.

    Args:
        lesson: the lesson.
        settings: what to train with.
        folder: where everything goes; an unfinished run there is given up.
        preset: which settings these are a choice of; claims are measured at "article".
        style: "low-level", "keras" or "both".
        data_dir: the user's folder with data sets.
        show: whether to keep the figures open, for windows.
        tensorboard: whether to write TensorBoard's event files.

    Returns:
        The record, as `record.json` in the folder holds it, and the `folder`.

    Raises:
        InputError: if the data or the folder cannot be used, the low-level style cannot compute in
            bfloat16 as asked, or a loss stops being a number.
        Interrupted: if Ctrl-C was pressed after the run had begun.
    """
    with _claimed(folder):
        precision.require(settings, style)
        data = lesson.load(settings, data_dir)
        record = {
            "lesson": lesson.name,
            "preset": preset,
            "style": style,
            "tensorboard": tensorboard,
            "settings": dataclasses.asdict(settings),
            "data": data.provenance._asdict(),
            **records.environment(),
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "measure": lesson.measure,
            "trainings": [],
        }
        record["departures"] = published.departures(lesson, record)
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        return _Unfinished(lesson, settings, data, record, folder, data_dir, show).finish()


def resume(
    lesson: Lesson, folder: Path, data_dir: Path | None = None, show: bool = False
) -> dict[str, Any]:
    """Goes on with a run that was interrupted, from the last finished epoch.

    Args:
        lesson: the lesson.
        folder: the run's.
        data_dir: the user's folder with data sets.
        show: whether to keep the figures open, for windows.

    Returns:
        The record, which is that of a run that was never interrupted.

    Raises:
        InputError: if there is no unfinished run of this lesson, or the data are not those that it
            began with; and as `train`.
        Interrupted: as `train`.
    """
    if not is_unfinished(folder):
        finished = (folder / records.RECORD).is_file()
        raise InputError(
            f"{folder}: this run is finished; there is nothing to go on with."
            if finished
            else f"{folder}: there is no run here to go on with."
        )
    with _claimed(folder):
        record, settings = read_run(lesson, folder / UNFINISHED)
        precision.require(settings, record["style"])
        data = lesson.load(settings, data_dir)
        _refuse_other_data(folder, record, data)
        if record["versions"] != records.environment()["versions"]:
            print(
                f"{folder}: this run began with other versions of its packages, so it may end "
                "with other numbers than without the interruption.",
                file=sys.stderr,
            )
        return _Unfinished(lesson, settings, data, record, folder, data_dir, show).finish()


def is_unfinished(folder: Path) -> bool:
    """Says whether a run was interrupted here."""
    return (folder / UNFINISHED / records.RECORD).is_file()


def redraw(
    lesson: Lesson,
    folder: Path,
    out: Path,
    *,
    asked: Mapping[str, Any],
    style: str = "both",
    data_dir: Path | None = None,
    show: bool = False,
) -> dict[str, Any]:
    """Draws the figures of an earlier run again, from its saved networks.

    Args:
        lesson: the lesson.
        folder: the run's.
        out: where the figures go.
        asked: settings to put in the place of the run's own.
        style: whose figures: "low-level", "keras" or "both".
        data_dir: the user's folder with data sets.
        show: whether to keep the figures open, for windows.

    Returns:
        The run's record, with `out` for `folder`.

    Raises:
        InputError: if there is no such run, it has no network of that style, or data or folder
            cannot be used.
    """
    record, settings = read_run(lesson, folder, asked)
    if style not in ("both", *(training["style"] for training in record["trainings"])):
        raise InputError(f"{folder}: this run has no {style} network; leave --style out.")
    with _claimed(out):
        data = lesson.load(settings, data_dir)
        if "data" not in asked:
            _refuse_other_data(folder, record, data)
        elif out.samefile(folder) and record["data"]["sha256"] != data.provenance.sha256:
            raise InputError(
                f"{folder}: this run was on other data ({record['data']['source']}); "
                "give figures of these a folder of their own, with --out."
            )
        try:
            for training in record["trainings"]:
                if style not in (training["style"], "both"):
                    continue
                network = load_network(lesson, folder, training, settings)
                label = _label(lesson, training["network"], training["style"])
                _draw(lesson, network, label, data, settings, out, show)
            _draw_appendix(lesson, data, settings, out, show)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(
                f"--out {out}: a figure cannot be written ({error.strerror or error})."
            ) from error
    return {**record, "folder": out}


def _refuse_other_data(folder: Path, record: Mapping[str, Any], data: Any) -> None:
    if record["data"]["sha256"] != data.provenance.sha256:
        raise InputError(
            f"{folder}: this run was on other data ({record['data']['source']}); "
            "give those again, with --data-dir, or begin a new run."
        )


def read_run(
    lesson: Lesson, folder: Path, asked: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Settings]:
    """Reads what an earlier run of a lesson was.

    Args:
        lesson: the lesson.
        folder: the run's.
        asked: settings to put in the place of the run's own.

    Returns:
        Its record and its settings.

    Raises:
        InputError: if there is no such run, or it is of another lesson or does not fit this one.
    """
    if is_unfinished(folder) and not (folder / records.RECORD).is_file():
        raise InputError(f"{folder}: this run is not finished; go on with it: --resume {folder}.")
    record = records.read_record(folder)
    if record["lesson"] != lesson.name:
        raise InputError(f"{folder}: this is a run of {record['lesson']}, not of {lesson.name}.")
    try:
        settings = _settings(lesson, {**record["settings"], **(asked or {})})
        for key in ("preset", "style", "tensorboard", "started", "device", "measure"):
            record[key]
        dict(record["versions"]), record["data"]["source"], record["data"]["sha256"]
        for training in record["trainings"]:
            lesson.networks[training["network"]][training["style"]]  # what the record names exists
            folder / training["saved"]
            training["parameters"], training["claims"]
        records.table([record])  # what is printed at the end can be
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(
            f"{folder}: its record does not fit this version of {lesson.name}; run it again."
        ) from error
    return record, settings


def _settings(lesson: Lesson, values: Mapping[str, Any]) -> Settings:
    """Makes settings of a record's values; a TypeError if they are not a lesson's."""
    article = lesson.presets["article"]
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    settings = type(article)(**values)
    for name, usual in dataclasses.asdict(article).items():
        value = getattr(settings, name)
        kinds = (int, float) if isinstance(usual, float) else type(usual)
        if usual is not None and not isinstance(value, kinds):
            raise TypeError(f"{name} is {value!r}.")
    return settings


def load_network(
    lesson: Lesson, folder: Path, training: Mapping[str, Any], settings: Settings
) -> Any:
    """Builds a network of an earlier run and fills it with the weights that the run saved.

    Args:
        lesson: the lesson.
        folder: the run's.
        training: one of the trainings in its record.
        settings: the run's.

    Raises:
        InputError: if the weights are missing or are another network's.
    """
    network = _build(lesson, training["network"], training["style"], settings)
    records.load_weights(network, folder / training["saved"])
    return network


class _Unfinished:
    """A run under way; its record says what is done of it."""

    def __init__(self, lesson, settings, data, record, folder, data_dir, show):
        self.lesson, self.settings, self.data = lesson, settings, data
        self.record, self.folder, self.show = record, folder, show
        self.work = folder / UNFINISHED
        self.again = f"python -m tutorials.{lesson.name} --resume {shlex.quote(str(folder))}"
        if data_dir is not None:
            self.again += f" --data-dir {shlex.quote(str(data_dir))}"

    def finish(self) -> dict[str, Any]:
        """Does what is left, moves everything to its place and returns the record."""
        if not self.show:
            matplotlib.use("Agg")
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
            self._move()
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
        self.record["appendix"] = _draw_appendix(lesson, data, self.settings, work, self.show)
        self.record["examples"] = write_examples(work, examples)
        self.record["source"] = _write_source(lesson, work)
        records.write_record(work, self.record)

    def _train(self, network_name: str, style: str, examples: Examples) -> dict[str, Any]:
        """Trains one network, from where it was stopped, and returns its part of the record."""
        lesson, settings, data, work = self.lesson, self.settings, self.data, self.work
        label = _label(lesson, network_name, style)
        name = label.replace(" ", "-")
        network = _build(lesson, network_name, style, settings)
        checkpoints = Checkpoints(work / "checkpoints" / name, network)
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
        report = _draw(lesson, network, label, data, settings, work, self.show)
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
            "weights_sha256": records.weights_sha256(network),
            "results": report.results,
            "claims": claimed,
            "snapshots": snapshots.kept,
            "plane": _plane(lesson, network, label, data, work),
            "saved": saved.relative_to(work),
            "figures": [path.relative_to(work) for path in report.figures],
        }

    def _fit(self, train: Callable, network: Any, training: Run) -> None:
        try:
            train(network, self.data, self.settings, training)
        except InputError as error:
            if training.history:
                states = self.work / "checkpoints"
                raise InputError(
                    f"{error} What epoch {training.epochs_done} ended with is in {states}."
                ) from error
            if not self.record["trainings"]:
                shutil.rmtree(self.work)
            raise

    def _move(self) -> None:
        """Moves all files out of the folder "unfinished", the record last."""
        shutil.rmtree(self.work / "checkpoints", ignore_errors=True)
        if (self.folder / records.RECORD).is_file():  # of an earlier run, whose files go with it
            for part in PARTS:
                shutil.rmtree(self.folder / part, ignore_errors=True)
            (self.folder / records.RECORD).unlink()
        for path in sorted(self.work.rglob("*")):
            if path.is_file() and path != self.work / records.RECORD:
                target = self.folder / path.relative_to(self.work)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        (self.work / records.RECORD).replace(self.folder / records.RECORD)
        shutil.rmtree(self.work)


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Makes a folder, and keeps other runs out of it for a while.

    Raises:
        InputError: if it cannot be made or written to, or another run is writing into it.
    """
    if not str(folder).isascii() and sys.getfilesystemencoding() != "utf-8":
        raise InputError(
            f"--out {folder}: TensorFlow cannot find this name in a locale without UTF-8; "
            "set PYTHONUTF8=1, or choose a name in plain letters."
        )
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"--out {folder}: another run is writing into this folder; wait, or choose another."
        ) from error
    except OSError as error:
        raise InputError(
            f"--out {folder}: this folder cannot be made or written to ({error.strerror})."
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it stays
            (folder / LOCK).unlink()
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        lock.release()


def _published(lesson, network, record, num_epochs) -> dict[str, Any] | None:
    """Looks up what was published for the epoch that a run ended with, or the last before it."""
    columns = published.columns(lesson, network, record["settings"], record["data"]["notice"])
    if not columns:
        return None
    curve = published.curve(lesson.name)
    row = min(num_epochs, len(curve["epoch"])) - 1
    return {"epoch": int(curve["epoch"][row]), "losses": [curve[c][row] for c in columns]}


def _build(lesson: Lesson, network: str, style: str, settings: Settings) -> Any:
    keras.utils.set_random_seed(settings.seed)
    mixed = settings.mixed_precision and style == "keras"
    with precision.keras_layers() if mixed else nullcontext():
        return lesson.networks[network][style].build(settings)


def _draw(lesson, network, label, data, settings, folder, show) -> records.Report:
    prefix = label.replace(" ", "-") + "-"
    report = records.Report(folder / "figures", prefix, data.provenance.notice, show)
    lesson.draw(network, data, settings, report)
    return report


def _write_source(lesson: Lesson, folder: Path) -> str | None:
    """Copies the lesson's file, for the report to show what ran; a notebook's cells have none."""
    path = inspect.getsourcefile(lesson.load)
    if path is None or not Path(path).is_file():
        return None
    name = f"{lesson.name}.py"
    shutil.copyfile(path, folder / name)
    return name


def _plane(lesson, network, label, data, folder) -> dict[str, Any] | None:
    if lesson.plane is None:
        return None
    return write_plane(folder, label, lesson.plane(network, data))


def _draw_appendix(lesson, data, settings, folder, show) -> dict[str, Any]:
    report = records.Report(folder / "figures", "", data.provenance.notice, show)
    if lesson.appendix is not None:
        lesson.appendix(data, settings, report)
    return {
        "results": report.results,
        "figures": [path.relative_to(folder) for path in report.figures],
    }


def _label(lesson: Lesson, network: str, style: str) -> str:
    return style if len(lesson.networks) == 1 else f"{network} {style}"
