"""The penalties of sparse_ae, what its measures say of known codes, and UFLDL's filters."""

import functools
from types import SimpleNamespace

from ae.networks import codec
from ae.proof import judges, published
from ae.training.optimizers import NadamKeras2
from tutorials import sparse_ae
from tutorials.articles import sparse_ae as article

import keras
import numpy as np
import pytest
import tensorflow as tf
from countable_clothes import use_countable_clothes
from expected import PUBLISHED, expected, keep_largest, nadam
from keras import layers
from running import lesson, smoke_settings
from scipy.special import expit as sigmoid
from stand_ins import Net, NoFit


def test_the_last_training_images_validate(monkeypatch):
    monkeypatch.setattr(sparse_ae, "NUM_VAL", 10)
    use_countable_clothes(monkeypatch)
    for num_train, last in ((None, 50), (20, 20), (55, 50)):
        settings = smoke_settings("sparse_ae", num_train=num_train, num_test=None)
        data = lesson("sparse_ae").load(settings, None)
        assert numbers(data.x_train) == list(range(last))
        assert numbers(data.x_val) == list(range(50, 60))
        assert numbers(data.x_test) == list(range(60, 70))
        assert list(data.y_train) == [i % 10 for i in range(last)]
        assert list(data.y_test) == [i % 10 for i in range(60, 70)]


def numbers(rows):
    (pixels,) = rows.shape[1:]
    assert pixels == 784
    return list(np.rint(rows[:, 0] * 255).astype(int))


@pytest.mark.parametrize("size", [1, 32])
def test_the_l1_penalty_is_of_one_image(size):
    z = np.full([size, 300], 0.5, "float32")
    assert float(sparse_ae.l1_penalty(z)) == pytest.approx(1e-4 * 300 / 2)


@pytest.mark.parametrize("size", [1, 32])
def test_the_size_of_the_batch_divides_the_published_kl_penalty_alone(size):
    z = np.full([size, 300], 0.5, "float32")
    whole = 5e-3 * 300 * (0.1 * np.log(0.2) + 0.9 * np.log(1.8))
    assert float(sparse_ae.kl_penalty(z)) == pytest.approx(whole / size)
    assert float(article.undivided_kl_penalty(z)) == pytest.approx(whole)


@pytest.mark.parametrize("z", [0, 1])
def test_the_kl_penalty_of_a_saturated_unit_is_finite(z):
    assert np.isfinite(float(sparse_ae.kl_penalty(np.full([2, 3], z, "float32"))))


