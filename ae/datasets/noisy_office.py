"""Finds the files of NoisyOffice in Kaggle's folders, in UCI's folders, or in a zip file of either.

Kaggle numbers the pages from 1 to 216. UCI's names describe them: FontABC_NoiseD_EE.png has the
clean original FontABC_Clean_EE.png. UCI has several clean versions under one name (binary, double
resolution), so a page may have several candidates.
"""

import errno
import io
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import urlsplit

from ae.datasets.downloads import reason, within
from ae.datasets.registry import SourceError
from ae.errors import InputError
from ae.paths import open_file
from ae.terminal import working

import pooch
from filelock import FileLock

DOWNLOAD_TIMEOUT = 3600  # seconds for 426 MB
LARGE = 100  # megabytes; a person is asked before more are downloaded
HTTP_TIMEOUT = (4, 60)  # seconds to connect, seconds between two packets
NUM_PAGES = 216
NOISES = {"coffee": "c", "folded": "f", "footprints": "p", "wrinkled": "w"}
FOLDERS = {"dirty_documents", "noisyoffice", "simulatednoisyoffice"}
MAX_MEMBER_BYTES = 100_000_000
MAX_INNER_ZIP_BYTES = 2_000_000_000
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)  # what damaged members raise


class Archive(NamedTuple):
    """A zip file on a network. No publisher gives a checksum; the pages have their own."""

    url: str
    megabytes: int

    @property
    def host(self) -> str:
        """Who has it, for people."""
        return urlsplit(self.url).netloc

    @property
    def file(self) -> str:
        """What it is called in the cache."""
        return self.url.rpartition("/")[2]


ARCHIVES = (  # the nearest to the article first: its author's, which has Kaggle's folders
    Archive(
        "https://github.com/mrdragonbear/Autoencoders/raw/"
        "74e2c01fb9f8a0da6ad93c55213dc9af22507922/noisy_docs_data.zip",
        36,  # of its pages; PNG files get no smaller in a zip file
    ),
    Archive("https://archive.ics.uci.edu/static/public/318/noisyoffice.zip", 426),
)


class PageFile(NamedTuple):
    """A file that may hold a page."""

    name: str  # the last part of its path
    label: str  # what error messages call it
    open: Callable[[], BinaryIO]


# The candidates for ("dirty" or "clean", index). The index is Kaggle's number minus one.
Candidates = dict[tuple[str, int], list[PageFile]]


