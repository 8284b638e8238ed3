"""The sources that are folders: the user's, the cache, and what other software has left."""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ae.datasets.idx import format_idx
from ae.datasets.registry import DataSet, Payload, PayloadError, Source, SourceError
from ae.errors import InputError
from ae.paths import REPOSITORY, open_file

import numpy as np


def data_folder(folder: Path, data_set: DataSet, required: bool = False) -> Source:
    """Looks in a folder that the user named. A damaged file there is the user's to replace.

    Raises:
        InputError: the folder is `required` to have the data set, and has no file of it.
    """
    places = [*(folder / subfolder for subfolder in data_set.subfolders), folder]
    archives = [place / file for place in places for file in data_set.sources.get("keras_npz", [])]
    files = [path for payload in data_set.payloads for path in _files(places, payload)]
    if required and not any(path.exists() and not path.is_dir() for path in (*files, *archives)):
        names = ", ".join(payload.name for payload in data_set.payloads)
        raise InputError(
            f"{folder} has no file of {data_set.title}; put {names} there, or leave --data-dir out."
        )

    def read(payload: Payload) -> bytes:
        try:
            try:
                return _read_file(places, payload, data_set.namesakes)
            except SourceError as error:
                there = [path for path in archives if path.is_file()]
                if isinstance(error, PayloadError) or not there:
                    raise
                return _read_npz(there[0], payload)
        except PayloadError as error:
            raise InputError(
                f"{error}; put a good copy of {data_set.title}'s {payload.name} in its place, "
                "or delete it to have it fetched."
            ) from error

    return Source(_label(folder), read, in_place=True)


def cache_folder(folder: Path) -> Source:
    """Looks in a data set's folder in the cache. A damaged file there is fetched again."""

    def read(payload: Payload) -> bytes:
        try:
            return _read_file([folder], payload)
        except PayloadError as error:
            notify(f"{error}; looking for a good copy.")
            raise

    return Source(_label(folder.parent), read, in_place=True)


def debian_folder(folder: str) -> Source:
    """Looks where a Debian package puts its files."""
    return Source(folder, lambda payload: _read_file([Path(folder)], payload))


def keras_folder(subfolder: str) -> Source:
    """Looks for the files that `keras.datasets` has left in a subfolder of its cache."""

    def read(payload: Payload) -> bytes:
        return _read_file([_keras_datasets() / subfolder], payload)

    return Source("the Keras cache", read)


def keras_npz(file: str) -> Source:
    """Looks in the archive of arrays that `keras.datasets.mnist` has left in its cache."""
    return Source("the Keras cache", lambda payload: _read_npz(_keras_datasets() / file, payload))


def torchvision_folder(subfolder: str) -> Source:
    """Looks where torchvision's examples put its files, by the `root` that they give to it."""

    def read(payload: Payload) -> bytes:
        roots = Path("data"), Path.home() / "data", Path.home() / ".cache" / "torch"
        return _read_file([root / subfolder for root in roots], payload)

    return Source("torchvision's folders", read)


def notify(text: str) -> None:
    """Tells the user something about the data, on standard error."""
    print(f"ae: {text}", file=sys.stderr)


def _read_file(
    folders: Iterable[Path], payload: Payload, namesakes: Mapping[str, str] | None = None
) -> bytes:
    """Reads the first file of the payload's name, raw or gzipped, that is not a namesake."""
    problem = "not there"
    for path in _files(folders, payload):
        try:
            with open_file(path) as stream:
                return payload.read(stream, _label(path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise PayloadError(f"{_label(path)} cannot be read ({error.strerror})") from error
        except PayloadError as error:
            if not namesakes or error.sha256 not in namesakes:
                raise
            problem = f"{path.parent} holds {namesakes[error.sha256]} instead"
    raise SourceError(problem)


def _files(folders: Iterable[Path], payload: Payload) -> Iterator[Path]:
    """Yields where a payload may lie: as published, as 7-Zip names it, in a folder of its name."""
    for folder in folders:
        for name in (payload.name, payload.name.replace("-idx", ".idx")):
            inside = folder / name / name
            yield inside if inside.is_file() else folder / name
            yield folder / f"{name}.gz"


def _read_npz(path: Path, payload: Payload) -> bytes:
    """Reads the payload from the archive of arrays that `keras.datasets.mnist` saves."""
    part, kind = payload.name.split("-")[:2]
    key = {"images": "x", "labels": "y"}[kind] + {"train": "_train", "t10k": "_test"}[part]
    try:
        with open_file(path) as archive, np.load(archive) as arrays:
            data = format_idx(arrays[key])
    except FileNotFoundError as error:
        raise SourceError("not there") from error
    except Exception as error:  # NumPy raises errors of many kinds for a damaged archive
        raise PayloadError(f"{path} is not the archive that Keras saves ({error})") from error
    return payload.read(io.BytesIO(data), f"{key} in {path}")


def _label(path: Path) -> str:
    """Shortens a path in the repository to one relative to it."""
    path = path.absolute()
    inside = path.is_relative_to(REPOSITORY)
    return (path.relative_to(REPOSITORY) if inside else path).as_posix()


def _keras_datasets() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
