"""The lessons on digits: their data, and an article's closing idea."""

from ae import datasets
from tutorials import dense_ae
from tutorials.articles.dense_ae import compare_classifiers

import numpy as np
import pytest
from running import lesson, read_record, run, smoke_settings


def test_digits_are_those_after_the_first_five_thousand():
    mnist = datasets.load_mnist()
    for name in ("dense_ae", "sigmoid_ae", "low_level_ae"):
        data = lesson(name).load(smoke_settings(name), None)
        kept = mnist.x_train[5000 : 5000 + len(data.x_train)].reshape(-1, 784)
        np.testing.assert_allclose(data.x_train, kept / 255, atol=1e-6)
        np.testing.assert_allclose(data.x_test[-1], mnist.x_test[127].ravel() / 255, atol=1e-6)
        assert data.x_train.dtype == "float32"


@pytest.mark.long
def test_a_classifier_on_few_labels_does_better_than_chance(tmp_path):
    arguments = ["--preset", "smoke", "--style", "keras", "--classifier", "--out", tmp_path]
    assert run("dense_ae", *arguments) == 0
    (training,) = read_record(tmp_path)["trainings"]
    accuracies = training["results"]["classifier_accuracy"]
    assert set(accuracies) == {"trained encoder", "from scratch"}
    for start in accuracies.values():
        assert len(start) == 2  # 100 and 200 labelled digits
        assert all(0.4 < accuracy < 1 for accuracy in start)  # chance is 0.1
    assert training["figures"][1:] == ["figures/keras-classifier.png"]


def test_only_one_of_the_classifiers_begins_with_the_trained_encoder():
    settings = smoke_settings("dense_ae", label_counts=(100,))
    dead = dense_ae.build_keras()
    dead.set_weights([0 * w for w in dead.get_weights()])  # ReLUs at zero never learn
    data = dense_ae.load(settings, None)
    accuracies = compare_classifiers(dead, data, settings)
    assert accuracies["trained encoder"][0] < 0.25 < 0.4 < accuracies["from scratch"][0]
