"""Where the repository, its data and the downloads lie."""

import errno
import hashlib
import json
import os
import shlex
import shutil
import stat
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ae.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY / "data"
PRETRAINED = DATA / "pretrained"  # trained networks, each in a folder as a run leaves it
WRITTEN = ".written.json"  # in a folder: which files commands wrote there, with their SHA-256


def cache_root() -> Path:
    """Returns the folder of all downloads: $AE_CACHE_DIR, or data/cache in the repository."""
    chosen = os.environ.get("AE_CACHE_DIR")
    return expand(chosen) if chosen else DATA / "cache"


def python() -> str:
    """Returns what starts this Python in a shell: "python", or its path if that is another."""
    found = shutil.which("python")
    if not sys.executable or (found and Path(found).absolute() == Path(sys.executable).absolute()):
        return "python"
    path = Path(sys.executable)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside a file; what is written there replaces the file as a whole.

    If the block fails, the file stays as it was. A missing folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def open_file(path: Path) -> BinaryIO:
    """Opens a file, but no pipe or device, from which a program could read for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not an ordinary file")
    return path.open("rb")


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Opens a new file that replaces another once all is written; a link stays one."""
    path = path.resolve()
    unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with unfinished.open("w+b") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder that an option asks for, or raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: no folder can be made there.") from error


def files_in(folder: Path) -> Iterator[Path]:
    """Yields the files and links below a folder; InputError if it is a file or a link itself."""
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
        raise InputError(f"{folder} is not a folder; move it away, or choose another --out.")
    for path in folder.rglob("*"):
        if path.name != WRITTEN and (path.is_symlink() or not path.is_dir()):
            yield path


def written(folder: Path) -> dict[str, str]:
    """Returns the relative paths of what commands wrote into a folder, and the digests."""
    path = folder / WRITTEN
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: this is not a list of what was written; delete it.") from error


def remember(folder: Path, paths: Iterable[Path], within: Path | None = None) -> None:
    """Lists files as written into a folder, if only to be moved there from `within` another."""
    new = {path.relative_to(within or folder).as_posix(): _sha256(path) for path in paths}
    with replacing(folder / WRITTEN) as partial:
        partial.write_text(json.dumps({**written(folder), **new}, indent=1) + "\n")


def move_into(folder: Path, files: Sequence[Path], work: Path) -> None:
    """Moves files below the folder `work` into another, in this order, and lists them there."""
    remember(folder, files, work)
    for path in files:
        target = folder / path.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def remove_written(folder: Path) -> None:
    """Removes the files that commands wrote into a folder, and no other."""
    known = written(folder)
    for path in list(files_in(folder)):
        if path.relative_to(folder).as_posix() in known:
            path.unlink()
    (folder / WRITTEN).unlink(missing_ok=True)


def refuse_to_overwrite(folder: Path, paths: Iterable[Path], overwrite: bool) -> None:
    """Raises InputError if one of the files exists, unless a command wrote it as it is now.

    A link or a read-only file is the user's, whatever is in it. `overwrite` allows all but folders.
    """
    known = written(folder)
    for path in filter(os.path.lexists, paths):
        if path.is_dir() and not path.is_symlink():
            raise InputError(f"{path} is a folder, not a file; choose another --out.")
        ordinary = path.is_file() and not path.is_symlink() and path.stat().st_mode & stat.S_IWUSR
        digest = known.get(path.relative_to(folder).as_posix())
        if not (overwrite or (ordinary and digest == _sha256(path))):
            raise InputError(
                f"{path} is there already, and not (or no longer) as this program writes it; "
                "choose another --out, or add --overwrite."
            )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_folder(name: str | Path) -> Path:
    """Returns the folder of a run; "pretrained/NAME" is one that comes with the project."""
    folder = Path(name)
    if folder.parts[:1] == ("pretrained",) and not folder.exists():
        return PRETRAINED / Path(*folder.parts[1:])
    return folder


def data_folder(path: str | Path) -> Path:
    """Returns the folder of data sets that a user names; InputError if it is none."""
    folder = expand(path)
    if not folder.is_dir():
        raise InputError(
            f"The data folder {folder} does not exist or is not a folder; name one that is, "
            "or leave it out to have the data fetched."
        )
    return folder


def expand(path: str | Path) -> Path:
    """Replaces "~" or "~user" at the start of a path by the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: there is no such home folder; write the path out.") from error
