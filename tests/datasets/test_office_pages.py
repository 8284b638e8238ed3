"""Generated office pages, which our page cleaner trains on."""

from ae.datasets import office_pages
from ae.datasets.office_pages import generate_office_page

import numpy as np

PAGES = [generate_office_page(np.random.default_rng(seed)) for seed in range(40)]
USUAL = [(dirty, clean) for dirty, clean in PAGES if np.median(clean) == 255]  # not in negative


def test_a_page_and_its_original_have_the_size_that_was_asked_for():
    for page in generate_office_page(np.random.default_rng(0), height=200, width=310):
        assert page.shape == (200, 310)
        assert page.dtype == np.uint8


def test_the_seed_decides():
    again = [generate_office_page(np.random.default_rng(seed)) for seed in (3, 4)]
    for seed, pages in zip((3, 4), again, strict=True):
        for page, expected in zip(pages, PAGES[seed], strict=True):
            np.testing.assert_array_equal(page, expected)
    assert not np.array_equal(again[0][1], again[1][1])


def test_most_paper_is_white_on_the_original_and_not_on_the_dirty_page():
    assert len(USUAL) >= 30
    papers = [np.median(dirty[clean == 255]) for dirty, clean in USUAL]
    assert min(papers) < 160
    assert np.median(papers) < 245
    assert len(USUAL) < len(PAGES)  # some pages are white on black


def test_what_is_dark_on_the_original_is_darker_than_the_paper_on_the_page():
    for dirty, clean in USUAL:
        if (clean < 60).sum() > 500:
            assert np.median(dirty[clean < 60]) < 0.75 * np.median(dirty[clean == 255])


def test_there_is_black_print_and_faint_print(monkeypatch):
    """Black print becomes black; faint print stays grey, and is darker than on the page."""
    for block in ("_bar", "_wedge", "_picture"):
        monkeypatch.setattr(office_pages, block, office_pages._paragraph)
    pages = [generate_office_page(np.random.default_rng(seed)) for seed in range(40)]
    pages = [(dirty, clean) for dirty, clean in pages if np.median(clean) == 255]
    darkest = np.array([clean.min() for _, clean in pages])
    assert (darkest == 0).sum() >= 15
    faint = [pages[i] for i in np.flatnonzero(darkest > 20)]
    assert faint
    for dirty, clean in faint:
        assert clean.min() < np.median(dirty[clean == clean.min()])


def test_there_are_areas_that_a_median_takes_for_paper():
    wide = 0
    for _, clean in USUAL:
        rows = (clean < 60).reshape(clean.shape[0] // 8, 8, clean.shape[1] // 8, 8)
        wide += rows.all(axis=(1, 3)).sum() > 20
    assert wide >= 5
