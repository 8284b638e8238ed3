"""Cleans the scans in a PDF: its pictures are replaced, and all else stays."""

import io
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

from ae.cleaning import scans
from ae.errors import InputError

from PIL import Image

SMALLEST = 0.05  # share of a page's pixels, at 100 dots an inch, that make a picture a scan


def clean_pdf(
    source: Path | bytes, name: str, target: Path | BinaryIO, clean: Callable, note: str = ""
) -> tuple[int, int]:
    """Writes a PDF whose scanned pages are cleaned; its text, links and page sizes stay.

    Args:
        clean: from a `Sheet`, and what messages call it, to a cleaned sheet.
        note: what `scans.note_of` is to return of the file; ASCII.

    Returns:
        The number of scanned pages, and that of pictures that stay as they are because they are
        small or transparent.
    """
    pikepdf = _pikepdf(name)
    done, others = set(), set()
    with _opened(pikepdf, source, name) as document, scans.output(target) as file:
        for number, page in enumerate(document.pages, start=1):
            left, bottom, right, top = map(float, page.mediabox)
            inches = (right - left) / 72, (top - bottom) / 72
            where = f"{name}, page {number}"
            for raw in _images(page):
                if raw.objgen in done:
                    continue
                if not _is_scan(raw, *inches):
                    others.add(raw.objgen)
                    continue
                done.add(raw.objgen)
                sheet = _read(pikepdf, raw, inches, where)
                image = scans.image_of(clean(sheet, where))
                if image != scans.image_of(sheet):
                    _replace(pikepdf, raw, image, scans.quality_of(sheet))
        if not done:
            raise InputError(f"{name} holds no scanned page, so there is nothing to clean.")
        document.docinfo["/Producer"] = scans.signature(note)
        document.save(file)
    return len(done), len(others - done)


def _pikepdf(name: str) -> Any:
    try:
        import pikepdf
    except ImportError as error:
        raise InputError(f"{name}: PDF needs the package pikepdf; pip install pikepdf.") from error
    return pikepdf


def _opened(pikepdf: Any, source: Path | bytes, name: str) -> Any:
    try:
        return pikepdf.open(source if isinstance(source, Path) else io.BytesIO(source))
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}; check the name.") from error
    except pikepdf.PasswordError as error:
        raise InputError(f"{name} has a password; save it without one.") from error
    except pikepdf.PdfError as error:
        reason = str(error).removeprefix(f"{source}: ").rpartition(">: ")[2]  # of a stream
        raise InputError(f"{name} cannot be read ({reason}); replace it by a good copy.") from error


def _images(page: Any) -> Iterable[Any]:
    """Lists a page's pictures; an older pikepdf does not find those within its forms."""
    return (page.get_images() if hasattr(page, "get_images") else page.images).values()


def _is_scan(raw: Any, width: float, height: float) -> bool:
    """Says whether a picture on a page of so many inches is large enough, and opaque."""
    enough = int(raw.Width) * int(raw.Height) > SMALLEST * 1e4 * width * height
    return enough and not raw.get("/ImageMask") and "/SMask" not in raw


def _read(pikepdf: Any, raw: Any, inches: tuple[float, float], name: str) -> scans.Sheet:
    with scans.in_one_sentence(name):
        image = pikepdf.PdfImage(raw).as_pil_image()
        image.getexif().pop(scans.ORIENTATION, None)  # a PDF's reader does not heed it
        image.info["dpi"] = int(raw.Width) / inches[0], int(raw.Height) / inches[1]
        return scans.sheet_of(image, name)


def _replace(pikepdf: Any, raw: Any, image: Image.Image, quality: dict[str, Any]) -> None:
    """Replaces a picture by one of a kind that is as small: a fax, JPEG, JPEG 2000 or lossless."""
    width, height = image.size
    filters = pikepdf.PdfImage(raw).filters
    parameters = None
    data = io.BytesIO()
    if image.mode == "1":
        strip_size = -(-width // 8) * height  # all in one
        image.save(data, "TIFF", compression="group4", strip_size=strip_size)
        data = data.getvalue()[8:]  # what follows the header of a TIFF
        method = pikepdf.Name.CCITTFaxDecode
        parameters = pikepdf.Dictionary(K=-1, BlackIs1=True, Columns=width, Rows=height)
    elif "/DCTDecode" in filters:
        image.save(data, "JPEG", **quality)
        data, method = data.getvalue(), pikepdf.Name.DCTDecode
    elif "/JPXDecode" in filters:
        rate = max(1, len(image.tobytes()) / len(raw.read_raw_bytes()))
        rates = {"quality_mode": "rates", "quality_layers": [rate]}
        image.save(data, "JPEG2000", irreversible=True, **rates)
        data, method = data.getvalue(), pikepdf.Name.JPXDecode
    else:
        data, method = zlib.compress(image.tobytes(), 9), pikepdf.Name.FlateDecode
    for key in ("/Decode", "/DecodeParms", "/Intent", "/Mask"):
        if key in raw:
            del raw[key]
    raw.write(data, filter=method, decode_parms=parameters)
    raw.ColorSpace = pikepdf.Name.DeviceRGB if image.mode == "RGB" else pikepdf.Name.DeviceGray
    raw.BitsPerComponent = 1 if image.mode == "1" else 8
    raw.Width, raw.Height = width, height
