"""Images and pages of the user's own in place of the data sets."""

from ae import datasets
from ae.datasets.own_images import OwnImages, read_images
from ae.datasets.own_pages import HEIGHT, WIDTH, OwnPairs, read_pairs
from ae.errors import InputError

import numpy as np
import pytest
from PIL import Image


def put_images(folder, number, value=0, size=(28, 28), suffix="png"):
    """Writes images whose greys are `value`, `value` + 1 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        Image.new("L", size, value + i).save(folder / f"{value + i}.{suffix}")


def greys(images):
    return [int(image.flat[0]) for image in images]


def test_images_are_split_by_the_seed_and_none_is_lost(tmp_path):
    put_images(tmp_path, 119)
    splits = []
    for seed in (0, 0, 1):
        x_train, _, x_test, _, _, _ = read_images(OwnImages(tmp_path, seed))
        assert sorted(greys(x_train) + greys(x_test)) == list(range(119))
        assert len(x_test) == 17
        splits.append(greys(x_test))
    assert splits[0] == splits[1] != splits[2]


def test_sub_folders_are_classes(tmp_path):
    put_images(tmp_path / "cats", 60, 0)
    put_images(tmp_path / "dogs" / "old", 60, 100)
    x_train, y_train, x_test, y_test, class_names, _ = read_images(OwnImages(tmp_path, 0))
    assert class_names == ("cats", "dogs")
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert y.tolist() == [int(grey >= 100) for grey in greys(x)]


def test_images_beside_sub_folders_are_of_one_class(tmp_path):
    put_images(tmp_path / "pets", 60)
    put_images(tmp_path / "pets" / "dogs", 60, 100)
    _, y_train, _, _, class_names, _ = read_images(OwnImages(tmp_path / "pets", 0))
    assert (class_names, set(y_train.tolist())) == (("pets",), {0})


def test_images_become_grey_and_small(tmp_path):
    put_images(tmp_path, 112)
    Image.new("RGB", (300, 100), (255, 0, 0)).save(tmp_path / "red.jpg", quality=100)
    half = np.repeat([[0, 255]], [56, 56], axis=1).repeat(56, axis=0).astype(np.uint8)
    Image.fromarray(half).save(tmp_path / "half.tif")
    x_train, _, x_test, _, _, provenance = read_images(OwnImages(tmp_path, 0))
    images = np.concatenate([x_train, x_test])
    assert images.shape == (114, 28, 28)
    assert images.dtype == np.uint8
    assert any(abs(int(image.min()) - 76) < 2 and np.ptp(image) < 2 for image in images)  # red
    assert any((image[:, :13] == 0).all() and (image[:, 15:] == 255).all() for image in images)
    assert "114 own images" in provenance.notice


def test_hidden_files_and_others_are_passed_over(tmp_path):
    put_images(tmp_path, 112)
    put_images(tmp_path / ".thumbnails", 5)
    (tmp_path / "._0.png").write_bytes(b"of macOS")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.4")
    x_train, _, x_test, _, _, _ = read_images(OwnImages(tmp_path, 0))
    assert len(x_train) + len(x_test) == 112


def test_what_is_no_set_of_images(tmp_path):
    with pytest.raises(InputError, match="none is not a folder; name one"):
        read_images(OwnImages(tmp_path / "none", 0))
    put_images(tmp_path, 111)
    with pytest.raises(InputError, match="has 111 images; a lesson needs 112 or more"):
        read_images(OwnImages(tmp_path, 0))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"bad\.png cannot be read as a picture"):
        read_images(OwnImages(tmp_path, 0))


def test_another_image_is_another_set(tmp_path):
    put_images(tmp_path, 112)
    before = read_images(OwnImages(tmp_path, 0))[-1].sha256
    assert read_images(OwnImages(tmp_path, 0))[-1].sha256 == before
    Image.new("L", (28, 28), 200).save(tmp_path / "0.png")
    assert read_images(OwnImages(tmp_path, 0))[-1].sha256 != before


def test_each_loader_takes_own_images(tmp_path):
    put_images(tmp_path, 112)
    own = OwnImages(tmp_path, 0)
    expected = greys(read_images(own)[0])
    assert greys(datasets.load_mnist(own).x_train) == expected
    assert greys(datasets.load_fashion_mnist(own).x_train) == expected
    digits = datasets.read_data_sets(own, num_test=4)
    assert greys(np.rint(digits.x_train * 255)) == expected  # none is set aside
    assert digits.x_test.shape == (4, 784)


def put_pages(folder, names, size=(WIDTH, HEIGHT), ink=0):
    """Writes pages; the grey of a page is its number in `names`, plus `ink`."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.new("L", size, i + ink).save(folder / name)


