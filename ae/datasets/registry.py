"""What `data/registry.json` pins: each data set's files, their checksums, and who has them."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ae.datasets.idx import parse_idx
from ae.paths import DATA

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_OVERHEAD = 1024  # bytes; more than gzip can add to data that does not compress


class SourceError(Exception):
    """A source that cannot give a payload; the next one is asked."""


class PayloadError(SourceError):
    """Bytes that are not the payload they should be."""

    def __init__(self, problem: str, sha256: str | None = None):
        super().__init__(problem)
        self.sha256 = sha256


@dataclass(frozen=True)
class Payload:
    """One file of a data set, as it is when uncompressed."""

    name: str
    size: int  # bytes
    sha256: str

    def read(self, stream: BinaryIO, file: str) -> bytes:
        """Reads and verifies the payload, gzipped or not.

        Never holds more than the pinned size and one byte of uncompressed data.

        Args:
            stream: A binary stream at the start of the file.
            file: What to call the file when something is wrong with it.

        Returns:
            The uncompressed bytes, whose sha256 is the pinned one.

        Raises:
            PayloadError: If the stream holds anything else.
        """
        data = stream.read(self.size + _GZIP_OVERHEAD)
        if data.startswith(_GZIP_MAGIC):
            try:
                with gzip.open(io.BytesIO(data)) as unzipped:
                    data = unzipped.read(self.size + 1)
            except EOFError as error:
                raise PayloadError(f"{file} is a truncated gzip file") from error
            except (OSError, zlib.error) as error:
                raise PayloadError(f"{file} is a damaged gzip file ({error})") from error
        self.verify(data, file)
        return data

    def verify(self, data: bytes, file: str) -> None:
        """Checks that these bytes are the payload.

        Args:
            data: Uncompressed bytes; a surplus may be cut off after its first byte.
            file: What to call the file when something is wrong with it.

        Raises:
            PayloadError: If they are not; the text names the likeliest reason.
        """
        if not data:
            raise PayloadError(f"{file} is empty")
        if data[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
            raise PayloadError(f"{file} is a web page, not data")
        if len(data) > self.size:
            raise PayloadError(f"{file} holds more than the expected {self.size} bytes")
        try:
            parse_idx(data)
        except ValueError as error:
            raise PayloadError(f"{file} {error}") from error
        if len(data) != self.size:
            raise PayloadError(f"{file} holds {len(data)} bytes instead of {self.size}")
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != self.sha256:
            raise PayloadError(
                f"{file} has the sha256 checksum {sha256[:12]}... instead of {self.sha256[:12]}...",
                sha256,
            )


Reader = Callable[[Payload], bytes]


@dataclass(frozen=True)
class Source:
    """One place to get payloads from.

    `open` prepares the place, gives a function that returns the verified bytes of a payload
    or raises, and tidies up when the `with` block ends.
    """

    name: str  # for people
    open: Callable[[], AbstractContextManager[Reader]]
    remote: bool = False  # reached over a network: says so, and is left at its first failure
    in_place: bool = False  # the cache needs no copy of what it gives


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


def load_registry(path: Path = DATA / "registry.json") -> dict[str, DataSet]:
    """Reads the registry of data sets.

    Args:
        path: The JSON file.

    Returns:
        The data sets by name.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    owners = {
        pinned["sha256"]: entry["title"]
        for entry in entries.values()
        for pinned in entry["payloads"].values()
    }
    return {
        name: DataSet(
            name=name,
            title=entry["title"],
            class_names=tuple(entry["class_names"]),
            payloads=tuple(Payload(file, **pin) for file, pin in entry["payloads"].items()),
            subfolders=tuple(entry["subfolders"]),
            sources=entry["sources"],
            namesakes={key: title for key, title in owners.items() if title != entry["title"]},
        )
        for name, entry in entries.items()
    }
