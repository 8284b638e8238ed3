"""What claims and errata measure, on networks and data whose values are known."""

import dataclasses
from types import SimpleNamespace

from ae import cli, datasets, metrics
from ae.proof import claims, digits, errata, garments, judges, reproduced
from tutorials.articles import (
    conv_denoiser,
    dense_ae,
    document_cleaner,
    fashion_vae,
    low_level_ae,
    sigmoid_ae,
)

import numpy as np
import pytest
import tensorflow as tf
from running import EACH_LESSON, lesson, smoke_settings
from stand_ins import Net


def test_claims_are_measured_at_the_articles_settings(monkeypatch, tmp_path):
    (result,) = measured = [{"claim": "It works.", "quantity": "error", "value": 1.0}]
    result |= {"at_least": 0, "at_most": None, "holds": True}
    monkeypatch.setattr(claims, "measure", lambda *_: measured)
    record = cli.run(lesson("tiny_ae"), cli.article_options(style="keras"), tmp_path / "run")
    assert [training["claims"] for training in record["trainings"]] == [measured]


def test_noise_is_what_differs_between_outputs_of_one_image():
    """Copies keep all of it, a constant keeps none, half the contrast keeps a quarter."""
    clean = np.random.default_rng(0).random((20, 28, 28, 1)).astype("float32")
    data = SimpleNamespace(x_test=clean)
    left = conv_denoiser.noise_left
    assert left(lambda x: x, data) == 1
    assert left(lambda x: 0 * x + clean, data) < 1e-9  # what is lost each time does not count
    assert left(lambda x: x / 2, data) == pytest.approx(0.25)
    assert conv_denoiser.noise_left_by_network(Net(), data, None) == 1
    median = left(metrics.median_filter, data)
    assert 0 < median < 1
    beside = conv_denoiser.noise_left_beside_median(Net(), data, None)
    assert beside == pytest.approx(1 / median)


def test_distinct_clusters_are_those_of_the_mean_codes(monkeypatch):
    monkeypatch.setattr(garments, "codec", lambda network: network)
    y = np.arange(40) % 2
    data = SimpleNamespace(x_train=y, y_train=y, x_test=y, y_test=y)
    apart, mixed = (lambda x: np.stack([x, x], 1)), (lambda x: np.zeros((len(x), 2)))
    network = SimpleNamespace(encode=lambda x: (apart(x), mixed(x)))
    assert garments.worst_recall(network, data, None) == 1
    assert garments.clearer(lambda x, settings: mixed, network, data, None) == pytest.approx(0.5)


def test_new_clothes_are_drawn_from_their_own_class(monkeypatch):
    """Class k has codes around (k, -k), and so has what is drawn of it, if it stays there."""
    seen = []

    def predict(new, **_):
        seen.append(new)
        return np.eye(10)[np.full(len(new), len(seen) - 1)]

    monkeypatch.setattr(garments, "train_classifier", lambda _: SimpleNamespace(predict=predict))
    y = np.arange(60) % 10
    codes = np.stack([y, -y], 1).astype("float32")
    network = Net(encode=lambda x: (tf.constant(codes), tf.fill([60, 2], -9.0)))
    data = SimpleNamespace(x_train=np.zeros((60, 1), "float32"), y_train=y)
    assert fashion_vae.recognised(network, data, smoke_settings("fashion_vae")) == 1
    for k, z in enumerate(seen):
        np.testing.assert_allclose(z, [[k, -k]] * 100, atol=0.01)


