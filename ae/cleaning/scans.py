"""Reads scans of one or several pages, and writes them with what a scan needs to keep.

That is the resolution, the kind of pixel (one bit, grey or color) and the number of pages; of a PDF
also its text and all else that is no picture.
"""

import io
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
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
READ_ONLY = {".gif", ".jfif", ".bmp", ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".apng"}
OF_MANY_PAGES = {"TIFF", "PDF"}
SOFTWARE = "autoencoder lessons: clean"  # by this a second run knows what a first one wrote
SOFTWARE_TAG = 305  # of TIFF, and of EXIF; so are the next ones
ORIENTATION, SIDEWAYS = 274, (5, 6, 7, 8)
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, INCH = 282, 283, 296, 2
MAX_MEGAPIXELS = 1500
SMALLEST = 0.05  # share of a PDF page's pixels, at 100 dots an inch, that make a picture a scan


class Sheet(NamedTuple):
    """One page."""

    pixels: np.ndarray  # uint8, grey (height, width) or color (height, width, 3)
    dpi: tuple[float, float] | None = None  # dots an inch across and down, if the file says so
    bilevel: bool = False  # whether its pixels are black or white


def read(source: Path | bytes, name: str) -> Iterator[Sheet]:
    """Yields the pages of a picture file, or of its bytes, upright.

    Raises:
        InputError: it is missing, damaged or no picture, or its values have an unknown range.
    """
    with _in_one_sentence(name), _opened(source) as picture:
        for frame in ImageSequence.Iterator(picture):
            if is_reduced_copy(frame):
                continue
            refuse_if_too_large(frame, name, MAX_MEGAPIXELS)
            yield _sheet(frame, name)


def count(source: Path | bytes, name: str) -> int:
    """Counts the pages of a picture file, without decoding them."""
    with _in_one_sentence(name), _opened(source) as picture:
        return count_pages(picture) if getattr(picture, "n_frames", 1) > 1 else 1


def format_of(path: Path) -> str:
    """Returns the format that a file of this name is written in, or raises InputError."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix or 'nothing'}; end it in {_or(FORMATS)}.")
    return FORMATS[path.suffix.lower()]


def is_scan(path: Path) -> bool:
    """Says whether a file's name is that of a picture or PDF, and not hidden."""
    known = path.suffix.lower() in FORMATS.keys() | READ_ONLY
    return known and not path.name.startswith(".")


def write(target: Path | BinaryIO, sheets: Iterator[Sheet], kind: str) -> None:
    """Writes pages in a format of `FORMATS`. If that fails, an older file stays as it was.

    A PNG, JPEG or WebP file takes one page.
    """
    first = next(sheets)
    options = _options(first, kind)
    if kind in OF_MANY_PAGES:
        options |= {"save_all": True, "append_images": (_later(sheet, kind) for sheet in sheets)}
    else:
        for _ in sheets:
            raise AssertionError(f"a {kind} file has one page")
    with replaced(target) if isinstance(target, Path) else _as_is(target) as file:
        _image(first).save(file, kind, **options)


@contextmanager
def _as_is(file: BinaryIO) -> Iterator[BinaryIO]:
    """Lets Pillow seek in a file that cannot, such as a pipe."""
    buffer = io.BytesIO()
    yield buffer
    file.write(buffer.getvalue())
    file.flush()


def is_ours(path: Path) -> bool:
    """Says whether `write` or `clean_pdf` wrote a file."""
    with suppress(Exception):
        if FORMATS.get(path.suffix.lower()) == "PDF":
            with _pikepdf(str(path)).open(path) as document:
                return str(document.docinfo.get("/Producer")) == SOFTWARE
        with Image.open(path) as picture:
            exif = picture.getexif().get(SOFTWARE_TAG)
            return SOFTWARE in (picture.info.get("Software"), exif)
    return False


def is_protected(path: Path) -> bool:
    """Says whether a file may not be written, by its mode."""
    return path.exists() and not path.stat().st_mode & stat.S_IWUSR


def _image(sheet: Sheet) -> Image.Image:
    image = Image.fromarray(sheet.pixels)
    return image.point(lambda value: 255 * (value > 127), mode="1") if sheet.bilevel else image


def _later(sheet: Sheet, kind: str) -> Image.Image:
    """Makes a later page of a file, which Pillow saves with options of its own."""
    image = _image(sheet)
    image.encoderinfo = _options(sheet, kind)
    return image


