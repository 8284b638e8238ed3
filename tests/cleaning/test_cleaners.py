import subprocess
import sys

from ae.cleaning import cleaners
from ae.cleaning.page import clean_in_tiles
from ae.paths import REPOSITORY

import drawn_pages
import numpy as np
import pytest
from PIL import Image

PAGE = drawn_pages.on_cloudy_paper(drawn_pages.text(100), 100)


def saved(name):
    return (cleaners.PRETRAINED / cleaners.NETWORKS[name]).is_file()


EACH = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.skipif(not saved(name), reason=f"no {file} in data/pretrained")
        )
        for name, file in cleaners.NETWORKS.items()
    ],
)


@pytest.fixture
def without_onnx_runtime(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)


@EACH
def test_onnx_runtime_and_tensorflow_clean_alike(name, request):
    pytest.importorskip("onnxruntime")
    first = clean_in_tiles(PAGE, cleaners.pretrained(name, threads=2))
    request.getfixturevalue("without_onnx_runtime")
    second = clean_in_tiles(PAGE, cleaners.pretrained(name))
    assert abs(first.astype(int) - second).max() <= 1
    assert np.median(first) >= 250  # and they do clean


@EACH
def test_no_file_of_a_network_has_more_than_its_numbers_may_take(name):
    """They lie in the repository: 32 bits a number, and little else."""
    import onnx

    path = cleaners.PRETRAINED / cleaners.NETWORKS[name]
    weights = onnx.load(path).graph.initializer
    numbers = sum(int(np.prod(weight.dims)) for weight in weights)
    assert path.stat().st_size < 4 * numbers + 20_000


CLEAN = """
import sys
{before}
from tutorials.__main__ import main
code = main(["clean", {source!r}, "-o", {target!r}])
print("tensorflow" in sys.modules, "keras" in sys.modules)
sys.exit(code)
"""


def cleaned_in_a_process(tmp_path, before=""):
    Image.fromarray(PAGE).save(tmp_path / "page.png")
    names = {name: str(tmp_path / f"{name}.png") for name in ("page", "clean")}
    script = CLEAN.format(before=before, source=names["page"], target=names["clean"])
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with Image.open(names["clean"]) as picture:
        assert np.median(np.array(picture)) >= 250
    return done.stdout.splitlines()[-1]


def test_cleaning_does_without_tensorflow(tmp_path):
    """Which would take seconds to start."""
    pytest.importorskip("onnxruntime")
    assert cleaned_in_a_process(tmp_path) == "False False"


def test_cleaning_does_where_tensorflow_is_missing(tmp_path):
    pytest.importorskip("onnxruntime")
    before = "sys.modules.update(tensorflow=None, keras=None)"
    assert cleaned_in_a_process(tmp_path, before) == "True True"


def test_cleaning_does_where_onnx_runtime_is_missing(tmp_path):
    before = 'sys.modules["onnxruntime"] = None'
    assert cleaned_in_a_process(tmp_path, before) == "True True"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_changes_no_page(threads):
    pytest.importorskip("onnxruntime")
    usual = clean_in_tiles(PAGE, cleaners.pretrained("ours"))
    page = clean_in_tiles(PAGE, cleaners.pretrained("ours", threads))
    assert abs(page.astype(int) - usual).max() <= 1
