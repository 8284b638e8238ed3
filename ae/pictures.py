"""Reads and writes grey pictures as (height, width) uint8 arrays, 0 black to 255 white."""

import os
from pathlib import Path
from typing import BinaryIO

from ae.errors import InputError
from ae.paths import open_file, replaced

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

MAX_MEGAPIXELS = 200
NEW_SUBFILE_TYPE = 254  # TIFF 6.0, page 36; bit 0 marks a reduced copy of another image
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # TIFF 6.0, page 37; Pillow heeds it with up to 8 bits
DEPTHS = (8, 10, 12, 14, 16)  # bits that scanners give, within the 16 of a file
BRIGHT = 0.5  # share of white that some of a page reaches
FORMATS = {"": "PNG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF", "jpg": "JPEG", "jpeg": "JPEG"}
OPTIONS = {"PNG": {}, "TIFF": {"compression": "tiff_deflate"}, "JPEG": {"quality": 95}}

Image.MAX_IMAGE_PIXELS = None  # Pillow warns at 89 megapixels; `decode_grey` has its own limit


def read_grey(path: str | os.PathLike) -> np.ndarray:
    """Reads a file as `decode_grey` does; a missing file is an InputError too."""
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder; name the pictures in it, as in {path}/*.png.")
        with open_file(path) as file:
            return decode_grey(file, str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"There is no file {path}; check the name.") from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); name another."
        ) from error


def decode_grey(file: BinaryIO, name: str, max_megapixels: float = MAX_MEGAPIXELS) -> np.ndarray:
    """Decodes a picture as grey, upright by its orientation tag. Error messages call it `name`.

    Transparent parts become white. An animation counts as its first frame. A picture that is too
    large is refused before its pixels are decoded.

    Raises:
        InputError: it is no picture, is damaged or too large, holds several pages, or has values of
            unknown range.
    """
    try:
        with Image.open(file) as picture:
            refuse_if_too_large(picture, name, max_megapixels)
            if picture.format == "TIFF" and (pages := count_pages(picture)) > 1:
                raise InputError(f"{name} holds {pages} pages; save each as a file of its own.")
            return np.array(flattened(picture, name).convert("RGB").convert("L"))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # for a damaged file, Pillow's decoders raise errors of many kinds
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        raise InputError(
            f"{name} cannot be read as a picture{reason}; replace it by a PNG, TIFF or JPEG file."
        ) from error


def refuse_if_too_large(picture: Image.Image, name: str, max_megapixels: float) -> None:
    """Raises InputError before the pixels of a picture that is too large are decoded."""
    width, height = picture.size
    if width * height > max_megapixels * 1e6:
        raise InputError(
            f"{name} has {width} x {height} pixels, more than the "
            f"{max_megapixels:g} megapixels allowed; save a smaller copy and name that."
        )


def flattened(picture: Image.Image, name: str) -> Image.Image:
    """Returns a picture with 8 bits or 1 bit a channel: upright, on white, in mode 1, L or RGB."""
    photometric = getattr(picture, "tag_v2", {}).get(PHOTOMETRIC)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = _scale_to_8_bits(np.asarray(picture), name)
        return Image.fromarray(255 - values if photometric == WHITE_IS_ZERO else values)
    if picture.has_transparency_data:
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return picture if picture.mode in ("1", "L", "RGB") else picture.convert("RGB")


def write_grey(path: str | os.PathLike, pixels: np.ndarray) -> None:
    """Writes a picture in the format of its name. If that fails, an older file stays as it was.

    Raises:
        InputError: the name asks for no format of `FORMATS`, or is not that of an ordinary file.
        OSError: the file cannot be written there.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 2:
        raise ValueError(f"expected (height, width) uint8, got {pixels.shape} {pixels.dtype}")
    path = Path(path).resolve()
    picture_format = format_of(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not an ordinary file; name a file to write.")
    with replaced(path) as file:
        Image.fromarray(pixels).save(file, picture_format, **OPTIONS[picture_format])


def format_of(path: Path) -> str:
    """Returns the format that `write_grey` gives to a file of this name, or raises InputError."""
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise InputError(f"{path} ends in {path.suffix}; end it in .png, .tif or .jpg.")
    return FORMATS[suffix]


def count_pages(picture: Image.Image) -> int:
    """Counts the pages of a TIFF, without the reduced copies that some programs add to them."""
    pages = sum(not is_reduced_copy(frame) for frame in ImageSequence.Iterator(picture))
    picture.seek(0)
    return pages


def is_reduced_copy(frame: Image.Image) -> bool:
    """Says whether a frame of a TIFF is a small copy of another one."""
    return bool(getattr(frame, "tag_v2", {}).get(NEW_SUBFILE_TYPE, 0) & 1)


def _scale_to_8_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Maps integers of up to 16 bits, or floating-point numbers from 0 to 1, to 0..255.

    A file of 16 bits may hold a scan of fewer. White is that of the fewest bits that hold all
    values.
    """
    is_float = values.dtype.kind == "f"
    largest = float(values.max())
    whites = [1.0] if is_float else [2.0**bits - 1 for bits in DEPTHS]
    white = next((white for white in whites if largest <= white), None)
    if white is None or not (values >= 0).all():
        raise InputError(
            f"{name} has values outside 0 to {whites[-1]:g}, so black and white are unknown; "
            "save it with 8 or 16 bits a pixel."
        )
    if not is_float and 0 < largest < BRIGHT * white:
        raise InputError(
            f"{name} has no value above {largest:g}, so white is unknown; "
            "save it with 8 bits a pixel."
        )
    return np.rint(values * (255.0 / white)).astype(np.uint8)
