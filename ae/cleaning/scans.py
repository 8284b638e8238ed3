"""Reads scans of one or several pages, and writes them with what a scan needs to keep.

That is the resolution, the kind of pixel (one bit, grey or color), the number of pages and the
quality of a JPEG.
"""

import io
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ae.errors import InputError
from ae.paths import open_file, replaced
from ae.pictures import count_pages, flattened, is_reduced_copy, refuse_if_too_large

import numpy as np
from PIL import Image, ImageSequence, PngImagePlugin, UnidentifiedImageError

FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG",
    ".webp": "WEBP", ".pdf": "PDF"}  # fmt: skip
LONGEST = {"JPEG": 65_500, "PDF": 65_500, "WEBP": 16_383}  # px a side; a PDF holds JPEG
READ_ONLY = {".gif", ".jfif", ".bmp", ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".apng"}
OF_MANY_PAGES = {"TIFF", "PDF"}
SOFTWARE = "autoencoder lessons: clean"  # by this a second run knows what a first one wrote
SOFTWARE_TAG = 305  # of TIFF, and of EXIF; so are the next ones
ORIENTATION, SIDEWAYS = 274, (5, 6, 7, 8)
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, INCH = 282, 283, 296, 2
MAX_MEGAPIXELS = 1500
QUALITY = 95  # of a JPEG that was none before


class Sheet(NamedTuple):
    """One page."""

    pixels: np.ndarray  # uint8, grey (height, width) or color (height, width, 3)
    dpi: tuple[float, float] | None = None  # dots an inch across and down, if the file says so
    bilevel: bool = False  # whether its pixels are black or white
    rounding: dict[int, list[int]] | None = None  # of a JPEG: its quantization tables


def read(source: Path | bytes, name: str) -> Iterator[Sheet]:
    """Yields the pages of a picture file, or of its bytes, upright.

    Raises:
        InputError: it is missing, damaged or no picture, or its values have an unknown range.
    """
    with in_one_sentence(name), _opened(source) as picture:
        for frame in [picture] if is_photo(picture) else ImageSequence.Iterator(picture):
            if is_reduced_copy(frame):
                continue
            refuse_if_too_large(frame, name, MAX_MEGAPIXELS)
            yield sheet_of(frame, name)


def count(source: Path | bytes, name: str) -> int:
    """Counts the pages of a picture file, without decoding them."""
    with in_one_sentence(name), _opened(source) as picture:
        many = getattr(picture, "n_frames", 1) > 1 and not is_photo(picture)
        return count_pages(picture) if many else 1


def is_photo(picture: Image.Image) -> bool:
    """Says whether a camera wrote a JPEG with further pictures of the same scene: no pages."""
    return picture.format == "MPO"


def format_of(path: Path) -> str:
    """Returns the format that a file of this name is written in, or raises InputError."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; end it in {_or(FORMATS)}.")
    return FORMATS[path.suffix.lower()]


def refuse_if_too_long(sheet: Sheet, kind: str, name: str) -> None:
    """Raises InputError if a format does not allow a page's size."""
    side, most = max(sheet.pixels.shape[:2]), LONGEST.get(kind, math.inf)
    if side > most:
        raise InputError(
            f"{name} is {side} pixels long, and {kind} allows {most}; end -o in .png or .tif."
        )


def is_scan(path: Path) -> bool:
    """Says whether a file's name is that of a picture or PDF, and not hidden."""
    known = path.suffix.lower() in FORMATS.keys() | READ_ONLY
    return known and not path.name.startswith(".")


def write(target: Path | BinaryIO, sheets: Iterator[Sheet], kind: str, note: str = "") -> None:
    """Writes pages in a format of `FORMATS`. If that fails, an older file stays as it was.

    A PNG, JPEG or WebP file takes one page.

    Args:
        note: what `note_of` is to return of the file; ASCII.
    """
    with output(target) as file:  # before the first page is made: it may not be writable
        first = next(sheets)
        options = _options(first, kind, note)
        if kind in OF_MANY_PAGES:
            later = (_later(sheet, kind, note) for sheet in sheets)
            options |= {"save_all": True, "append_images": later}
        else:
            for _ in sheets:
                raise AssertionError(f"a {kind} file has one page")
        image_of(first).save(file, kind, **options)


