import io
import re

from ae.cleaning import scans
from ae.cleaning.pdf import clean_pdf
from ae.cleaning.scans import SOFTWARE
from ae.errors import InputError

import drawn_pages
import numpy as np
import pikepdf
import pytest
from PIL import Image

PDF_PAGE = drawn_pages.on_cloudy_paper(drawn_pages.text(100), 100)


def image_in(document, pixels, **more):
    height, width = pixels.shape[:2]
    color = pikepdf.Name.DeviceGray if pixels.ndim == 2 else pikepdf.Name.DeviceRGB
    stream = pikepdf.Stream(document, pixels.tobytes())
    about = {"Width": width, "Height": height, "ColorSpace": color, "BitsPerComponent": 8, **more}
    stream.update({f"/{key}": value for key, value in about.items()})
    stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    return document.make_indirect(stream)


def scanned_pdf(path, pages, box=(0, 0, 324, 187.2), **more):
    """Writes pages with an image each and an invisible layer of text, as programs for OCR do."""
    with pikepdf.new() as document:
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
        )
        for number, pixels in enumerate(pages):
            width, height = box[2] - box[0], box[3] - box[1]
            content = (
                f"q {width} 0 0 {height} {box[0]} {box[1]} cm /Scan Do Q "
                f"BT 3 Tr /F 10 Tf 20 100 Td (hidden words {number}) Tj ET"
            )
            scan = image_in(document, pixels, **more)
            page = document.add_blank_page(page_size=(width, height))
            page.obj.MediaBox = list(box)
            page.obj.Resources = pikepdf.Dictionary(
                XObject=pikepdf.Dictionary(Scan=scan), Font=pikepdf.Dictionary(F=font)
            )
            page.obj.Contents = document.make_stream(content.encode())
        document.save(path)
    return path


def image_of(page):
    (raw,) = page.get_images().values()
    return pikepdf.PdfImage(raw).as_pil_image()


def words_of(page):
    return [
        str(instruction.operands[0])
        for instruction in pikepdf.parse_content_stream(page)
        if str(instruction.operator) == "Tj"
    ]


def negative(sheet, _=None):
    return sheet._replace(pixels=255 - sheet.pixels)