def describe_page(index: int) -> dict[str, str]:
    """Describes the page of Kaggle's number `index` + 1, as the fields of `documents.Page` do.

    From 216 on, descriptions repeat.
    """
    index %= NUM_PAGES
    return {
        "size": "fLn"[index // 72],
        "font": "rst"[index % 72 // 24],
        "emphasis": "em"[index % 24 // 12],
        "noise": tuple(NOISES)[index % 12 // 3],
        "partition": ("TE", "TR", "VA")[index % 3],
    }


def page_names(size: str, font: str, emphasis: str, noise: str, partition: str) -> dict[str, str]:
    """Returns UCI's file names of a page and its original, under the keys "dirty" and "clean"."""
    return {
        "dirty": f"Font{size}{font}{emphasis}_Noise{NOISES[noise]}_{partition}.png",
        "clean": f"Font{size}{font}{emphasis}_Clean_{partition}.png",
    }


def kaggle_files(folder: Path) -> Candidates | None:
    """Finds the pages in a folder that contains Kaggle's train, train_cleaned and test.

    Each page has one candidate, which may not exist. None means a folder of another kind.
    """
    if not (folder / "train_cleaned").exists() and not (folder / "train" / "2.png").exists():
        return None
    return {key: [_page_file(folder / name)] for key, name in _kaggle_names().items()}


def uci_files(folder: Path) -> Candidates | None:
    """Finds the pages by UCI's names, anywhere below a folder that has a name of `FOLDERS`.

    It may be `folder` itself or lie in it. None means that there is no such folder or page.
    """
    roots = [folder] if folder.name.lower() in FOLDERS else []
    if not roots and folder.is_dir():
        roots = [child for child in folder.iterdir() if child.name.lower() in FOLDERS]
    paths = sorted(path for root in roots for path in root.rglob("Font*_*_*.png"))
    return _by_page(map(_page_file, paths)) if paths else None


@contextmanager
def zip_files(path: Path) -> Iterator[Candidates]:
    """Opens a zip file of Kaggle's folders, or UCI's with the zip file inside it.

    Members are read in memory only.

    The candidates of each page can be opened until the context ends.
    """
    with ExitStack() as stack:
        try:
            archive = zipfile.ZipFile(stack.enter_context(open_file(path)))
            members = [(archive, info) for info in archive.infolist()]
            inner = [info for info in archive.infolist() if info.filename.lower().endswith(".zip")]
            if inner and inner[0].file_size <= MAX_INNER_ZIP_BYTES:
                copy = stack.enter_context(tempfile.TemporaryFile())
                with archive.open(inner[0]) as file:
                    shutil.copyfileobj(file, copy)
                inner_archive = zipfile.ZipFile(copy)
                members += [(inner_archive, info) for info in inner_archive.infolist()]
        except (OSError, *ZIP_ERRORS) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise InputError(
                    f"{path} cannot be unpacked because {tempfile.gettempdir()} is full; make room "
                    "there, or name another folder in TMPDIR."
                ) from error
            raise InputError(
                f"{path} cannot be read as a zip file ({error}); delete it and it is fetched again."
            ) from error
        files = {
            info.filename: PageFile(
                info.filename.rpartition("/")[2],
                f"{info.filename} in {path}",
                partial(_open_member, owner, info),
            )
            for owner, info in members
        }
        numbered = {"/".join(name.split("/")[-2:]): file for name, file in files.items()}
        if "train_cleaned/2.png" in numbered:
            yield {key: [numbered[n]] for key, n in _kaggle_names().items() if n in numbered}
        else:
            yield _by_page(files.values())


def archive_in(folder: Path) -> Path:
    """Returns the path of an archive in the folder, which is downloaded if none is there.

    Raises:
        SourceError: no archive could be downloaded; the text has the reason for each.
    """
    for archive in ARCHIVES:
        if (folder / archive.file).exists():
            return folder / archive.file
    failures = []
    for archive in ARCHIVES:
        try:
            fetch_zip(archive, folder / archive.file)
            return folder / archive.file
        except (OSError, SourceError) as error:
            failures.append(f"{archive.host} ({reason(error)})")
    raise SourceError(", ".join(failures))


def _agreed(archive: Archive) -> bool:
    """Asks the person at the terminal, if there is one, before a large download."""
    if archive.megabytes <= LARGE or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"Download {archive.megabytes} MB from {archive.host}? [y/N] ", end="", file=sys.stderr)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def fetch_zip(archive: Archive, path: Path) -> None:
    """Downloads an archive. The file appears when it is complete.

    If several processes want it, one downloads and the others wait. A SourceError says that the
    host takes too long or sends something else, or that the user does not want it.
    """
    if not _agreed(archive):
        raise SourceError("you did not want it")
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=HTTP_TIMEOUT)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(path.with_name(f".{path.name}.lock")),
        # An incomplete download disappears with its folder, even after Ctrl-C.
        tempfile.TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as folder,
    ):
        if path.exists():
            return
        pooch.get_logger().setLevel("WARNING")  # it would say the same in a longer line
        where = {"fname": path.name, "path": folder, "downloader": downloader}
        with working(f"fetching the scans, {archive.megabytes} MB, from {archive.host}"):
            within(DOWNLOAD_TIMEOUT, lambda: pooch.retrieve(archive.url, known_hash=None, **where))
        unchecked = Path(folder, path.name)
        if not zipfile.is_zipfile(unchecked):
            raise SourceError("what was sent is no zip file")
        unchecked.replace(path)


def _kaggle_names() -> dict[tuple[str, int], str]:
    """Returns Kaggle's file for each key of `Candidates`, with its folder."""
    names = {}
    for index in range(NUM_PAGES):
        is_test = describe_page(index)["partition"] == "TE"
        places = {"dirty": "test"} if is_test else {"dirty": "train", "clean": "train_cleaned"}
        for kind, place in places.items():
            names[kind, index] = f"{place}/{index + 1}.png"
    return names


def _page_file(path: Path) -> PageFile:
    return PageFile(path.name, str(path), partial(open_file, path))


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    if info.file_size > MAX_MEMBER_BYTES:
        raise OSError(f"it unpacks to {info.file_size:,} bytes")
    try:
        return io.BytesIO(archive.read(info))
    except ZIP_ERRORS as error:
        raise OSError(str(error)) from error


def _by_page(files: Iterable[PageFile]) -> Candidates:
    """Groups files by the page that they are named after; other resolutions come last."""
    by_name = defaultdict(list)
    for file in sorted(files, key=lambda file: "double" in file.label or "binary" in file.label):
        by_name[file.name].append(file)
    return {
        (kind, index): by_name[name]
        for index in range(NUM_PAGES)
        for kind, name in page_names(**describe_page(index)).items()
    }