def test_pairs_are_of_one_name(tmp_path):
    put_pages(tmp_path / "dirty", [f"{i}.png" for i in range(8)], ink=100)
    put_pages(tmp_path / "clean", [f"{i}.tif" for i in range(8)])
    documents = read_pairs(OwnPairs(tmp_path / "dirty", tmp_path / "clean", 0))
    assert all(page.dirty[0, 0] == page.clean[0, 0] + 100 for page in documents.train)
    assert all(page.clean is None for page in documents.test)
    pages = [page.dirty[0, 0] for page in (*documents.train, *documents.test)]
    assert sorted(pages) == list(range(100, 108))
    kinds = [page.partition for page in documents.train]
    assert (kinds.count("VA"), len(documents.test)) == (2, 2)  # one of seven, rounded up
    assert "8 own pages" in documents.provenance.notice


def test_dirty_pages_without_an_original_are_for_testing(tmp_path):
    put_pages(tmp_path / "dirty", [f"{i}.png" for i in range(5)])
    put_pages(tmp_path / "clean", [f"{i}.png" for i in range(3)])
    documents = read_pairs(OwnPairs(tmp_path / "dirty", tmp_path / "clean", 0))
    assert len(documents.train) == 3
    assert sorted(page.dirty[0, 0] for page in documents.test) == [3, 4]


def test_large_pages_are_cut_and_small_ones_filled(tmp_path):
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (2 * HEIGHT + 7, WIDTH + 50), np.uint8)
    for folder in ("dirty", "clean"):
        put_pages(tmp_path / folder, ["a.png", "b.png", "c.png"], size=(100, 60))
        Image.fromarray(large).save(tmp_path / folder / "large.png")
    (tmp_path / "clean" / "large.png").unlink()  # so that it is a test page
    documents = read_pairs(OwnPairs(tmp_path / "dirty", tmp_path / "clean", 0))
    first, second = documents.test
    np.testing.assert_array_equal(first.dirty, large[:HEIGHT, :WIDTH])
    np.testing.assert_array_equal(second.dirty, large[HEIGHT : 2 * HEIGHT, :WIDTH])
    for page in documents.train:
        assert page.dirty.shape == (HEIGHT, WIDTH)
        assert (page.dirty[60:] == 255).all() and (page.dirty[:, 100:] == 255).all()
        assert np.ptp(page.dirty[:60, :100]) == 0


def test_what_is_no_set_of_pairs(tmp_path):
    put_pages(tmp_path / "dirty", ["a.png", "b.png", "c.png"])
    put_pages(tmp_path / "clean", ["a.png", "b.png", "other.png"])
    own = OwnPairs(tmp_path / "dirty", tmp_path / "clean", 0)
    with pytest.raises(InputError, match="have 2 pairs; give a dirty page and its clean original"):
        read_pairs(own)
    put_pages(tmp_path / "clean", ["a.png", "b.png", "c.png"], size=(WIDTH, HEIGHT + 1))
    with pytest.raises(InputError, match=r"(.)\.png and .*\1\.png differ in their sizes"):
        read_pairs(own)
