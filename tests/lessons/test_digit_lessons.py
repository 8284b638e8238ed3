"""The lessons on digits: their data, and an article's closing idea."""

from types import SimpleNamespace

from ae import datasets
from ae.proof import judges
from tutorials import dense_ae
from tutorials.articles import dense_ae as article
from tutorials.articles.dense_ae import compare_classifiers

import keras
import numpy as np
import pytest
from running import lesson, read_record, run, smoke_settings
from stand_ins import NoFit


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


def test_every_size_of_the_code_is_judged_beside_pca(monkeypatch):
    """A stand-in for training leaves networks that make black images, whose errors are known."""
    trained = []

    def train(network, data, settings, run):
        trained.append((network.get_layer("encoder").output_shape[-1], run.num_epochs))
        network.set_weights([0 * w for w in network.get_weights()])

    monkeypatch.setattr(article, "train_keras", train)
    monkeypatch.setattr(article, "CODE_SIZES", (1, 20, 784))
    settings = smoke_settings("dense_ae", num_epochs=3)
    data = dense_ae.load(settings, None)
    kept = article.compare_code_sizes(data, settings)
    assert trained == [(1, 3), (20, 3), (784, 3)]
    error, detail, recognised = kept.values()
    black = np.square(data.x_test).sum() / len(data.x_test)
    assert error["autoencoder"] == pytest.approx([black] * 3, rel=1e-5)
    assert detail["autoencoder"] == pytest.approx([0] * 3, abs=1e-6)
    mean = data.x_train.mean(axis=0)
    _, _, directions = np.linalg.svd(data.x_train - mean, full_matrices=False)
    for number, found in zip((1, 20), error["PCA"], strict=False):
        rest = (data.x_test - mean) @ directions[number:].T
        beyond = (
            np.square(data.x_test - mean).sum()
            - np.square((data.x_test - mean) @ directions.T).sum()
        )
        assert found == pytest.approx((np.square(rest).sum() + beyond) / 128, rel=1e-4)
    assert detail["PCA"] == sorted(detail["PCA"])
    assert len(set(recognised["autoencoder"])) == 1  # the same black images
    assert recognised["PCA"][2] > recognised["PCA"][0] + 0.2


def test_false_detail_does_not_count_as_detail():
    data = dense_ae.load(smoke_settings("dense_ae"), None)
    x, rng = data.x_test, np.random.default_rng(0)
    noise = rng.random(x.shape, "float32")
    assert article.detail_kept(data, x) == 1
    assert article.detail_kept(data, np.zeros_like(x)) == 0
    assert article.detail_kept(data, noise) < 0
    assert article.detail_kept(data, x[rng.permutation(len(x))]) < 0  # of other digits
    assert article.detail_kept(data, x / 2) == pytest.approx(0.75)
    assert article.squared_error(data, x + 0.5) == pytest.approx(784 / 4, rel=1e-5)


def test_both_classifiers_get_the_same_steps_on_the_same_digits(monkeypatch):
    """Three hundred steps, a thousand, or five passes in minibatches of 64."""
    fit = NoFit()
    monkeypatch.setattr(judges, "fit", fit)
    rng = np.random.default_rng(0)
    x, y = rng.random((1200, 784)).astype("float32"), np.arange(1200) % 10
    data = SimpleNamespace(x_train=x, y_train=y, x_test=x[:300], y_test=y[1:301])
    steps = {100: 300, 1000: 1000, 55_000: 4296}  # digits, though only 1200 are there
    settings = smoke_settings("dense_ae", label_counts=tuple(steps), seed=3)
    trained = dense_ae.build_keras()
    accuracies = compare_classifiers(trained, data, settings)
    assert list(accuracies) == ["trained encoder", "from scratch"]
    keras.utils.set_random_seed(3)
    networks = {"trained encoder": trained, "from scratch": dense_ae.build_keras()}
    encoders = {name: network.get_layer("encoder") for name, network in networks.items()}
    pairs = list(zip(fit.asked[::2], fit.asked[1::2], strict=True))
    for number, (count, pair) in enumerate(zip(steps, pairs, strict=True)):
        for name, asked in zip(accuracies, pair, strict=True):
            assert (asked.steps, asked.num_epochs) == (steps[count], 1)
            assert asked.model.loss == "sparse_categorical_crossentropy"
            assert type(asked.model.optimizer) is keras.optimizers.Adam
            assert float(asked.model.optimizer.learning_rate) == pytest.approx(0.001)
            for w, expected in zip(
                asked.first_weights[:6], encoders[name].get_weights(), strict=True
            ):
                np.testing.assert_array_equal(w, expected)
            assert [w.shape for w in asked.first_weights[6:]] == [(128, 10), (10,)]
            scores = asked.model.predict(data.x_test, verbose=0)
            np.testing.assert_allclose(scores.sum(axis=1), np.ones(300), rtol=1e-5)
            right = np.mean(scores.argmax(axis=1) == data.y_test)
            assert accuracies[name][number] == pytest.approx(right)
            shown, labels = (part.numpy() for part in asked.minibatch)
            rows = [np.flatnonzero((x == row).all(axis=1))[0] for row in shown]
            assert len(rows) == 64
            assert max(rows) < count
            assert rows != sorted(rows)
            np.testing.assert_array_equal(labels, y[rows])
        ours, theirs = pair
        np.testing.assert_array_equal(ours.minibatch[0], theirs.minibatch[0])
        np.testing.assert_array_equal(ours.first_weights[6], theirs.first_weights[6])
