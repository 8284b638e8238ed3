import io
import os
import re
import struct
import zlib

from ae.cleaning import scans
from ae.cleaning.scans import Sheet
from ae.errors import InputError

import drawn_pages
import numpy as np
import pikepdf
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

GREY = drawn_pages.on_cloudy_paper(drawn_pages.text(50, inches=(2, 1)), 50)
BITS = np.where(drawn_pages.text(50, inches=(2, 1)) < 128, 0, 255).astype(np.uint8)
COLOR = np.stack([GREY, GREY - GREY // 9, GREY // 2], axis=2)
LOSSLESS = (".png", ".tif", ".tiff", ".webp")
WRITTEN = (*LOSSLESS, ".jpg", ".jpeg", ".pdf")


def read(path):
    return list(scans.read(path, path.name))


def write(path, *sheets):
    scans.write(path, iter(sheets), scans.format_of(path))
    return path


def refused(path, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)) as error:
        read(path)
    assert str(path.name) in str(error.value)
    assert str(error.value).count("\n") == 0


# What is written is read


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
def test_what_was_written_is_read_back(tmp_path, suffix, pixels):
    path = write(tmp_path / f"page{suffix}", Sheet(pixels, (300, 300)))
    (sheet,) = read(path)
    if pixels is GREY and sheet.pixels.ndim == 3:  # WebP has no grey
        pixels = np.stack([GREY] * 3, axis=2)
    np.testing.assert_array_equal(sheet.pixels, pixels)
    assert sheet.dpi == pytest.approx((300, 300), rel=1e-3)
    assert not sheet.bilevel
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
def test_jpeg_is_nearly_what_was_written(tmp_path, pixels):
    (sheet,) = read(write(tmp_path / "page.jpg", Sheet(pixels, (200, 200))))
    assert sheet.pixels.shape == pixels.shape
    assert abs(sheet.pixels.astype(int) - pixels).mean() < 4
    assert sheet.dpi == (200, 200)


@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
@pytest.mark.parametrize("quality", [1, 30, 75, 98])
def test_a_jpeg_keeps_its_quality(tmp_path, quality, pixels):
    Image.fromarray(pixels).save(tmp_path / "page.jpg", quality=quality)
    again = write(tmp_path / "again.jpg", *read(tmp_path / "page.jpg"))
    with Image.open(tmp_path / "page.jpg") as before, Image.open(again) as after:
        assert after.quantization == before.quantization


def test_tables_that_only_some_programs_read_are_not_written(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "page.jpg", qtables=[[300] * 64])
    again = write(tmp_path / "again.jpg", *read(tmp_path / "page.jpg"))
    with Image.open(again) as picture:
        assert picture.quantization == {0: [255] * 64}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_fax_has_two_resolutions(tmp_path, suffix):
    (sheet,) = read(write(tmp_path / f"page{suffix}", Sheet(GREY, (204, 98))))
    assert sheet.dpi == pytest.approx((204, 98), rel=1e-3)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_what_has_no_resolution_gets_none(tmp_path, suffix):
    (sheet,) = read(write(tmp_path / f"page{suffix}", Sheet(GREY)))
    assert sheet.dpi is None


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_a_page_of_one_bit_stays_one(tmp_path, suffix):
    path = write(tmp_path / f"page{suffix}", Sheet(BITS, (300, 300), bilevel=True))
    with Image.open(path) as picture:
        assert picture.mode == "1"
        assert suffix == ".png" or picture.info["compression"] == "group4"
    (sheet,) = read(path)
    assert sheet.bilevel
    np.testing.assert_array_equal(sheet.pixels, BITS)
    assert sheet.dpi == pytest.approx((300, 300), rel=1e-3)


def test_a_tiff_keeps_its_pages_each_in_its_way(tmp_path):
    sheets = [
        Sheet(BITS, (300, 300), bilevel=True),
        Sheet(GREY, (150, 150)),
        Sheet(COLOR, (200, 100)),
        Sheet(BITS[:20], (300, 300), bilevel=True),
    ]
    back = read(write(tmp_path / "pages.tif", *sheets))
    assert len(back) == scans.count(tmp_path / "pages.tif", "pages.tif") == 4
    for sheet, expected in zip(back, sheets, strict=True):
        np.testing.assert_array_equal(sheet.pixels, expected.pixels)
        assert sheet.dpi == expected.dpi
        assert sheet.bilevel == expected.bilevel
    with Image.open(tmp_path / "pages.tif") as picture:
        used = []
        for number in range(4):
            picture.seek(number)
            used.append(picture.info["compression"])
    assert (used[0], used[3]) == ("group4", "group4")
    assert not {"raw", "group4"} & {used[1], used[2]}


def test_a_pdf_is_as_large_as_the_sheets_of_paper(tmp_path):
    path = write(tmp_path / "pages.pdf", Sheet(GREY, (50, 25)), Sheet(255 - GREY, (50, 25)))
    height, width = GREY.shape
    with pikepdf.open(path) as document:
        assert len(document.pages) == 2
        for page, pixels in zip(document.pages, (GREY, 255 - GREY), strict=True):
            assert page.mediabox[2:] == pytest.approx([72 * width / 50, 72 * height / 25])
            (raw,) = page.get_images().values()
            shown = np.array(pikepdf.PdfImage(raw).as_pil_image().convert("L"))
            assert abs(shown.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_pages_do_not_get_lost_in_a_file_of_one(tmp_path, suffix):
    with pytest.raises(AssertionError, match="one page"):
        write(tmp_path / f"page{suffix}", Sheet(GREY), Sheet(GREY))


@pytest.mark.parametrize("kind", scans.FORMATS.values())
def test_a_pipe_gets_what_a_file_gets(tmp_path, kind):
    class Pipe(io.RawIOBase):
        """Keeps what is written, and cannot seek."""

        def __init__(self):
            self.got = b""

        def writable(self):
            return True

        def write(self, data):
            self.got += bytes(data)
            return len(data)

    pipe = Pipe()
    scans.write(pipe, iter([Sheet(BITS, (100, 100))]), kind)
    if kind == "PDF":
        assert len(pikepdf.open(io.BytesIO(pipe.got)).pages) == 1
        return
    (sheet,) = scans.read(pipe.got, "standard input")
    assert sheet.pixels.shape[:2] == BITS.shape


# What others wrote


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_every_page_of_a_file_is_read(tmp_path, kind):
    """Of an animation too, which some programs write for a scan of two pages."""
    path = tmp_path / f"pages.{kind.lower()}"
    pages = [Image.fromarray(page).convert("RGB") for page in (GREY, 255 - GREY)]
    options = {"lossless": True} if kind == "WEBP" else {}
    pages[0].save(path, kind, save_all=True, append_images=pages[1:], **options)
    assert scans.count(path, path.name) == 2
    first, second = (sheet.pixels.astype(int) for sheet in read(path))
    assert abs(first.reshape(*GREY.shape, -1) - GREY[:, :, None]).max() <= 3
    assert abs(second.reshape(*GREY.shape, -1) - (255 - GREY[:, :, None].astype(int))).max() <= 3


def test_what_a_camera_keeps_beside_a_picture_is_no_page(tmp_path):
    path = tmp_path / "photo.jpg"
    small = Image.fromarray(GREY[:20, :30])
    Image.fromarray(GREY).save(path, "MPO", save_all=True, append_images=[small])
    assert scans.count(path, path.name) == 1
    (sheet,) = read(path)
    assert sheet.pixels.shape == GREY.shape


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_page_that_lies_on_its_side_is_turned(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # hold the picture a quarter turn clockwise to see it upright
    options = {"quality": 100} if suffix == ".jpg" else {"lossless": True}
    path = tmp_path / f"page{suffix}"
    Image.fromarray(GREY).save(path, exif=exif, dpi=(200, 100), **options)
    (sheet,) = read(path)
    upright = np.rot90(GREY, -1)
    assert abs(sheet.pixels.reshape(*upright.shape, -1)[:, :, 0].astype(int) - upright).max() <= 3
    assert suffix == ".webp" or sheet.dpi == pytest.approx((100, 200), rel=1e-3)
    again = write(tmp_path / f"again{suffix}", sheet)  # and is not turned twice
    assert read(again)[0].pixels.shape == sheet.pixels.shape


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_deep_pixels_are_scaled_to_black_and_white(tmp_path, photometric, bits):
    """Scanners give 12 bits in files of 16."""
    white = 2**bits - 1
    stored = np.rint(GREY.astype(float) / 255 * white)
    stored = white - stored if photometric == "miniswhite" else stored
    stored[0, 0] = white  # the page reaches it
    kind = np.uint8 if bits == 8 else np.uint16
    tifffile.imwrite(tmp_path / "page.tif", stored.astype(kind), photometric=photometric)
    (sheet,) = read(tmp_path / "page.tif")
    np.testing.assert_allclose(sheet.pixels[1:], GREY[1:], atol=1)
    assert sheet.pixels[0, 0] == (0 if photometric == "miniswhite" else 255)


def test_a_fax_of_one_bit_in_which_0_is_white(tmp_path):
    stored = BITS == 0
    tifffile.imwrite(tmp_path / "fax.tif", stored, photometric="miniswhite")
    (sheet,) = read(tmp_path / "fax.tif")
    np.testing.assert_array_equal(sheet.pixels, BITS)
    assert sheet.bilevel


@pytest.mark.fault("a picture of an odd kind, or none")
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.array([[0, 70_000]], np.int32), "values outside 0 to 65535"),
        (np.array([[-5, 200]], np.int32), "values outside 0 to 65535"),
        (np.array([[0, 300.0]], np.float32), "values outside 0 to 1"),
        (np.array([[0, np.nan]], np.float32), "values outside 0 to 1"),
        (np.array([[0, 100]], np.uint16), "no value above 100"),
    ],
)
def test_values_of_an_unknown_range_are_refused(tmp_path, values, sentence):
    tifffile.imwrite(tmp_path / "page.tif", values, photometric="minisblack")
    refused(tmp_path / "page.tif", sentence)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_lie_on_white(tmp_path, mode):
    pixels = np.array([[[0, 0], [0, 255], [0, 51]]], np.uint8)
    pixels = pixels if mode == "LA" else pixels[:, :, [0, 0, 0, 1]]
    Image.fromarray(pixels).save(tmp_path / "page.png")
    (sheet,) = read(tmp_path / "page.png")
    assert sheet.pixels.reshape(3, -1)[:, 0].tolist() == [255, 0, 204]


