"""The lock file and the list of licences belong to the requirements beside them."""

import re

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


@pytest.mark.parametrize(
    "file",
    [f"requirements{part}.txt" for part in ("", "-imgaug", "-export", "-dev")],
)
def test_the_lock_file_meets_the_requirements(file):
    text = re.sub(r"#.*", "", (REPOSITORY / file).read_text(encoding="utf-8"))
    for line in filter(None, map(str.strip, text.splitlines())):
        requirement = Requirement(line)
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
