"""Four pages of a few pixels, laid out and registered as the real ones."""

import zipfile

from ae.datasets import noisy_office
from ae.pictures import write_grey

import numpy as np

SHAPE = (6, 9)
INDICES = (0, 1, 2, 4)  # the pages of the small registry: one TE, two TR, one VA


def fake_pages(shape=SHAPE):
    """Pixels by UCI's names; the two TR pages share their clean original, as the real ones do."""
    rng = np.random.default_rng(0)
    pages = {}
    for index in INDICES:
        for name in noisy_office.page_names(**noisy_office.describe_page(index)).values():
            pages.setdefault(name, rng.integers(0, 256, shape, np.uint8))
    return pages


def write_kaggle(folder):
    for index in INDICES:
        description = noisy_office.describe_page(index)
        names = noisy_office.page_names(**description)
        places = {"dirty": "train", "clean": "train_cleaned"}
        if description["partition"] == "TE":
            places = {"dirty": "test"}
        for kind, place in places.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            write_grey(folder / place / f"{index + 1}.png", fake_pages()[names[kind]])
    return folder


def write_uci(folder):
    """UCI's layout, in which the binary and the doubled originals bear the grey ones' names."""
    for name, pixels in fake_pages().items():
        if "Clean" in name:
            places = {
                "clean_images_binaryscale": np.where(pixels > 127, 255, 0).astype(np.uint8),
                "clean_images_grayscale_doubleresolution": pixels.repeat(2, 0).repeat(2, 1),
                "clean_images_grayscale": pixels,
            }
        else:
            places = {"simulated_noisy_images_grayscale": pixels}
        for place, version in places.items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            write_grey(folder / place / name, version)
    return folder


def write_zip(path, folder, prefix="SimulatedNoisyOffice"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, f"{prefix}/{file.relative_to(folder)}")
    return path


def check(pages):
    """Compares what was loaded with what was written; returns the digest."""
    expected = fake_pages()
    assert [page.partition for page in pages.train] == ["TR", "VA", "TR"]
    assert [page.partition for page in pages.test] == ["TE"]
    for page in (*pages.train, *pages.test):
        names = noisy_office.page_names(
            page.size, page.font, page.emphasis, page.noise, page.partition
        )
        np.testing.assert_array_equal(page.dirty, expected[names["dirty"]])
        if page.partition == "TE":
            assert page.clean is None
        else:
            np.testing.assert_array_equal(page.clean, expected[names["clean"]])
    assert not pages.synthetic
    return pages.provenance.sha256
