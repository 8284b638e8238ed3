"""The lock file, the list of licences and the package belong to the requirements beside them."""

import json
import re
import shutil
import subprocess
import sys

import ae
from ae.paths import REPOSITORY

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

TESTED_ON = default_environment() | {
    "python_version": "3.11",
    "platform_machine": "x86_64",
    "sys_platform": "linux",
}
LOCK = (REPOSITORY / "requirements-lock.txt").read_text(encoding="utf-8")
LOCKED = {
    canonicalize_name(name): Version(version)
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ]+)", LOCK, re.MULTILINE)
}


def required(file):
    text = re.sub(r"#.*", "", (REPOSITORY / file).read_text(encoding="utf-8"))
    return [Requirement(line) for line in filter(None, map(str.strip, text.splitlines()))]


@pytest.mark.parametrize(
    "file",
    [f"requirements{part}.txt" for part in ("", "-imgaug", "-export", "-ocr", "-dev")],
)
def test_the_lock_file_meets_the_requirements(file):
    for requirement in required(file):
        if requirement.marker is None or requirement.marker.evaluate(TESTED_ON):
            assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_file_is_pinned_by_its_hash_and_comes_from_nowhere_in_particular():
    entries = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(LOCKED)
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in LOCK
    assert "index" not in re.sub(r"^[^ ]*==", "", LOCK)


def test_every_package_s_licence_is_listed():
    lines = (REPOSITORY / "data" / "licences.txt").read_text(encoding="utf-8").splitlines()[1:]
    listed = {canonicalize_name(line.split()[0]) for line in lines if line.strip()}
    assert listed == set(LOCKED)


READ = """
import json, setuptools
one = setuptools.Distribution()
one.parse_config_files()
print(json.dumps([
    one.metadata.version, str(one.python_requires), one.packages,
    one.install_requires, one.extras_require,
]))
"""


def test_the_package_is_what_the_requirements_say():
    command = [sys.executable, "-W", "ignore", "-c", READ]  # setuptools patches what it imports
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    version, python, packages, needs, extras = json.loads(done.stdout)
    assert version == ae.__version__
    (line,) = re.findall("^# python (.*)", (REPOSITORY / "requirements.txt").read_text(), re.M)
    assert set(python.split(",")) == set(line.split(","))
    folders = [f.parent for top in ("ae", "tutorials") for f in (REPOSITORY / top).rglob("*.py")]
    inside = {".".join(folder.relative_to(REPOSITORY).parts) for folder in folders}
    assert set(packages) == inside
    for name in ("export", "ocr"):
        found = extras.pop(name)
        assert set(map(Requirement, found)) == set(required(f"requirements-{name}.txt"))
    marked = [f"{need} ; {marker[1:]}" for marker, each in extras.items() for need in each]
    assert set(map(Requirement, [*needs, *marked])) == set(required("requirements.txt"))


def test_packages_without_the_checkout_s_data_say_what_to_do(tmp_path):
    shutil.copytree(REPOSITORY / "ae", tmp_path / "ae", ignore=lambda *_: ["__pycache__"])
    command = [sys.executable, "-c", "import ae"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"{tmp_path} holds the packages without the folder data")
    assert "`make install`" in done.stderr
