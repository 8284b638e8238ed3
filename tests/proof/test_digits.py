"""Compares the measures of claims about digits with independent computations."""

from types import SimpleNamespace

from ae import metrics
from ae.proof import digits, judges
from ae.proof.judges import Hashable

import keras
import numpy as np
import pytest
import tensorflow as tf
from stand_ins import Net

RNG = np.random.default_rng(0)


def votes(train_codes, train_labels, code, k):
    """Counts the votes of the k nearest, in a loop over all."""
    distances = [sum((a - b) ** 2 for a, b in zip(code, z, strict=True)) for z in train_codes]
    nearest = sorted(range(len(distances)), key=distances.__getitem__)[:k]
    return [sum(train_labels[i] == label for i in nearest) for label in range(10)]


@pytest.mark.parametrize("k", [1, 2, 5, 10])
@pytest.mark.parametrize("features", [1, 2, 7])
def test_neighbours_vote_as_in_a_loop_over_all_pairs(features, k):
    labels = RNG.integers(0, 10, 150)
    codes = RNG.normal(size=(150, features)) + 0.5 * labels[:, None]
    train, test = slice(0, 100), slice(100, None)
    counted = [votes(codes[train], labels[train], code, k) for code in codes[test]]
    chosen = [c.index(max(c)) for c in counted]
    assert 0 < np.mean(chosen == labels[test]) < 1
    ours = metrics.knn_labels(codes[train], labels[train], codes[test], k=k)
    np.testing.assert_array_equal(ours, chosen)


def test_with_fewer_examples_than_neighbours_all_vote():
    codes, labels = np.array([[0.0], [1], [2]]), np.array([4, 4, 1], "uint8")
    assert metrics.knn_labels(codes, labels, np.array([[2.0]]), k=10) == [4]


def test_of_equal_votes_the_smallest_label_wins():
    codes, labels = np.array([[0.0], [1]]), np.array([7, 3])
    assert metrics.knn_labels(codes, labels, np.array([[0.0]]), k=2) == [3]


@pytest.mark.parametrize("number", [0, 1, 4, 8])
def test_the_error_of_pca_is_the_discarded_part_of_the_spectrum(number):
    x = RNG.normal(size=(300, 8)) @ RNG.normal(size=(8, 8)) + 5
    eigenvalues = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    expected = eigenvalues[number:].sum() / 8
    assert metrics.pca_error(x, x, number) == pytest.approx(expected, abs=1e-12)


def test_pca_learns_from_the_training_data_alone():
    x_train = np.array([[0.0, 0, 0], [2, 0, 0]])  # mean (1, 0, 0), first component (1, 0, 0)
    assert metrics.pca_error(x_train, np.array([[9.0, 3, 0]]), 1) == pytest.approx(9 / 3)
    assert metrics.pca_error(x_train, np.array([[9.0, 3, 0]]), 0) == pytest.approx((64 + 9) / 3)


def test_the_principal_angle_is_that_of_qr_and_svd():
    for k, l in [(1, 1), (3, 3), (2, 5)]:
        a, b = RNG.normal(size=(k, 9)), RNG.normal(size=(l, 9))
        bases = [np.linalg.qr(matrix.T)[0] for matrix in (a, b)]
        cosines = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
        expected = np.degrees(np.arccos(cosines.min()))
        assert metrics.principal_angle(a, b) == pytest.approx(expected, abs=1e-6)
        mixed = RNG.normal(size=(k, k)) @ a  # another basis of the same span
        assert metrics.principal_angle(mixed, b) == pytest.approx(expected, abs=1e-6)


def test_known_angles():
    plane = np.eye(3)[:2]
    tilted = np.array([[1, 0, 0], [0, np.cos(np.radians(30)), np.sin(np.radians(30))]])
    assert metrics.principal_angle(tilted, plane) == pytest.approx(30)
    assert metrics.principal_angle(plane[::-1] * 4, plane) == pytest.approx(0, abs=1e-6)
    assert metrics.principal_angle(np.eye(3)[1:], plane) == pytest.approx(90)