def with_reduced_copies(path, pages):
    """Writes each page with a small copy behind it, as some scanning programs do."""
    with TiffImagePlugin.AppendingTiffWriter(path) as file:
        for page in pages:
            Image.fromarray(page).save(file, "TIFF")
            file.newFrame()
            small = TiffImagePlugin.ImageFileDirectory_v2()
            small[254] = 1
            Image.fromarray(page[::4, ::4]).save(file, "TIFF", tiffinfo=small)
            file.newFrame()


@pytest.mark.filterwarnings(  # Pillow's writer closes its file twice
    "ignore:Exception ignored in.*AppendingTiffWriter:pytest.PytestUnraisableExceptionWarning"
)
def test_a_reduced_copy_is_no_page(tmp_path):
    path = tmp_path / "pages.tif"
    with_reduced_copies(path, [GREY, 255 - GREY])
    with Image.open(path) as picture:
        assert picture.n_frames == 4
    assert scans.count(path, path.name) == 2
    for sheet, expected in zip(read(path), [GREY, 255 - GREY], strict=True):
        np.testing.assert_array_equal(sheet.pixels, expected)


@pytest.mark.fault("a picture of an odd kind, or none")
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.9])
def test_a_cut_file_is_refused_in_one_sentence(tmp_path, suffix, share):
    path = write(tmp_path / f"page{suffix}", Sheet(drawn_pages.text(60)))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "cannot be read")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "page.png").write_text("not a picture")
    refused(tmp_path / "page.png", "page.png cannot be read as a picture; name a PNG")
    refused(tmp_path / "gone.png", "There is no file gone.png")
    refused(tmp_path / "page.png" / "gone.png", "There is no file gone.png")
    (tmp_path / "folder.png").mkdir()
    refused(tmp_path / "folder.png", "cannot be read")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not an ordinary file")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_a_page_of_more_pixels_than_any_scan_is_refused_before_it_is_decoded(tmp_path):
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 50_000, 40_000, 8, 0, 0, 0, 0)
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") * 2
    (tmp_path / "page.png").write_bytes(picture)
    refused(tmp_path / "page.png", "50000 x 40000 pixels, more than the 1500 megapixels")


