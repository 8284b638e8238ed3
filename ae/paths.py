"""Where the repository, its data and the downloads lie."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY / "data"


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


def make_folder(folder: Path, option: str) -> None:
    """Makes the folder that an option such as "--out runs" asks for, or raises InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option}: no folder can be made there.") from error


def expand(path: str | Path) -> Path:
    """Replaces "~" or "~user" at the start of a path by the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"{path}: there is no such home folder; write the path out.") from error