def test_the_nearest_angle_knows_a_turned_basis_from_the_components():
    plane, turn = np.eye(3)[:2], np.array([[1.0, 1], [-1, 1]])
    assert metrics.nearest_angle(-3 * plane[::-1], plane) == pytest.approx(0, abs=1e-6)
    assert metrics.nearest_angle(turn @ plane, plane) == pytest.approx(45)
    assert metrics.principal_angle(turn @ plane, plane) == pytest.approx(0, abs=1e-6)


def test_rounding_turns_no_direction_away_from_itself():
    directions = RNG.normal(size=(200, 5))
    lengths = np.linalg.norm(directions, axis=1)
    components = directions / lengths[:, None]
    assert (np.diag(directions @ components.T) > lengths).any()
    assert metrics.nearest_angle(directions, components) == pytest.approx(0, abs=1e-5)


def test_noise_is_looked_for_where_training_images_are_black():
    x_train = np.array([[0, 0, 0.0, 1], [0, 0, 0.5, 0]])
    x_hat = np.array([[0.1, 0.3, 9, 9], [0.1, 0.3, -9, 9]])
    assert metrics.background_noise(x_train, x_hat) == pytest.approx(0.1)
    assert metrics.background_noise(x_train, np.full([3, 4], 0.7)) == pytest.approx(0)
    assert metrics.background_noise(np.ones([2, 4]), x_hat) == 0


