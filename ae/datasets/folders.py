"""The sources that are folders: the user's, the cache, and what other software has left."""

import io
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ae.datasets.idx import format_idx
from ae.datasets.registry import (
    DataSet,
    Payload,
    PayloadError,
    Reader,
    Source,
    SourceError,
)
from ae.errors import InputError
from ae.paths import REPOSITORY, expand

import numpy as np

_NOT_AN_ARCHIVE = (OSError, EOFError, ValueError, KeyError, MemoryError)
_NOT_AN_ARCHIVE += (zlib.error, zipfile.BadZipFile, RuntimeError)  # the last: an encrypted one


class AbsentError(SourceError):
    """A folder that has no such file."""


def data_folder(folder: Path, data_set: DataSet) -> Source:
    """A folder that the user named: what is damaged there is for the user to mend.

    Args:
        folder: An existing folder.
        data_set: What is looked for in it and in its usual subfolders.

    Returns:
        The source.
    """
    folders = [*(folder / sub for sub in data_set.subfolders), folder]

    def read(payload: Payload) -> bytes:
        absent = AbsentError("not there")
        for place in folders:
            try:
                return _read_file(place, payload)
            except AbsentError:
                continue
            except PayloadError as error:
                if error.sha256 in data_set.namesakes:
                    absent = AbsentError(
                        f"{place} holds {data_set.namesakes[error.sha256]} instead"
                    )
                    continue
                raise InputError(
                    f"{error}; put a good copy of {data_set.title}'s {payload.name} in its place, "
                    "or delete it to have it fetched."
                ) from error
        raise absent

    return _folder_source(label(folder), read, in_place=True)


def cache_folder(folder: Path, notify: Callable[[str], None]) -> Source:
    """The folder where downloads land: what is damaged there is fetched again, with a notice.

    Args:
        folder: The data set's folder in the cache, which need not exist.
        notify: Shows a line of text to the user.

    Returns:
        The source.
    """

    def read(payload: Payload) -> bytes:
        try:
            return _read_file(folder, payload)
        except PayloadError as error:
            notify(f"{error}; looking for a good copy.")
            raise

    return _folder_source(label(folder.parent), read, in_place=True)


def debian_folder(folder: str) -> Source:
    """The files of an installed Debian package.

    Args:
        folder: Where the package puts them.

    Returns:
        The source.
    """
    return _folder_source(folder, lambda payload: _read_file(Path(folder), payload))


def keras_folder(subfolder: str) -> Source:
    """The files that `keras.datasets` has left in its cache.

    Args:
        subfolder: Their folder below `datasets` in the Keras home.

    Returns:
        The source.
    """
    return _folder_source(
        "the Keras cache", lambda payload: _read_file(_keras_datasets() / subfolder, payload)
    )


def keras_npz(file: str) -> Source:
    """The one archive of arrays that `keras.datasets.mnist` has left in its cache.

    Args:
        file: Its name in `datasets` in the Keras home.

    Returns:
        The source.
    """

    def read(payload: Payload) -> bytes:
        path = _keras_datasets() / file
        if not path.exists():
            raise AbsentError("not there")
        part, kind = payload.name.split("-")[:2]
        key = {"images": "x", "labels": "y"}[kind] + {"train": "_train", "t10k": "_test"}[part]
        try:
            with zipfile.ZipFile(path) as arrays, arrays.open(f"{key}.npy") as member:
                start = io.BytesIO(member.read(payload.size + 1024))
            data = format_idx(np.lib.format.read_array(start, allow_pickle=False))
        except _NOT_AN_ARCHIVE as error:
            raise PayloadError(f"{path} is not the archive that Keras saves ({error})") from error
        payload.verify(data, f"{key} in {path}")
        return data

    return _folder_source("the Keras cache", read)


def torchvision_folder(subfolder: str) -> Source:
    """The files that `torchvision.datasets` has left where its examples put them.

    Args:
        subfolder: Their folder below the `root` given to torchvision.

    Returns:
        The source.
    """

    def read(payload: Payload) -> bytes:
        for root in (Path("data"), _home() / "data", _home() / ".cache" / "torch"):
            try:
                return _read_file(root / subfolder, payload)
            except AbsentError:
                continue
        raise AbsentError("not there")

    return _folder_source("torchvision's folders", read)


def label(path: Path) -> str:
    """The path for people: relative to the repository where it lies inside.

    Args:
        path: A file or folder.

    Returns:
        The path with forward slashes.
    """
    path = path.absolute()
    inside = path.is_relative_to(REPOSITORY)
    return (path.relative_to(REPOSITORY) if inside else path).as_posix()


def _folder_source(name: str, read: Reader, in_place: bool = False) -> Source:
    @contextmanager
    def open_folder() -> Iterator[Reader]:
        yield read

    return Source(name, open_folder, in_place=in_place)


def _read_file(folder: Path, payload: Payload) -> bytes:
    """Reads the payload from the first of its raw and gzipped files that is in the folder."""
    for path in (folder / payload.name, folder / f"{payload.name}.gz"):
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise PayloadError(f"{label(path)} is not a file")
            with path.open("rb") as stream:
                return payload.read(stream, label(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PayloadError(f"{label(path)} cannot be read ({error.strerror})") from error
    raise AbsentError("not there")


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise SourceError("this user has no home folder") from error


def _keras_datasets() -> Path:
    try:
        home = expand(os.environ.get("KERAS_HOME") or "~/.keras")
    except InputError as error:
        raise SourceError("this user has no home folder") from error
    return home / "datasets"