@pytest.mark.parametrize("name", ["page.xyz", "page", "page.bmp", "page.gif"])
def test_a_name_of_no_format_is_refused_with_those_there_are(tmp_path, name):
    with pytest.raises(InputError, match=r"end it in \.png, .* or \.pdf\."):
        scans.format_of(tmp_path / name)


@pytest.mark.parametrize(("kind", "most"), [("WEBP", 16_383), ("JPEG", 65_500), ("PDF", 65_500)])
def test_a_page_that_is_too_long_for_a_format_is_refused(kind, most):
    scans.refuse_if_too_long(Sheet(np.zeros((1, most), np.uint8)), kind, "plan.png")
    with pytest.raises(
        InputError, match=rf"plan\.png is {most + 1} pixels long, and {kind} allows"
    ):
        scans.refuse_if_too_long(Sheet(np.zeros((most + 1, 1), np.uint8)), kind, "plan.png")
    scans.refuse_if_too_long(Sheet(np.zeros((most + 1, 1), np.uint8)), "PNG", "plan.png")


def test_suffixes_in_capitals_count():
    assert [scans.format_of(scans.Path(name)) for name in ("A.PNG", "B.Tif")] == ["PNG", "TIFF"]
    assert scans.is_scan(scans.Path("A.JPEG"))
    assert not scans.is_scan(scans.Path("Thumbs.db"))


# Files that a command wrote


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("note", ["", "--from My run --scale 2"])
def test_what_is_ours_is_known_again_with_its_note(tmp_path, suffix, note):
    ours = tmp_path / f"ours{suffix}"
    scans.write(ours, iter([Sheet(GREY, (200, 200))]), scans.format_of(ours), note)
    theirs = tmp_path / f"theirs{suffix}"
    Image.fromarray(GREY).save(theirs)
    assert scans.note_of(ours) == note
    assert scans.note_of(theirs) is None
    ours.write_bytes(b"")
    assert scans.note_of(ours) is None
    assert scans.note_of(tmp_path / "gone.png") is None


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pdf"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = write(tmp_path / f"pages{suffix}", Sheet(GREY))
    before = path.read_bytes()

    def sheets():
        if suffix != ".png":
            yield Sheet(255 - GREY)
        raise InputError("the second page is damaged")

    with pytest.raises(InputError, match="second page"):
        scans.write(path, sheets(), scans.format_of(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "page.png"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"), scans.replaced(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "page.png")
    write(tmp_path / "link.png", Sheet(GREY))
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(read(tmp_path / "page.png")[0].pixels, GREY)