def test_new_clothes_vary_as_their_codes_do():
    """Real ones are 1 apart, and new ones half as far: codes are decoded to images as they are."""
    y = np.repeat([0, 1], 100)
    x = np.tile(np.float32([[0, 0], [2, 2]]), (100, 1))
    network = Net(encode=lambda x: (tf.zeros([200, 2]), tf.zeros([200, 2])))
    data = SimpleNamespace(x_train=x, y_train=y)

    def draw_codes(z_mean, s, number, settings):
        return np.tile(np.float32([[0, 0], [1, 1]]), (number // 2, 1)) + 5

    assert garments.varied(draw_codes, network, data, None) == pytest.approx(0.5)


@pytest.fixture
def judged(monkeypatch):
    """The new images that a judge was shown; it says that half as many look right as of real."""
    seen = []

    def share_typical(examples, real, new):
        seen.append(new)
        return 0.5

    monkeypatch.setattr(garments, "share_typical", share_typical)
    monkeypatch.setattr(judges, "share_typical", share_typical)
    return seen


def test_clothes_are_drawn_from_the_prior(judged):
    """Codes are decoded to images as they are."""
    network = Net(encode=lambda x: (tf.fill([1, 2], 7.0), tf.fill([1, 2], 7.0)))
    data = SimpleNamespace(
        x_train=np.ones((5, 2), "float32"), y_train=np.zeros(5), x_test=np.zeros((3000, 2))
    )
    assert garments.drawn_and_typical(network, data, smoke_settings("fashion_vae")) == 0.5
    (new,) = judged
    np.testing.assert_allclose(new.mean(axis=0), [0, 0], atol=0.08)
    np.testing.assert_allclose(np.cov(new.T), np.eye(2), atol=0.1)


def test_the_learned_plane_is_compared_with_pca(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    data = SimpleNamespace(
        x_train=rng.random((40, 2)), y_train=y, x_test=rng.random((20, 2)), y_test=y[:20]
    )
    encoders = {
        "PCA": lambda x: 0 * x,
        "autoencoder": lambda x: np.stack([y[: len(x)], y[: len(x)]], 1).astype(float),
    }
    monkeypatch.setattr(digits, "two_d_encoders", lambda *_: encoders)
    gained = digits.separation_gained(1, None, data, smoke_settings("sigmoid_ae"))
    assert gained == pytest.approx(0.5)


def test_noise_is_measured_on_what_is_reconstructed():
    black = np.zeros((2, 4), "float32")
    data = SimpleNamespace(x_train=black, x_test=black)
    network = Net(decode=lambda z: tf.constant(np.float32([[0, 0.2, 0, 0.2]] * 2)))
    assert sigmoid_ae.noise(network, data, None) == pytest.approx(0.1)


def test_the_derivative_of_a_sigmoid_is_averaged_over_the_code():
    data = SimpleNamespace(x_test=np.float32([[0.5, 0.9], [1.0, 0.5]]))
    expected = (0.25 + 0.09 + 0 + 0.25) / 4
    assert sigmoid_ae.derivative(Net(), data, None) == pytest.approx(expected)


def test_random_codes_are_drawn_as_the_codes_lie(judged):
    """Their mean and covariance are the training codes'."""
    codes = np.float32(np.random.default_rng(0).normal([1, -2], [0.5, 3], (500, 2)))
    data = SimpleNamespace(x_train=codes, y_train=codes[:, 0], x_test=np.zeros((3000, 2)))
    assert digits.drawn_and_typical(Net(), data, smoke_settings("dense_ae")) == 0.5
    (new,) = judged
    np.testing.assert_allclose(new.mean(axis=0), codes.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(new.T), np.cov(codes.T), atol=0.6)


def share_typical(data, new):
    flat = [images.reshape(len(images), -1) for images in (data.x_train, data.x_test[:1000], new)]
    return judges.share_typical(judges.Hashable(flat[0], data.y_train), *flat[1:])


@pytest.mark.long
@pytest.mark.parametrize("load", [datasets.load_mnist, datasets.load_fashion_mnist])
def test_only_images_like_the_data_look_like_the_data(load):
    """Tried on images of known kinds: real ones, noise, blends, mixed pixels, a blank, the mean."""
    images = load()
    x_train, x_test = images.x_train[:20_000] / 255, images.x_test / 255
    data = SimpleNamespace(x_train=np.float32(x_train), x_test=np.float32(x_test))
    data.y_train = images.y_train[:20_000]
    others, more = data.x_test[1000:2000], data.x_test[2000:3000]
    rng = np.random.default_rng(0)
    assert share_typical(data, others) == pytest.approx(1, abs=0.1)
    for unlike, most in [
        (rng.random(others.shape, "float32"), 0.02),
        (rng.permuted(others.reshape(1000, -1), axis=1), 0.1),
        ((others + more) / 2, 0.35),
        (0 * others[:10], 0),
        (data.x_train.mean(axis=0, keepdims=True), 0),
    ]:
        assert share_typical(data, unlike) <= most


def test_speckle_that_is_always_the_same_does_not_mislead_the_neighbours():
    """Where no digit has ink, noise counts nothing; digits that become one digit lose it all."""
    rng = np.random.default_rng(0)
    y = np.arange(3000) % 10
    x = np.zeros((3000, 20), "float32")
    x[np.arange(3000), y] = 1 - 0.1 * rng.random(3000)
    data = SimpleNamespace(x_train=x[:2000], y_train=y[:2000], x_test=x[2000:], y_test=y[2000:])
    speckle = np.float32([[0] * 10 + list(50 * rng.random(10))])
    speckled = Net(decode=lambda z: z + speckle)
    assert digits.accuracy_lost_by_neighbours(speckled, data, None) == 0
    one = Net(decode=lambda z: 0 * z + x[:1])
    assert digits.accuracy_lost_by_neighbours(one, data, None) == pytest.approx(0.9)


def test_classifiers_learn_from_count_labels_and_are_judged_on_test_digits(monkeypatch):
    """The labels beyond `count`, and those of the training digits, are wrong."""
    fit = judges.fit
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    x = np.repeat(np.eye(10, dtype="float32")[y], 79, axis=1)[:, :784]
    wrong = np.where(np.arange(300) < 100, y[:300], (y[:300] + 1) % 10)
    data = SimpleNamespace(x_train=x[:300], y_train=wrong, x_test=x[300:], y_test=y[300:])
    monkeypatch.setattr(judges, "fit", lambda model, batches, steps: fit(model, batches, 40))
    settings = smoke_settings("dense_ae", label_counts=(100,))
    found = dense_ae.compare_classifiers(dense_ae.build_keras(), data, settings)
    assert found["from scratch"][0] > 0.95


def test_shares_of_pixels_are_counted():
    x = np.float32([[-0.5, 0.05, 0.5, 0.95, 1.5]])
    data = SimpleNamespace(x_test=x, x_test_noisy=x)
    assert conv_denoiser.out_of_range(Net(), data, None) == pytest.approx(0.4)
    assert low_level_ae.greys(Net(), data, None) == pytest.approx(0.2)


def test_the_vae_s_gap_is_test_above_validation():
    x = np.full((2, 4), 0.5, "float32")
    net = Net(decode=lambda z: z * 0 + 0.5)
    same = SimpleNamespace(x_val=x, x_test=x)
    assert fashion_vae.validation_gap(net, same, None) == pytest.approx(0)
    gap = fashion_vae.validation_gap(Net(), SimpleNamespace(x_val=x * 0, x_test=x), None)
    assert gap == pytest.approx(np.log(2), rel=1e-3)


def test_squashed_pages_are_compared_with_whole_ones(monkeypatch):
    page = np.tile(np.arange(420, dtype=np.uint8)[:, None], (1, 540))
    documents = SimpleNamespace(train=[SimpleNamespace(clean=page)])
    monkeypatch.setattr(datasets, "load_or_generate_documents", lambda *_: documents)
    monkeypatch.setattr(
        document_cleaner.readability,
        "error_rates",
        lambda shown, fitted: [(shown[0].shape[0], fitted[0].shape[0])],
    )
    for variant, rows in (("published", (420, 258)), ("corrected", (258, 258))):
        settings = smoke_settings("document_cleaner", variant=variant)
        assert document_cleaner.misread(None, None, settings) == rows


def test_a_difference_says_which_is_which(monkeypatch):
    erratum = lesson("conv_denoiser").errata[0]
    entry = {"erratum": erratum.quote, "quantity": "error"}
    entry |= {"published": [3.0, 1.0, 2.0], "changed": [9.0]}
    monkeypatch.setattr(errata, "read", lambda _: {"measured": [entry]})
    words = "error: 1 to 3 as published, 9 with output linear"
    assert errata.differences(lesson("conv_denoiser"), erratum) == [words]


@EACH_LESSON
def test_an_erratum_names_the_run_that_its_change_makes(name):
    a_lesson = lesson(name)
    for erratum in a_lesson.errata:
        setting, value = erratum.change
        changed = dataclasses.replace(a_lesson.presets["article"], **{setting: value})
        about = {"settings": dataclasses.asdict(changed), "data": {"notice": ""}}
        assert errata.changed_title(a_lesson, erratum) == reproduced.title(a_lesson, about)
