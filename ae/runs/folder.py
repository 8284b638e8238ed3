"""A run's folder: what is in it, who may write there, and how a run becomes complete in it.

Until a run is complete, all that it writes is in the folder "unfinished" within its own: pictures,
networks, a record that grows with each finished training, TensorBoard's logs, and the checkpoints
of the training under way. Then the files move to their places, the record last. So a run that ends
early leaves an earlier one in the same folder as it was.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ae.errors import InputError
from ae.runs.records import RECORD, UNFINISHED, read_record

from filelock import FileLock, Timeout

PARTS = ("figures", "networks", "snapshots", "plane", "tensorboard")  # folders that a run may make
CHECKPOINTS = "checkpoints"
LOCK = ".lock"


def is_unfinished(folder: Path) -> bool:
    """Says whether a run was interrupted here."""
    return (folder / UNFINISHED / RECORD).is_file()


def was_interrupted(folder: Path) -> bool:
    """Says whether a run was interrupted here that is worth resuming: of an epoch or more."""
    begun = read_record(folder / UNFINISHED)["trainings"] if is_unfinished(folder) else []
    return bool(begun) or any((folder / UNFINISHED / CHECKPOINTS).glob("*/checkpoint"))


def refuse_what_would_be_lost(folder: Path, name: str) -> None:
    """Lets a new run of the lesson `name` overwrite only a finished run of the same lesson."""
    if was_interrupted(folder):
        raise InputError(
            f"--out {folder}: a run was interrupted here; resume it, --resume {folder}, "
            f"or delete {folder / UNFINISHED}."
        )
    theirs = [n for n in (RECORD, *PARTS, f"{name}.py") if (folder / n).exists()]
    with suppress(InputError):
        if read_record(folder)["lesson"] == name:
            theirs = []
    left = (path for path in (folder / UNFINISHED).rglob("*") if path.is_file())
    if not is_unfinished(folder) and any(".partial" not in path.suffixes for path in left):
        theirs.append(UNFINISHED)
    if theirs:
        raise InputError(
            f"--out {folder}: {theirs[0]} in this folder is not of a run of {name}; "
            "choose another folder."
        )


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Makes a run's folder, keeps other runs out of it, and removes it if it stays empty."""
    _refuse_name(str(folder))
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"--out {folder}: another run is writing here; wait, or choose another."
        ) from error
    except OSError as error:
        raise InputError(f"--out {folder}: this cannot be written ({error.strerror}).") from error
    try:
        yield
    finally:
        with suppress(OSError):  # where an open file cannot be removed, it stays
            (folder / LOCK).unlink()
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
            f"--out {name}: TensorFlow cannot find this name in a locale without UTF-8; "
            "set PYTHONUTF8=1, or choose a name in plain letters."
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"--out {name!a}: this name is not UTF-8; choose another.") from error


def complete(folder: Path) -> None:
    """Replaces an earlier run of the folder by the files in "unfinished", the record last.

    A process that is killed in between can do the rest when the run is resumed.
    """
    work = folder / UNFINISHED
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    if (folder / RECORD).is_file():
        for part in PARTS:
            shutil.rmtree(folder / part, ignore_errors=True)
        (folder / RECORD).unlink()
    for path in [path for path in work.rglob("*") if path.is_file()]:
        if path != work / RECORD and not {".tmp", ".partial"} & set(path.suffixes):
            target = folder / path.relative_to(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    (work / RECORD).replace(folder / RECORD)
    shutil.rmtree(work)