def _options(sheet: Sheet, kind: str) -> dict[str, Any]:
    exif = Image.Exif()
    exif[SOFTWARE_TAG] = SOFTWARE
    if sheet.dpi:  # for WebP, which has no other place
        exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[RESOLUTION_UNIT] = *sheet.dpi, INCH
    options: dict[str, Any] = {"dpi": sheet.dpi} if sheet.dpi else {}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Software", SOFTWARE)
        return {**options, "pnginfo": text}
    if kind == "TIFF":
        compression = "group4" if sheet.bilevel else "tiff_deflate"
        return {**options, "compression": compression, "software": SOFTWARE}
    if kind == "PDF":
        return {**options, "producer": SOFTWARE, "quality": 95}
    quality = {"quality": 95} if kind == "JPEG" else {"lossless": True}
    return {**options, **quality, "exif": exif}


def _sheet(frame: Image.Image, name: str) -> Sheet:
    dpi = frame.info.get("dpi") or _dpi_of_webp(frame)
    dpi = tuple(map(float, dpi)) if dpi and min(dpi) > 1 else None
    if dpi and frame.getexif().get(ORIENTATION) in SIDEWAYS:
        dpi = dpi[::-1]
    flat = flattened(frame, name)
    bilevel = flat.mode == "1"
    pixels = np.array(flat.convert("L") if bilevel else flat)
    return Sheet(pixels, dpi, bilevel)


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
def _in_one_sentence(name: str) -> Iterator[None]:
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


# PDF: the pictures in it are replaced, and all else stays


def clean_pdf(source: Path | bytes, name: str, target: Path | BinaryIO, clean: Callable) -> int:
    """Writes a PDF whose scanned pages are cleaned; its text, links and page sizes stay.

    Args:
        clean: from a `Sheet` to a cleaned one.

    Returns:
        The number of scanned pages.
    """
    pikepdf = _pikepdf(name)
    opened = source if isinstance(source, Path) else io.BytesIO(source)
    try:
        document = pikepdf.open(opened)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}; check the name.") from error
    except pikepdf.PasswordError as error:
        raise InputError(f"{name} has a password; save it without one.") from error
    except pikepdf.PdfError as error:
        raise InputError(f"{name} cannot be read ({error}); replace it by a good copy.") from error
    done = set()
    with document:
        for number, page in enumerate(document.pages, start=1):
            left, bottom, right, top = map(float, page.mediabox)
            inches = (right - left) / 72, (top - bottom) / 72
            for raw in _images(page):
                size = int(raw.Width), int(raw.Height)
                enough = size[0] * size[1] > SMALLEST * 1e4 * inches[0] * inches[1]
                if raw.objgen in done or raw.get("/ImageMask") or "/SMask" in raw or not enough:
                    continue
                done.add(raw.objgen)
                with _in_one_sentence(f"{name}, page {number}"):
                    image = pikepdf.PdfImage(raw).as_pil_image()
                    image.getexif().pop(ORIENTATION, None)  # a PDF's reader does not heed it
                    image.info["dpi"] = [n / side for n, side in zip(size, inches, strict=True)]
                    sheet = clean(_sheet(image, name))
                _replace(pikepdf, raw, sheet)
        if not done:
            raise InputError(f"{name} holds no scanned page, so there is nothing to clean.")
        document.docinfo["/Producer"] = SOFTWARE
        with replaced(target) if isinstance(target, Path) else _as_is(target) as file:
            document.save(file)
    return len(done)


def _pikepdf(name: str) -> Any:
    try:
        import pikepdf
    except ImportError as error:
        raise InputError(f"{name}: PDF needs the package pikepdf; pip install pikepdf.") from error
    return pikepdf


def _images(page: Any) -> Iterable[Any]:
    """Lists a page's pictures; an older pikepdf does not find those within its forms."""
    return (page.get_images() if hasattr(page, "get_images") else page.images).values()


def _replace(pikepdf: Any, raw: Any, sheet: Sheet) -> None:
    image = _image(sheet)
    raw.write(zlib.compress(image.tobytes(), 9), filter=pikepdf.Name.FlateDecode)
    raw.ColorSpace = pikepdf.Name.DeviceRGB if image.mode == "RGB" else pikepdf.Name.DeviceGray
    raw.BitsPerComponent = 1 if image.mode == "1" else 8
    raw.Width, raw.Height = image.size
    for key in ("/Decode", "/DecodeParms", "/Intent", "/Mask"):
        if key in raw:
            del raw[key]