class Halves(tf.Module):
    """Keeps the first half of a row."""

    def encode(self, x):
        return x[:, : x.shape[1] // 2]

    def decode(self, z):
        return tf.concat([z, tf.zeros_like(z)], axis=1)


def halves_in_keras(extra=0.0):
    """Builds the same, and adds a number to the whole network's output alone."""
    x, z = keras.Input([4]), keras.Input([2])
    encoder = keras.Model(x, x[:, :2], name="encoder")
    decoder = keras.Model(z, keras.ops.concatenate([z, 0 * z], axis=1), name="decoder")
    return keras.Model(x, decoder(encoder(x)) + extra)


@pytest.mark.parametrize("build", [Halves, halves_in_keras])
def test_a_network_is_measured_as_by_hand(build):
    rng = np.random.default_rng(1)
    x_train, x_test = (rng.random((n, 4)).astype("float32") for n in (50, 1200))
    data = SimpleNamespace(x_train=x_train, x_test=x_test)
    arguments = (build(), data, None)
    assert digits.code_size(*arguments) == 2
    assert digits.round_trip_difference(*arguments) == 0
    x_hat = x_test * [1, 1, 0, 0]
    error = np.mean((x_hat - x_test) ** 2)
    of_mean = np.mean((x_train.mean(axis=0) - x_test) ** 2)
    assert digits.error_beside_mean(*arguments) == pytest.approx(error / of_mean, rel=1e-5)
    of_pca = metrics.pca_error(x_train, x_test, 2)
    assert digits.error_beside_pca(*arguments) == pytest.approx(error / of_pca, rel=1e-5)


def test_a_network_that_differs_from_its_parts_is_found_out():
    data = SimpleNamespace(x_test=np.zeros([3, 4], "float32"))
    network = halves_in_keras(extra=0.25)
    assert digits.round_trip_difference(network, data, None) == pytest.approx(0.25)


def clusters(n):
    """Draws rows of four pixels; the brightest pixel gives the label."""
    labels = RNG.integers(0, 4, n)
    return (np.eye(4)[labels] + 0.05 * RNG.random((n, 4))).astype("float32"), labels


def test_digits_that_lose_what_tells_them_apart_lose_their_accuracy():
    (x_train, y_train), (x_test, y_test) = clusters(2000), clusters(500)
    data = SimpleNamespace(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    lost = digits.accuracy_lost(Halves(), data, None)  # labels 2 and 3 are gone
    assert lost == pytest.approx(np.mean(y_test >= 2), abs=0.01)


def test_the_classifier_is_trained_once_and_leaves_the_random_numbers_of_a_lesson_alone():
    x, y = clusters(200)
    once = judges.train_classifier(Hashable(x, y))
    assert judges.train_classifier(Hashable(x.copy(), y.copy())) is once
    draws = []
    for judged in (False, True):
        keras.backend.clear_session()  # before Keras 3.13, a new seed alone leaves its draws as is
        keras.utils.set_random_seed(3)
        if judged:
            judges.train_classifier.cache_clear()
            again = judges.train_classifier(Hashable(x, y))
        draws.append((keras.random.normal([3]).numpy(), np.random.normal()))  # noqa: NPY002
    np.testing.assert_array_equal(draws[0][0], draws[1][0])
    assert draws[0][1] == draws[1][1]
    for ours, theirs in zip(once.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)  # it is seeded


def test_examples_are_equal_where_their_contents_are():
    x, y = np.arange(6.0).reshape(3, 2), np.arange(3)
    assert Hashable(x, y) == Hashable(x.copy(), y)
    assert hash(Hashable(x, y)) == hash(Hashable(x.copy(), y))
    assert Hashable(x, y) != Hashable(x + 1, y)
    assert Hashable(x) != Hashable(x, y)
    assert Hashable(x) != Hashable(x.reshape(2, 3))


def test_a_linear_autoencoder_spans_the_principal_components(monkeypatch):
    monkeypatch.setattr(judges, "LINEAR_STEPS", 2500)
    rng = np.random.default_rng(5)
    spectrum = np.array([3, 2, 1.5, 0.5, 0.3, 0.2])
    x = rng.normal(size=(2000, 6)) * spectrum @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 1
    x = x.astype("float32")
    decoder = judges.train_linear_autoencoder(Hashable(x), 3)
    assert decoder.shape == (3, 6)
    _, components = metrics.principal_components(x, 3)
    assert metrics.principal_angle(decoder, components) < 2
    _, others = metrics.principal_components(x, 6)
    assert metrics.principal_angle(decoder, others[3:]) > 80


def test_the_claim_looks_at_the_linear_code_and_at_its_units(monkeypatch):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(500, 8)) * np.arange(8, 0, -1)
    components = metrics.principal_components(x, 6)[1]
    turned = np.linalg.qr(rng.normal(size=(6, 6)))[0] @ components
    monkeypatch.setattr(digits, "train_linear_autoencoder", lambda *_: turned)
    arguments = (None, SimpleNamespace(x_train=x), None)
    assert digits.linear_code_angle(*arguments) == pytest.approx(0, abs=1e-4)
    assert digits.linear_unit_angle(*arguments) > 10


def test_codes_are_features_as_good_as_what_they_keep():
    """Classes lie far apart along one direction; noise in six others is larger."""
    rng = np.random.default_rng(2)
    y_train, y_test = rng.integers(0, 10, 600), rng.integers(0, 10, 300)
    x_train, x_test = (
        np.column_stack([y, 30 * rng.normal(size=(len(y), 6))]).astype("float32")
        for y in (y_train, y_test)
    )
    data = SimpleNamespace(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    of_pixels = np.mean(metrics.knn_labels(x_train, y_train, x_test) == y_test)
    assert of_pixels < 0.3
    encoders = {
        "a copy": (lambda x: x, 0),
        "the class": (lambda x: x[:, :1], 1 - of_pixels),
        "noise": (lambda x: x[:, 1:], None),
    }
    for name, (encode, gained) in encoders.items():
        found = digits.codes_beside_pixels(Net(encode), data, None)
        if gained is None:
            assert found < 0.05
        else:
            assert found == pytest.approx(gained), name
    # One component is a direction of noise, which says nothing.
    assert digits.codes_beside_pca(Net(lambda x: x[:, :1]), data, None) > 0.75
    assert digits.codes_beside_pca(Net(lambda x: x), data, None) == pytest.approx(0, abs=1e-9)
