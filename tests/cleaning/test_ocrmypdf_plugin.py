import os
import shutil
import subprocess
import sys

from ae.paths import REPOSITORY

import drawn_pages
import numpy as np
import pikepdf
import pytest
from PIL import Image

pytest.importorskip("ocrmypdf")
needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="no tesseract")


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_tesseract_reads_the_cleaned_page(mode):
    from ae.cleaning.ocrmypdf_plugin import filter_ocr_image

    page = drawn_pages.on_cloudy_paper(drawn_pages.text(150), 150)
    image = Image.fromarray(page).convert(mode, dither=Image.Dither.NONE)
    image.info["dpi"] = (150, 150)
    before = np.array(image)
    cleaned = filter_ocr_image(page=None, image=image)
    assert (cleaned.mode, cleaned.size) == ("L", image.size)
    assert cleaned.info["dpi"] == (150, 150)
    assert np.median(cleaned) >= 250
    np.testing.assert_array_equal(image, before)


def test_a_page_of_unknown_resolution_is_cleaned_too():
    from ae.cleaning.ocrmypdf_plugin import filter_ocr_image

    image = Image.fromarray(drawn_pages.on_cloudy_paper(drawn_pages.text(100), 100))
    assert np.median(filter_ocr_image(page=None, image=image)) >= 250


def text_of(path):
    from pdfminer.high_level import extract_text

    return extract_text(path).lower()


@needs_tesseract
def test_ocrmypdf_finds_the_words_and_leaves_the_page_as_it_is(tmp_path):
    drawn = drawn_pages.text(150, heading=False)
    page = Image.fromarray(drawn_pages.on_cloudy_paper(drawn, 150))
    source, out = tmp_path / "in.pdf", tmp_path / "out.pdf"
    page.save(source, resolution=150)
    command = [sys.executable, "-m", "ocrmypdf", "--plugin", "ae.cleaning.ocrmypdf_plugin"]
    done = subprocess.run(
        [*command, "--output-type", "pdf", "--force-ocr", source, out],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    assert done.returncode == 0, done.stderr
    words = text_of(out)
    for word in ("handwritten", "database", "language", "sentences"):
        assert word in words
    with pikepdf.open(out) as document:
        assert len(document.pages) == 1
        (raw,) = document.pages[0].get_images().values()
        shown = np.array(pikepdf.PdfImage(raw).as_pil_image().convert("L"))
    assert np.median(shown) == pytest.approx(np.median(np.array(page)), abs=5)
