"""A plugin of OCRmyPDF that cleans what Tesseract reads; the pages themselves stay as they are.

    ocrmypdf --plugin ae.cleaning.ocrmypdf_plugin IN.pdf OUT.pdf

OCRmyPDF's own `--remove-background` raises NotImplementedError since version 13.
"""

import functools

from ae.cleaning import cleaners
from ae.cleaning.page import restore

import numpy as np
from ocrmypdf import hookimpl
from PIL import Image


@functools.cache
def _network():
    return cleaners.pretrained("ours", threads=1)  # OCRmyPDF itself works on pages side by side


@hookimpl
def filter_ocr_image(page, image):
    """Returns the cleaned page, grey, at its own resolution."""
    pixels = np.array(image.convert("L"))
    cleaned, _ = restore(pixels, _network(), image.info.get("dpi", (None,))[0])
    result = Image.fromarray(cleaned)
    result.info["dpi"] = image.info.get("dpi")
    return result