def test_the_scans_in_a_pdf_are_replaced_and_all_else_stays(tmp_path):
    source = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE, PDF_PAGE // 2])
    seen = []

    def clean(sheet, _):
        seen.append(sheet)
        return negative(sheet)

    assert clean_pdf(source, "in.pdf", tmp_path / "out.pdf", clean) == (2, 0)
    np.testing.assert_array_equal(seen[1].pixels, PDF_PAGE // 2)
    assert seen[0].dpi == pytest.approx((100, 100))
    with pikepdf.open(tmp_path / "out.pdf") as document:
        assert len(document.pages) == 2
        for number, (page, pixels) in enumerate(
            zip(document.pages, [PDF_PAGE, PDF_PAGE // 2], strict=True)
        ):
            np.testing.assert_array_equal(image_of(page), 255 - pixels)
            assert words_of(page) == [f"hidden words {number}"]
            assert [float(side) for side in page.mediabox] == [0, 0, 324, 187.2]
    assert scans.note_of(tmp_path / "out.pdf") == ""
    assert scans.note_of(source) is None


def test_the_resolution_of_a_page_whose_corner_is_elsewhere(tmp_path):
    source = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE], box=(100, 50, 424, 237.2))
    seen = []
    clean_pdf(source, "in.pdf", io.BytesIO(), lambda sheet, _: seen.append(sheet) or sheet)
    assert seen[0].dpi == pytest.approx((100, 100))


def test_colors_stay_in_a_pdf(tmp_path):
    pixels = np.stack([PDF_PAGE, PDF_PAGE // 2, PDF_PAGE // 3], axis=2)
    source = scanned_pdf(tmp_path / "in.pdf", [pixels])
    clean_pdf(source, "in.pdf", tmp_path / "out.pdf", negative)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        np.testing.assert_array_equal(image_of(document.pages[0]), 255 - pixels)


def test_a_color_scan_that_becomes_grey_is_shown_so(tmp_path):
    pixels = np.stack([PDF_PAGE] * 3, axis=2)
    source = scanned_pdf(tmp_path / "in.pdf", [pixels])
    to_grey = lambda sheet, _: sheet._replace(pixels=sheet.pixels[:, :, 0])  # noqa: E731
    clean_pdf(source, "in.pdf", tmp_path / "out.pdf", to_grey)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        shown = image_of(document.pages[0])
        assert shown.mode == "L"
        np.testing.assert_array_equal(shown, PDF_PAGE)


BITS = np.where(drawn_pages.text(100) < 128, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("inverted", [False, True])
def test_one_bit_stays_one_in_a_pdf_and_is_kept_as_a_fax(tmp_path, inverted):
    bits = BITS[:, :-3]
    packed = np.packbits((bits > 0) ^ inverted, axis=1)
    more = {"Width": bits.shape[1], "BitsPerComponent": 1}
    more |= {"Decode": [1, 0]} if inverted else {}
    source = scanned_pdf(tmp_path / "in.pdf", [packed], **more)
    seen = []

    def clean(sheet, _):
        seen.append(sheet)
        return negative(sheet)

    clean_pdf(source, "in.pdf", tmp_path / "out.pdf", clean)
    assert seen[0].bilevel
    np.testing.assert_array_equal(seen[0].pixels, bits)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        shown = image_of(document.pages[0])
        assert shown.mode == "1"
        np.testing.assert_array_equal(np.array(shown.convert("L")), 255 - bits)
        assert len(raw_of(document).read_raw_bytes()) < packed.size / 3


def test_a_picture_that_needs_no_cleaning_stays_byte_for_byte(tmp_path):
    packed = np.packbits(BITS > 0, axis=1)
    more = {"Width": BITS.shape[1], "BitsPerComponent": 1}
    source = scanned_pdf(tmp_path / "in.pdf", [packed], **more)
    assert clean_pdf(source, "in.pdf", tmp_path / "out.pdf", lambda sheet, _: sheet) == (1, 0)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        assert raw_of(document).read_bytes() == packed.tobytes()


def raw_of(document):
    (raw,) = document.pages[0].get_images().values()
    return raw


PHOTOS = [
    ("JPEG", {"quality": 60}),
    ("JPEG", {"quality": 90}),
    ("JPEG2000", {"quality_mode": "rates", "quality_layers": [4]}),
]


@pytest.mark.parametrize(("kind", "options"), PHOTOS)
@pytest.mark.parametrize("color", [False, True])
def test_a_jpeg_page_does_not_swell(tmp_path, kind, options, color):
    """Kept without loss, the color page of quality 60 would be nine times as large."""
    pixels = np.stack([PDF_PAGE, PDF_PAGE // 2, PDF_PAGE // 3], axis=2) if color else PDF_PAGE
    Image.fromarray(pixels).save(photo := io.BytesIO(), kind, **options)
    path = scanned_pdf(tmp_path / "in.pdf", [pixels])
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        name = "/DCTDecode" if kind == "JPEG" else "/JPXDecode"
        raw_of(document).write(photo.getvalue(), filter=pikepdf.Name(name))
        document.save(path)
    clean_pdf(path, "in.pdf", tmp_path / "out.pdf", negative)
    with pikepdf.open(path) as before, pikepdf.open(tmp_path / "out.pdf") as after:
        old, new = (np.array(image_of(one.pages[0])).astype(int) for one in (before, after))
        sizes = [len(raw_of(one).read_raw_bytes()) for one in (before, after)]
    assert abs(new - (255 - old)).mean() < 4
    assert sizes[1] < 1.1 * sizes[0]


def test_the_tag_of_a_sideways_photograph_does_not_count_in_a_pdf(tmp_path):
    """Its reader shows the picture as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PDF_PAGE).save(jpeg := io.BytesIO(), "JPEG", exif=exif, quality=95)
    path = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE])
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        (raw,) = document.pages[0].get_images().values()
        raw.write(jpeg.getvalue(), filter=pikepdf.Name.DCTDecode)
        document.save(path)
    clean_pdf(path, "in.pdf", tmp_path / "out.pdf", negative)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        shown = np.array(image_of(document.pages[0])).astype(int)
    assert abs(shown - (255 - PDF_PAGE.astype(int))).mean() < 4


def test_a_scan_within_a_form_is_cleaned_too(tmp_path):
    path = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE])
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        page = document.pages[0]
        form = pikepdf.Stream(document, page.Contents.read_bytes())
        form.Type, form.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
        form.BBox, form.Resources = page.mediabox, page.Resources
        inside = pikepdf.Dictionary(Form=document.make_indirect(form))
        page.obj.Resources = pikepdf.Dictionary(XObject=inside)
        page.obj.Contents = document.make_stream(b"/Form Do")
        document.save(path)
    assert clean_pdf(path, "in.pdf", tmp_path / "out.pdf", negative) == (1, 0)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        np.testing.assert_array_equal(image_of(document.pages[0]), 255 - PDF_PAGE)


def test_an_image_of_several_pages_is_cleaned_once(tmp_path):
    with pikepdf.open(scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE])) as document:
        document.pages.append(document.pages[0])
        document.save(tmp_path / "twice.pdf")
    assert clean_pdf(tmp_path / "twice.pdf", "twice.pdf", io.BytesIO(), negative) == (1, 0)


def test_small_and_transparent_pictures_are_left_and_counted(tmp_path):
    source = tmp_path / "in.pdf"
    pages = [PDF_PAGE, PDF_PAGE[:40, :60], PDF_PAGE]
    with pikepdf.open(scanned_pdf(source, pages), allow_overwriting_input=True) as document:
        document.pages[2].Resources.XObject.Scan.SMask = image_in(document, PDF_PAGE)
        document.save(source)
    assert clean_pdf(source, "in.pdf", tmp_path / "out.pdf", negative) == (1, 2)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        small = document.pages[1].Resources.XObject.Scan
        assert small.read_bytes() == PDF_PAGE[:40, :60].tobytes()


def test_a_small_picture_on_a_page_is_no_scan(tmp_path):
    source = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE[:40, :60]])
    with pytest.raises(InputError, match=r"in\.pdf holds no scanned page"):
        clean_pdf(source, "in.pdf", tmp_path / "out.pdf", negative)


def pdf_refused(source, sentence):
    target = source.with_name("out.pdf")
    target.write_bytes(b"old")
    with pytest.raises(InputError, match=re.escape(sentence)) as error:
        clean_pdf(source, source.name, target, negative)
    assert str(error.value).count("\n") == 0
    assert str(error.value).count(source.name) == 1
    assert target.read_bytes() == b"old"
    assert {path.name for path in source.parent.iterdir()} <= {source.name, target.name}


def test_a_pdf_without_pictures_is_refused(tmp_path):
    with pikepdf.new() as document:
        document.add_blank_page()
        document.save(tmp_path / "text.pdf")
    pdf_refused(tmp_path / "text.pdf", "text.pdf holds no scanned page")


def test_a_pdf_with_a_password_is_refused(tmp_path):
    path = tmp_path / "secret.pdf"
    with pikepdf.open(scanned_pdf(path, [PDF_PAGE]), allow_overwriting_input=True) as document:
        document.save(path, encryption=pikepdf.Encryption(owner="a", user="b"))
    pdf_refused(path, "secret.pdf has a password; save it without one.")


@pytest.mark.fault("a picture of an odd kind, or none")
def test_a_damaged_or_missing_pdf_is_refused(tmp_path):
    path = tmp_path / "in.pdf"
    pdf_refused(path, "There is no file in.pdf")
    path.write_bytes(b"%PDF-1.5\nnothing")
    pdf_refused(path, "in.pdf cannot be read (unable to find ")
    path.write_bytes(b"")
    pdf_refused(path, "in.pdf cannot be read (unable to find ")
    with pytest.raises(InputError, match=r"^standard input cannot be read \(unable to find "):
        clean_pdf(b"%PDF-1.5", "standard input", tmp_path / "out.pdf", negative)


@pytest.mark.fault("a picture of an odd kind, or none")
def test_a_damaged_picture_in_a_pdf_is_refused_with_its_page(tmp_path):
    path = tmp_path / "in.pdf"
    with pikepdf.open(scanned_pdf(path, [PDF_PAGE] * 2), allow_overwriting_input=True) as document:
        (raw,) = document.pages[1].get_images().values()
        raw.write(b"\xff\xd8\xff nothing", filter=pikepdf.Name.DCTDecode)
        document.save(path)
    pdf_refused(path, "in.pdf, page 2 cannot be read")


def test_a_pdf_comes_and_goes_through_pipes(tmp_path):
    source = scanned_pdf(tmp_path / "in.pdf", [PDF_PAGE])
    out = io.BytesIO()
    clean_pdf(source.read_bytes(), "standard input", out, negative)
    with pikepdf.open(out) as document:
        assert str(document.docinfo["/Producer"]) == SOFTWARE
        np.testing.assert_array_equal(image_of(document.pages[0]), 255 - PDF_PAGE)
