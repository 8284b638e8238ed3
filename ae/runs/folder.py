"""A run's folder: what is in it, who may write there, and how a run becomes complete in it.

Until a run is complete, all that it writes is in the folder "unfinished" within its own: pictures,
networks, a record that grows with each finished training, TensorBoard's logs, and the checkpoints
of the training under way. Then the files move to their places, the record last. So a run that ends
early leaves an earlier one in the same folder as it was.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.paths import files_in, move_into, python, refuse_to_overwrite, remove_written
from ae.runs.records import RECORD, UNFINISHED, read_record

from filelock import FileLock, Timeout

PARTS = ("figures", "networks", "snapshots", "plane", "tensorboard")  # folders that a run may make
CHECKPOINTS = "checkpoints"
LOCK = ".lock"


def is_unfinished(folder: Path) -> bool:
    """Says whether a run was interrupted here."""
    return (folder / UNFINISHED / RECORD).is_file()


def whole(folder: Path) -> Path:
    """Returns a run's folder, also if its folder "unfinished" was named."""
    return folder.parent if folder.name == UNFINISHED else folder


def require_unfinished(folder: Path) -> None:
    """Raises InputError if there is no interrupted run in a folder."""
    if not is_unfinished(folder):
        if (folder / RECORD).is_file():
            raise InputError(f"{folder}: this run is finished; there is nothing to resume.")
        raise InputError(f"{folder}: there is no run here to resume.")


def was_interrupted(folder: Path) -> bool:
    """Says whether a run was interrupted here that is worth resuming: of an epoch or more."""
    begun = read_record(folder / UNFINISHED)["trainings"] if is_unfinished(folder) else []
    return bool(begun) or any((folder / UNFINISHED / CHECKPOINTS).glob("*/checkpoint"))


def find_runs(folder: Path) -> dict[str, Path]:
    """Finds the newest run of each lesson, by name. The folder is a run, or holds runs.

    Raises:
        InputError: there is no run, or a record cannot be read.
    """
    found: dict[str, tuple[str, Path]] = {}
    for candidate in [folder, *sorted(folder.iterdir())] if folder.is_dir() else []:
        if candidate.name == UNFINISHED or not os.access(candidate, os.R_OK | os.X_OK):
            continue
        if (candidate / RECORD).is_file():
            record = read_record(candidate)
            name, started = str(record["lesson"]), str(record.get("started", ""))
            if name not in found or started > found[name][0]:
                found[name] = (started, candidate)
        elif is_unfinished(candidate):
            print(
                f"{candidate}: left out, because this run is not finished; "
                f"resume it: --resume {candidate}.",
                file=sys.stderr,
            )
    if not found:
        below = sorted({path.parents[1] for path in folder.glob(f"*/*/{RECORD}")})
        raise InputError(
            f"{folder}: there is no run here, but in {' and '.join(map(str, below))}; name one."
            if below
            else f"{folder}: there is no run here; `{python()} -m tutorials run` makes some."
        )
    return {name: run for name, (_, run) in found.items()}


def differences(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Says how a run differs from one whose record begins as `wanted`."""
    wanted = json.loads(json.dumps(wanted))  # a record holds no tuples
    old, new = (
        {"strategy": None, **one, **one.get("data", {}), **one["settings"]}
        for one in (record, wanted)
    )
    asked = {name: value for name, value in new.items() if not isinstance(value, dict)}
    return [f"{n} {old[n]!r}, not {v!r}" for n, v in asked.items() if old.get(n, v) != v]


def refuse_what_would_be_lost(folder: Path, wanted: Mapping[str, Any], overwrite: bool) -> None:
    """Lets a new run, whose record begins as `wanted`, overwrite only what it would make again."""
    left = [path for path in files_in(folder / UNFINISHED) if ".partial" not in path.suffixes]
    if was_interrupted(folder):
        raise InputError(
            f"{folder}: a run was interrupted here; resume it, --resume {folder}, "
            f"or delete {folder / UNFINISHED}."
        )
    if left and not is_unfinished(folder):
        raise InputError(f"{left[0]} is not of a run; move it away, or choose another --out.")
    if not overwrite:
        _refuse_another(folder, wanted)
    files = [path for part in PARTS for path in files_in(folder / part)]
    files += [folder / RECORD, folder / f"{wanted['lesson']}.py"]
    refuse_to_overwrite(folder, files, overwrite)


def _refuse_another(folder: Path, wanted: Mapping[str, Any]) -> None:
    try:
        found = read_record(folder)
        others = differences(found, wanted)
        epochs = found["settings"]["num_epochs"]
        size = f"preset {found['preset']}, {epochs} epoch{'s' * (epochs != 1)}"
        about = f"{found['lesson']} ({size}, {found['started'][:10]})"
    except (InputError, KeyError, TypeError, AttributeError):
        return  # it is no run; its files are the user's
    if others:
        raise InputError(
            f"{folder} holds a finished run of {about} with {others[0]}; "
            "to keep it choose another --out, to replace it add --overwrite."
        )


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Makes a run's folder, keeps other runs out of it, and removes it if it stays empty."""
    _refuse_name(str(folder))
    lock_file = folder / LOCK  # empty, if it is ours
    if lock_file.is_symlink() or (lock_file.is_file() and lock_file.stat().st_size):
        raise InputError(f"{lock_file} is not of a run; move it away, or choose another --out.")
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"{folder}: another run is writing here; wait, or choose another --out."
        ) from error
    except OSError as error:
        raise InputError(f"{folder}: this cannot be written ({error.strerror}).") from error
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it stays
            lock_file.unlink()
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        lock.release()


def _refuse_name(name: str) -> None:
    if found := sorted(set(name) & set("*?[\\")):
        raise InputError(
            f"{name}: TensorFlow takes {' and '.join(found)} in a name for a pattern, and would "
            "not find its checkpoints again; give the folder another name."
        )
    if not name.isascii() and sys.getfilesystemencoding() != "utf-8":
        raise InputError(
            f"{name}: TensorFlow cannot find this name in a locale without UTF-8; "
            "set PYTHONUTF8=1, or choose a name in plain letters."
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name!a}: this name is not UTF-8; choose another.") from error


def complete(folder: Path) -> None:
    """Replaces an earlier run of the folder by the files in "unfinished", the record last.

    A process that is killed in between can do the rest when the run is resumed.
    """
    work = folder / UNFINISHED
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    if (folder / RECORD).is_file():
        remove_written(folder)
        (folder / RECORD).unlink(missing_ok=True)
    files = [path for path in files_in(work) if not {".tmp", ".partial"} & set(path.suffixes)]
    move_into(folder, sorted(files, key=(work / RECORD).__eq__), work)
    shutil.rmtree(work)
