import os

from ae import report

import pytest
from filelock import FileLock
from running import LESSONS, NAMES


@pytest.fixture(scope="session")
def pages(smoke, tmp_path_factory):
    """The report of a smoke run of each lesson, which all workers share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "pages.lock"):
        if not (folder / "pages").is_dir():
            report.write(LESSONS, {name: smoke(name) for name in NAMES}, folder / "pages")
    return folder / "pages"