def test_only_kept_numbers_have_gradients():
    h = tf.constant([[3.0, -5.0, 1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(h)
        kept = sparse_ae.keep_largest(h, 2)
    np.testing.assert_array_equal(kept, [[3, 0, 0, 2]])
    np.testing.assert_array_equal(tape.gradient(kept, h), [[1, 0, 0, 1]])


@pytest.mark.parametrize(
    "build",
    [
        sparse_ae.build_l1,
        functools.partial(sparse_ae.build_kl, article.UndividedKL),
        functools.partial(sparse_ae.build_k_sparse, 3),
    ],
)
def test_a_saved_model_loads_with_its_penalty_or_limit(build, tmp_path):
    network = build()
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    x = np.random.default_rng(0).random((4, 784), "float32")
    np.testing.assert_array_equal(again(x), network(x))
    assert [float(a) for a in again.losses] == [float(b) for b in network.losses]


def test_nadam_raises_its_momentum_slowly():
    """After 300 steps it is 0.47; the momentum of Keras 3 is 0.9."""
    gradients = np.random.default_rng(0).normal(1, 1, (300, 3)).astype("float32")
    config = expected("sparse_ae").networks["l1"][PUBLISHED].optimizer.config
    right = nadam(gradients.astype("float64"), 0.01, **config)
    np.testing.assert_allclose(moved_by(NadamKeras2(0.01), gradients), right, rtol=1e-4)
    assert abs(moved_by(keras.optimizers.Nadam(0.01), gradients) - right).max() > 1e-3


def moved_by(optimizer, gradients):
    w = tf.Variable(tf.zeros(3))
    optimizer.build([w])

    @tf.function
    def train():
        for gradient in tf.constant(gradients):
            optimizer.apply([gradient], [w])

    train()
    return w.numpy()


@pytest.mark.parametrize(
    ("network", "first", "last"),
    [("l1", (0.0294, 0.0204), (0.0111, 0.0111)), ("kl", (0.0273, 0.0186), (0.0098, 0.0099))],
)
def test_each_network_has_its_own_published_losses(network, first, last):
    printed, columns = published.curve("sparse_ae"), lesson("sparse_ae").published[network]
    for row, values in ((0, first), (9, last)):
        found = tuple(printed[columns[loss][0]][row] for loss in ("loss", "val_loss"))
        assert found == values


# Measures, on codes whose answer is known


NORMAL = np.random.default_rng(0).normal(size=(2000, 300))


@pytest.mark.parametrize(
    ("z", "share"),
    [
        (np.eye(5), 1 / 5),
        (np.full((2, 4), 0.3), 1),
        (np.zeros((2, 4)), 0),
        ([[1, -0.5, 0.05, 0]], 1 / 2),  # the sign does not matter
        (keep_largest(abs(NORMAL), 6), 6 / 300),
        (NORMAL, 0.76),
        (100 * NORMAL, 0.76),  # nor does the scale
        (sigmoid(NORMAL / 10), 1),  # a mean of one half is not sparse
    ],
)
def test_active_numbers_are_those_above_a_tenth_of_the_largest(z, share):
    assert article.active_share(np.asarray(z)) == pytest.approx(share, abs=0.01)


def data_of(x_test, x_train=None):
    return SimpleNamespace(x_train=x_train, x_test=np.asarray(x_test, "float32"))


def test_means_are_compared_with_the_target():
    data = data_of([[0.1, 0.0, 0.3, 0.8], [0.1, 0.16, 0.0, 0.9]])  # means 0.1, 0.08, 0.15, 0.85
    assert article.from_target(Net(), data, None) == pytest.approx(1.18 / 4 - 0.1)
    data.x_test[1, 2] = 0.01
    assert article.near_target(Net(), data, None) == 2 / 4


def test_the_gap_is_above_one_if_the_test_error_is_larger():
    half = Net(decode=lambda z: z / 2)  # an image of ones has the error 1/4, one of twos 1
    data = data_of(np.full((3, 4), 2), np.full((5, 4), 1, "float32"))
    assert article.gap(half, data) == pytest.approx(4)


def test_networks_are_compared_with_those_without_a_penalty(monkeypatch):
    dense = Net(decode=lambda z: z / 2)
    sparse = Net(encode=lambda x: x * [1.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(article, "train_without", lambda build, data, settings: dense)
    data = data_of(np.ones((3, 4)), np.ones((3, 4), "float32"))
    assert article.active_beside(sparse, data, None) == 1 / 4
    assert article.gap_beside(sparse, data, None) == 0
    assert article.active_of_wide(sparse, data, None) == 1


@pytest.mark.parametrize(("units", "build"), [(300, article.free), (1568, article.unlimited)])
def test_a_network_has_a_counterpart_with_as_long_a_code(monkeypatch, units, build):
    monkeypatch.setattr(article, "train_without", lambda build, data, settings: build)
    assert article.without(Net(), data_of(np.ones((3, units))), None) is build


def test_keras_divides_its_penalty_by_the_batch_or_not():
    """The sum of 32 equal images is 32 times that of one."""
    ratio = article.batch_ratio(None, None, None)
    assert ratio in (pytest.approx(1), pytest.approx(32))


def test_a_keras_that_does_not_divide_is_told_from_one_that_does(monkeypatch):
    class Undivided(layers.Layer):
        def __init__(self, l1):
            super().__init__()
            self.l1 = l1

        def call(self, z):
            self.add_loss(self.l1 * tf.reduce_sum(abs(z)))
            return z

    monkeypatch.setattr(article.layers, "ActivityRegularization", Undivided)
    assert article.batch_ratio(None, None, None) == pytest.approx(32)


@pytest.mark.parametrize(
    ("build", "units"), [(article.free, 300), (article.wide, 1568), (article.unlimited, 1568)]
)
def test_a_network_without_a_penalty_is_trained_as_the_lesson_trains(monkeypatch, build, units):
    fit = NoFit()
    monkeypatch.setattr(judges, "fit", fit)
    x = np.random.default_rng(0).random((70, 784)).astype("float32")
    settings = smoke_settings("sparse_ae", num_epochs=3, learning_rate=0.25, seed=4)
    article._train_without.cache_clear()
    network = article.train_without(build, data_of(x, x), settings)
    assert article.train_without(build, data_of(x, x.copy()), settings) is network
    article._train_without.cache_clear()
    (asked,) = fit.asked
    z = codec(network).encode(x)
    assert z.shape == (70, units)
    assert np.count_nonzero(z) == z.size
    assert not network.losses
    assert type(network.optimizer) is NadamKeras2
    assert float(network.optimizer.learning_rate) == 0.25
    assert network.steps_per_execution == 1  # more might go beyond the end of an epoch
    assert (asked.steps, asked.num_epochs) == (3, 3)
    rows = np.random.default_rng([4, 0]).permutation(70)[:32]
    for part in asked.minibatch:
        np.testing.assert_array_equal(part, x[rows])


# Figures


def test_shares_are_taken_before_training_and_after_each_epoch(monkeypatch):
    fit = NoFit()
    monkeypatch.setattr(judges, "fit", fit)
    monkeypatch.setattr(article, "EPOCHS", 2)
    x = np.random.default_rng(0).random((40, 784)).astype("float32")
    lines = article.active_over_training(data_of(x, x), smoke_settings("sparse_ae", k=4))
    assert {name: len(shares) for name, shares in lines.items()} == dict.fromkeys(
        ("300 units", "1568 units", "l1", "kl", "k_sparse"), 3
    )
    assert max(lines["k_sparse"]) <= 4 / 1568
    assert [(asked.steps, asked.num_epochs) for asked in fit.asked] == 10 * [(2, 1)]
    for epoch, asked in enumerate(fit.asked[:2]):
        rows = np.random.default_rng([0, epoch]).permutation(40)[:32]
        np.testing.assert_array_equal(asked.minibatch[0], x[rows])


def test_the_cost_of_filters_is_ufldl_s():
    rng = np.random.default_rng(0)
    x = rng.random((5, 4))
    W1, W2, b1, b2 = (rng.normal(size=shape) for shape in [(4, 3), (3, 4), (3,), (4,)])
    z = sigmoid(x @ W1 + b1)
    errors = np.sum((x - sigmoid(z @ W2 + b2)) ** 2, axis=1)
    q = z.mean(axis=0)
    divergence = np.sum(0.1 * np.log(0.1 / q) + 0.9 * np.log(0.9 / (1 - q)))
    right = np.mean(errors) / 2 + 3e-3 / 2 * (np.sum(W1**2) + np.sum(W2**2)) + 3 * divergence
    parameters = np.concatenate([part.ravel() for part in (W1, W2, b1, b2)])
    assert float(article.sparse_cost(x, tf.constant(parameters), 3)) == pytest.approx(right)


def test_filters_lower_the_cost_and_are_scaled(monkeypatch):
    """The images are strokes: two halves of a picture, each white or black."""
    x = np.repeat(np.random.default_rng(0).integers(0, 2, (50, 2)), 4, axis=1).astype("float32")
    kernel = article.train_filters(x, 3, 20, seed=0)
    assert kernel.shape == (8, 3)
    for half in (kernel[:4], kernel[4:]):
        np.testing.assert_allclose(half, np.tile(half.mean(axis=0), (4, 1)), atol=0.1)
    asked = []

    def train(x, *how):
        asked.append((x.shape, *how))
        return np.float32([[1, 2], [-4, 1]])

    digits = SimpleNamespace(x_train=np.zeros([12_000, 28, 28], "uint8"))
    monkeypatch.setattr(article.datasets, "load_mnist", lambda: digits)
    monkeypatch.setattr(article, "train_filters", train)
    filters = article.digit_filters(smoke_settings("sparse_ae", num_train=None, seed=6))
    assert asked == [((10_000, 784), 196, 400, 6)]
    np.testing.assert_array_equal(filters, [[0.25, -1], [1, 0.5]])
