import io
import os
import struct

from ae.errors import InputError
from ae.pictures import decode_grey, read_grey, write_grey

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

GREY = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)


def save(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["", ".png", ".tif", ".TIFF"])
def test_what_was_written_is_read_back(tmp_path, suffix):
    path = tmp_path / f"page{suffix}"
    write_grey(path, GREY)
    np.testing.assert_array_equal(read_grey(path), GREY)
    assert list(tmp_path.iterdir()) == [path]


def test_jpeg_is_written_by_its_suffix(tmp_path):
    flat = np.full((16, 16), 90, np.uint8)
    write_grey(tmp_path / "page.jpg", flat)
    assert (tmp_path / "page.jpg").read_bytes()[:2] == b"\xff\xd8"
    np.testing.assert_allclose(read_grey(tmp_path / "page.jpg"), flat, atol=2)


@pytest.mark.fault("a picture of an odd kind, or none")
@pytest.mark.parametrize(
    ("mode", "file"),
    [
        ("RGB", "page.png"),
        ("RGBA", "page.png"),
        ("LA", "page.png"),
        ("P", "page.gif"),
        ("CMYK", "page.tif"),
        ("YCbCr", "page.jpg"),
    ],
)
def test_grey_stays_grey_in_every_mode(tmp_path, mode, file):
    options = {"quality": 100} if mode == "YCbCr" else {}
    path = save(tmp_path / file, Image.fromarray(GREY).convert(mode), **options)
    np.testing.assert_allclose(read_grey(path), GREY, atol=2)


def test_colours_are_weighted_as_luma(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    path = save(tmp_path / "page.png", Image.fromarray(colours))
    np.testing.assert_array_equal(read_grey(path), [[76, 150, 29]])


def test_black_and_white_pictures(tmp_path):
    path = save(tmp_path / "page.png", Image.fromarray(np.array([[True, False]])))
    np.testing.assert_array_equal(read_grey(path), [[255, 0]])


@pytest.mark.fault("a picture of an odd kind, or none")
def test_transparent_parts_lie_on_white(tmp_path):
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
    path = save(tmp_path / "page.png", Image.fromarray(pixels))
    np.testing.assert_array_equal(read_grey(path), [[255, 0, 204]])


def test_pixels_that_are_multiplied_by_their_opacity_lie_on_white(tmp_path):
    stored = Image.fromarray(np.uint8([[[0, 0], [50, 100], [200, 255]]]), "LA")
    path = save(tmp_path / "page.tif", stored)
    extra_samples = [
        struct.pack("<HHIH", 338, 3, 1, kind) for kind in (2, 1)
    ]  # unassociated, or not
    path.write_bytes(path.read_bytes().replace(*extra_samples))
    np.testing.assert_allclose(read_grey(path), [[255, 50 + 155, 200]], atol=1)


def test_a_transparent_palette_entry_lies_on_white(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 10, 10, 60, 60, 60])
    picture.putdata([0, 1])
    path = save(tmp_path / "page.png", picture, transparency=0)
    np.testing.assert_array_equal(read_grey(path), [[255, 60]])


@pytest.mark.fault("a picture of an odd kind, or none")
def test_16_bits_are_scaled_to_8(tmp_path):
    path = save(
        tmp_path / "page.png", Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    )
    np.testing.assert_array_equal(read_grey(path), [[0, 1, 128, 255]])


def test_floating_point_is_black_0_to_white_1(tmp_path):
    path = save(tmp_path / "page.tif", Image.fromarray(np.array([[0, 0.5, 1]], np.float32)))
    np.testing.assert_array_equal(read_grey(path), [[0, 128, 255]])


@pytest.mark.fault("NaN or infinity")
@pytest.mark.parametrize("value", [-0.5, 2.0, np.nan])
def test_floating_point_beyond_that_is_refused(tmp_path, value):
    path = save(tmp_path / "page.tif", Image.fromarray(np.array([[0, value]], np.float32)))
    with pytest.raises(InputError, match="values outside 0 to 1"):
        read_grey(path)


def save_two(path):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    return save(path, frames[0], save_all=True, append_images=frames[1:])


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    np.testing.assert_array_equal(read_grey(save_two(tmp_path / "page.gif")), GREY)