@contextmanager
def output(target: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Opens what replaces a file, or goes to a pipe, once all is written."""
    if isinstance(target, Path):
        with replaced(target) as file:
            yield file
        return
    buffer = io.BytesIO()
    yield buffer
    target.write(buffer.getvalue())
    target.flush()


def signature(note: str) -> str:
    """Returns what a file says of the program that wrote it, with a note."""
    return f"{SOFTWARE} {note}".rstrip()


def note_of(path: Path) -> str | None:
    """Returns the note in a file that `write` or `clean_pdf` wrote, or None of another file."""
    with suppress(Exception):
        if FORMATS.get(path.suffix.lower()) == "PDF":
            import pikepdf

            with pikepdf.open(path) as document:
                found = str(document.docinfo.get("/Producer"))
        else:
            with Image.open(path) as picture:
                found = picture.info.get("Software") or picture.getexif().get(SOFTWARE_TAG) or ""
        if f"{found} ".startswith(f"{SOFTWARE} "):
            return found[len(SOFTWARE) :].strip()
    return None


def is_protected(path: Path) -> bool:
    """Says whether a file may not be written, by its mode."""
    return path.exists() and not path.stat().st_mode & stat.S_IWUSR


def image_of(sheet: Sheet) -> Image.Image:
    """Returns a page as Pillow has it, in mode 1, L or RGB."""
    image = Image.fromarray(sheet.pixels)
    return image.point(lambda value: 255 * (value > 127), mode="1") if sheet.bilevel else image


def _later(sheet: Sheet, kind: str, note: str) -> Image.Image:
    """Makes a later page of a file, which Pillow saves with options of its own."""
    image = image_of(sheet)
    image.encoderinfo = _options(sheet, kind, note)
    return image


def _options(sheet: Sheet, kind: str, note: str) -> dict[str, Any]:
    software = signature(note)
    exif = Image.Exif()
    exif[SOFTWARE_TAG] = software
    if sheet.dpi:  # for WebP, which has no other place
        exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[RESOLUTION_UNIT] = *sheet.dpi, INCH
    options: dict[str, Any] = {"dpi": sheet.dpi} if sheet.dpi else {}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Software", software)
        return {**options, "pnginfo": text}
    if kind == "TIFF":
        compression = "group4" if sheet.bilevel else "tiff_deflate"
        return {**options, "compression": compression, "software": software}
    if kind == "PDF":
        return {**options, **quality_of(sheet), "producer": software}
    quality = quality_of(sheet) if kind == "JPEG" else {"lossless": True}
    return {**options, **quality, "exif": exif}


def quality_of(sheet: Sheet) -> dict[str, Any]:
    """Returns Pillow's options for a JPEG as good as the page's own, so about as large."""
    return {"qtables": sheet.rounding} if sheet.rounding else {"quality": QUALITY}


def sheet_of(frame: Image.Image, name: str) -> Sheet:
    """Returns a page that Pillow has opened."""
    dpi = frame.info.get("dpi") or _dpi_of_webp(frame)
    dpi = tuple(map(float, dpi)) if dpi and min(dpi) > 1 else None
    if dpi and frame.getexif().get(ORIENTATION) in SIDEWAYS:
        dpi = dpi[::-1]
    flat = flattened(frame, name)
    bilevel = flat.mode == "1"
    pixels = np.array(flat.convert("L") if bilevel else flat)
    tables = getattr(frame, "quantization", None) or {}  # above 255 only some programs read them
    rounding = {key: [min(value, 255) for value in table] for key, table in tables.items()}
    return Sheet(pixels, dpi, bilevel, rounding or None)


def _dpi_of_webp(frame: Image.Image) -> tuple[float, float] | None:
    exif = frame.getexif()
    across, down = exif.get(X_RESOLUTION), exif.get(Y_RESOLUTION)
    in_inches = exif.get(RESOLUTION_UNIT, INCH) == INCH
    return (across, down) if frame.format == "WEBP" and in_inches and across and down else None


@contextmanager
def _opened(source: Path | bytes) -> Iterator[Image.Image]:
    opened = open_file(source) if isinstance(source, Path) else io.BytesIO(source)
    with opened as file, Image.open(file) as picture:
        yield picture


@contextmanager
def in_one_sentence(name: str) -> Iterator[None]:
    """Turns what goes wrong with a file into an InputError."""
    try:
        yield
    except (InputError, MemoryError, GeneratorExit):
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"There is no file {name}; check the name.") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{name} cannot be read as a picture; name a PNG, TIFF, JPEG, WebP or PDF file."
        ) from error
    except Exception as error:  # for a damaged file, Pillow's decoders raise errors of many kinds
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name} cannot be read ({reason}); replace it by a good copy.") from error


def _or(words) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}"
