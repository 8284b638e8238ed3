import dataclasses
import os
import shutil

from ae import report

import pytest
from filelock import FileLock
from playwright.sync_api import Error, sync_playwright
from running import LESSONS, NAMES, lesson, run


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


@pytest.fixture(scope="session")
def taught(tmp_path_factory):
    """Writes the page of a run of tiny_ae over five epochs, with a test's own texts."""
    folder = tmp_path_factory.mktemp("taught")
    assert run("tiny_ae", "--preset", "smoke", "--epochs", "5", "--out", folder / "run") == 0

    def write(**texts):
        a_lesson = dataclasses.replace(lesson("tiny_ae"), **texts)
        report.write([a_lesson], {"tiny_ae": folder / "run"}, folder / "report")
        return folder / "report" / "tiny_ae.html"

    return write


@pytest.fixture(scope="module")
def browser():
    """Starts a browser without a window, or skips where there is none."""
    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=installed, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        except Error:
            pytest.skip("no browser: install Debian's chromium to test the report in one")
        yield browser
        browser.close()


@pytest.fixture
def open_file(browser):
    """Opens a page of a report; what the browser complains of fails the test at its end."""
    complaints = []
    contexts = []

    def open_file(path, width=1400, height=900, fragment="", **options):
        viewport = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(path.as_uri() + fragment)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert complaints == []
