from ae.datasets import ImageSet, load_fashion_mnist, load_mnist
from ae.datasets.images import load_image_set

import numpy as np
import pytest
from tiny_images import TINY, make_data_set, place

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("load", "train_labels", "test_labels", "train_sum", "test_sum"),
    [
        (load_mnist, MNIST_TRAIN, MNIST_TEST, 1567298545, 264923200),
        (load_fashion_mnist, [6000] * 10, [1000] * 10, 3431114169, 573469082),
    ],
)
def test_the_real_data(load, train_labels, test_labels, train_sum, test_sum):
    images = load()
    assert isinstance(images, ImageSet)
    assert images.x_train.shape == (60000, 28, 28)
    assert images.x_test.shape == (10000, 28, 28)
    arrays = (images.x_train, images.y_train, images.x_test, images.y_test)
    assert {array.dtype for array in arrays} == {np.dtype(np.uint8)}
    assert np.bincount(images.y_train).tolist() == train_labels
    assert np.bincount(images.y_test).tolist() == test_labels
    assert images.x_train.sum(dtype=np.int64) == train_sum
    assert images.x_test.sum(dtype=np.int64) == test_sum
    assert len(images.class_names) == 10
    assert len(images.provenance.sha256) == 4
    assert "\n" not in images.provenance.source


def test_images_meet_their_labels():
    digits = load_mnist()
    assert digits.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    clothes = load_fashion_mnist()
    assert clothes.class_names[clothes.y_train[0]] == "Ankle boot"
    means = [clothes.x_train[clothes.y_train == label].mean() for label in range(10)]
    assert clothes.class_names[int(np.argmin(means))] == "Sandal"


@pytest.mark.usefixtures("nothing_to_be_found")
def test_each_file_becomes_its_array(tmp_path):
    place(tmp_path / "mine")
    images = load_image_set(make_data_set(tmp_path), tmp_path / "mine")
    assert images.x_train.shape == (12, 4, 3)
    assert images.x_train.tobytes() == TINY["train-images-idx3-ubyte"][16:]
    assert images.y_train.tobytes() == TINY["train-labels-idx1-ubyte"][8:]
    assert images.x_test.tobytes() == TINY["t10k-images-idx3-ubyte"][16:]
    assert images.y_test.tobytes() == TINY["t10k-labels-idx1-ubyte"][8:]
    assert images.provenance.source == (tmp_path / "mine").as_posix()
