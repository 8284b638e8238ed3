"""Ways to clean pages, on pages for which the answer is known."""

from ae.datasets.documents import Page
from ae.maintain import ways_to_clean
from ae.runs.records import write_json

import numpy as np
import pytest

RNG = np.random.default_rng(0)


def a_page(noise="coffee", size=(96, 120), shade=None):
    """Dark dots on white, seen through a shade: what is multiplied by it is dirty."""
    clean = np.where(RNG.random(size) < 0.1, 0, 255).astype(np.uint8)
    shade = 0.8 if shade is None else shade
    dirty = np.rint(clean * np.broadcast_to(shade, size)).astype(np.uint8)
    return Page("made", dirty, clean, "n", "r", "m", noise, "TR")


def rmse(pages, way):
    squared = [np.mean((way(page.dirty) / 255.0 - page.clean / 255.0) ** 2) for page in pages]
    return np.sqrt(np.mean(squared))


@pytest.fixture(autouse=True)
def _no_tesseract(monkeypatch):
    monkeypatch.setattr(ways_to_clean.readability, "error_rates", lambda *_: None)


def test_errors_are_of_all_pages_and_of_each_kind_of_dirt():
    pages = [a_page("coffee", shade=0.8), a_page("folded", shade=0.5)]
    (row,) = ways_to_clean.measure({"nothing": lambda page: page}, pages)
    assert row["rmse"] == pytest.approx(rmse(pages, lambda page: page))
    assert row["coffee"] == pytest.approx(rmse(pages[:1], lambda page: page))
    assert row["folded"] == pytest.approx(rmse(pages[1:], lambda page: page))
    assert row["misread"] is None


def test_the_clean_page_itself_has_no_error():
    page = a_page()
    (row,) = ways_to_clean.measure({"perfect": lambda _: page.clean}, [page])
    assert row["rmse"] == 0
    assert row["ssim"] == pytest.approx(1)


def test_a_page_over_its_median_loses_an_even_shade():
    slope = np.linspace(0.5, 1, 120)
    page = a_page(shade=slope)
    ways = ways_to_clean.classical([page])
    assert rmse([page], ways["over its median"]) < 0.05 < rmse([page], ways["nothing"])


def test_thresholds_give_black_and_white():
    ways = ways_to_clean.classical([a_page()])
    for name in ("Sauvola", "OpenCV, adaptive"):
        assert set(np.unique(ways[name](a_page().dirty))) <= {0, 255}


def test_no_other_curve_has_a_smaller_error_on_the_pages_it_was_fitted_to(monkeypatch):
    page = a_page(shade=0.8)
    noisy = np.clip(page.dirty + RNG.integers(-9, 10, page.dirty.shape), 0, 255).astype(np.uint8)
    pages = [Page("made", noisy, page.clean, "n", "r", "m", "coffee", "TR")]
    curve = ways_to_clean.tone_curve(pages)
    way = ways_to_clean.classical(pages)["over its median, tone curve"]
    least = rmse(pages, way)
    for grey in range(0, 256, 16):
        for step in (-8, 8):
            other = curve.astype(int)
            other[grey : grey + 16] = np.clip(other[grey : grey + 16] + step, 0, 255)
            monkeypatch.setattr(ways_to_clean, "tone_curve", lambda _, o=other: o.astype(np.uint8))
            worse = ways_to_clean.classical(pages)["over its median, tone curve"]
            assert rmse(pages, worse) >= least - 1e-4


def test_the_table_has_a_row_for_each_way_and_fold(tmp_path, monkeypatch):
    kinds = {"coffee": 0.1, "folded": 0.2, "footprints": 0.3, "wrinkled": 0.4}
    row = {"way": "ours", "rmse": 0.0214, **kinds, "ssim": 0.9876, "misread": 0.123}
    folds = {
        "text": {"rows": [{**row, "way": "nothing", "misread": None}, row]},
        "article": {"rows": [{**row, "way": "the article's network"}]},
        "exchanged": {"rows": [row]},
        "coffee": {"rows": [{"way": "ours", "rmse": 0.5, "coffee": 0.5, "ssim": 0.9}]},
    }
    path = write_json(tmp_path / "cleaners.json", {"folds": folds})
    monkeypatch.setattr(ways_to_clean, "RESULTS", path)
    lines = ways_to_clean.table().splitlines()
    assert lines[0] == "| way | RMSE | coffee | folded | footprints | wrinkled | SSIM | misread |"
    assert lines[2] == "| nothing | 0.021 | 0.100 | 0.200 | 0.300 | 0.400 | 0.988 |  |"
    assert lines[3].startswith("| the article's network | 0.021 |")
    assert lines[4].endswith("| 0.988 | 12.3% |")
    assert lines[5].startswith("| ours, texts exchanged | 0.021 |")
    assert lines[6] == "| ours, never saw this kind of dirt |  | 0.500 |  |  |  |  |  |"