@pytest.mark.fault("a picture of an odd kind, or none")
def test_no_page_of_a_scan_gets_lost(tmp_path):
    path = save_two(tmp_path / "page.tif")
    with pytest.raises(InputError, match="holds 2 pages; save each as a file of its own"):
        read_grey(path)


@pytest.mark.filterwarnings(  # Pillow's writer closes its file twice
    "ignore:Exception ignored in.*AppendingTiffWriter:pytest.PytestUnraisableExceptionWarning"
)
def test_a_preview_is_no_page(tmp_path):
    path = tmp_path / "page.tif"
    preview = TiffImagePlugin.ImageFileDirectory_v2()
    preview[254] = 1
    Image.fromarray(GREY).save(path)
    with TiffImagePlugin.AppendingTiffWriter(path) as file:
        Image.fromarray(255 - GREY).save(file, "TIFF", tiffinfo=preview)
    with Image.open(path) as picture:
        assert picture.n_frames == 2
    np.testing.assert_array_equal(read_grey(path), GREY)


def test_a_picture_taken_sideways_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # hold the picture a quarter turn clockwise to see it upright
    path = save(tmp_path / "page.png", Image.fromarray(GREY), exif=exif)
    np.testing.assert_array_equal(read_grey(path), np.rot90(GREY, -1))


@pytest.mark.fault("a picture of an odd kind, or none")
def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "page.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"page\.png cannot be read as a picture"):
        read_grey(tmp_path / "page.png")


@pytest.mark.fault("a picture of an odd kind, or none")
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_cut_picture_is_refused(tmp_path, share):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    write_grey(tmp_path / "page.png", noise)
    whole = (tmp_path / "page.png").read_bytes()
    (tmp_path / "page.png").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_grey(tmp_path / "page.png")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        read_grey(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_grey(tmp_path / "page.png")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "page.png")
    with pytest.raises(InputError, match="not an ordinary file"):
        read_grey(tmp_path / "page.png")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_more_than_200_megapixels_are_refused_in_one_sentence(tmp_path):
    Image.new("1", (20_001, 10_000)).save(tmp_path / "page.png")
    with pytest.raises(InputError, match="20001 x 10000 pixels, more than the 200 megapixels"):
        read_grey(tmp_path / "page.png")


def test_a_lower_limit_can_be_asked_for():
    file = io.BytesIO()
    Image.new("L", (1001, 1000)).save(file, "PNG")
    with pytest.raises(InputError, match=r"page 7 has 1001 x 1000 pixels, more than the 1 mega"):
        decode_grey(file, "page 7", max_megapixels=1)
    Image.new("L", (1000, 1000)).save(exact := io.BytesIO(), "PNG")
    assert decode_grey(exact, "page 7", max_megapixels=1).shape == (1000, 1000)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "page.png"
    write_grey(path, GREY)

    def fail(self, file, *_, **__):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_grey(path, 255 - GREY)
    np.testing.assert_array_equal(read_grey(path), GREY)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "page.png")
    write_grey(tmp_path / "link.png", GREY)
    assert (tmp_path / "link.png").is_symlink()
    np.testing.assert_array_equal(read_grey(tmp_path / "page.png"), GREY)


@pytest.mark.parametrize(
    ("name", "kind", "complaint"),
    [
        ("page.bmp", InputError, r"ends in \.bmp"),
        (".", InputError, "not an ordinary file"),
        ("no/page.png", FileNotFoundError, "No such file"),
    ],
)
def test_where_nothing_can_be_written(tmp_path, name, kind, complaint):
    with pytest.raises(kind, match=complaint):
        write_grey(tmp_path / name, GREY)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("pixels", [GREY.astype(np.float32), np.stack([GREY] * 3, -1)])
def test_only_grey_bytes_are_written(tmp_path, pixels):
    with pytest.raises(ValueError, match="expected"):
        write_grey(tmp_path / "page.png", pixels)


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    path = tmp_path / ("long" * 100 + ".png")
    with pytest.raises(InputError, match="File name too long"):
        read_grey(path)
    with pytest.raises(OSError, match="File name too long"):
        write_grey(path, GREY)
