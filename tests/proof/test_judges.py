"""How the networks that judge others are built and trained, written once more."""

from types import SimpleNamespace

from ae.networks import layers_of
from ae.proof import digits, judges
from ae.proof.judges import Hashable

import keras
import numpy as np
import pytest
from keras.initializers import GlorotUniform
from running import smoke_settings
from stand_ins import NoFit

X = np.random.default_rng(0).random((1000, 7)).astype("float32")
Y = np.arange(1000) % 10
TRAINERS = (judges.train_classifier, judges.train_linear_autoencoder, judges.train_deep_autoencoder)


@pytest.fixture
def fit(monkeypatch):
    """Stands for training; no test sees what another trained."""
    no_fit = NoFit()
    monkeypatch.setattr(judges, "fit", no_fit)
    for train in TRAINERS:
        train.cache_clear()
    yield no_fit
    for train in TRAINERS:
        train.cache_clear()


def dense_layers(model):
    """Lists size, activation and whether there are biases."""
    layers = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.Dense)]
    return [(layer.units, layer.activation.__name__, layer.use_bias) for layer in layers]


def assert_adam(optimizer, learning_rate):
    assert type(optimizer) is keras.optimizers.Adam
    assert float(optimizer.learning_rate) == pytest.approx(learning_rate)
    config = optimizer.get_config()
    assert (config["beta_1"], config["beta_2"], config["amsgrad"]) == (0.9, 0.999, False)
    assert config["epsilon"] == 1e-7


def assert_minibatch(asked, batch_size, seed, target):
    rows = np.random.default_rng([seed, 0]).permutation(1000)[:batch_size]
    np.testing.assert_array_equal(asked.minibatch[0], X[rows])
    np.testing.assert_array_equal(asked.minibatch[1], target[rows])


def assert_first_weights(asked, *seeds):
    kernels = [w for w in asked.first_weights if w.ndim == 2]
    for kernel, seed in zip(kernels, seeds, strict=True):
        np.testing.assert_array_equal(kernel, GlorotUniform(seed)(kernel.shape))
    assert not any(w.any() for w in asked.first_weights if w.ndim == 1)


def test_the_classifier(fit):
    judges.train_classifier(Hashable(X, Y))
    (asked,) = fit.asked
    assert dense_layers(asked.model) == [(256, "relu", True), (10, "softmax", True)]
    assert asked.model.loss == "sparse_categorical_crossentropy"
    assert_adam(asked.model.optimizer, 0.001)
    assert (asked.steps, asked.num_epochs) == (8, 5)  # the last of 8 minibatches has 104 rows
    assert_minibatch(asked, 128, 0, Y)
    assert_first_weights(asked, 1, 2)


def test_the_linear_autoencoder(fit):
    decoder = judges.train_linear_autoencoder(Hashable(X), 3)
    (asked,) = fit.asked
    assert dense_layers(asked.model) == [(3, "linear", True), (7, "linear", True)]
    np.testing.assert_array_equal(decoder, asked.first_weights[2])
    assert asked.model.loss == "mean_squared_error"
    assert_adam(asked.model.optimizer, 0.003)
    for steps, rate in ((2000, 0.0015), (4000, 0)):  # half a cosine
        asked.model.optimizer.iterations.assign(steps)
        assert float(asked.model.optimizer.learning_rate) == pytest.approx(rate, abs=1e-9)
    assert (asked.steps, asked.num_epochs) == (4000, 1)
    assert_minibatch(asked, 500, 0, X)
    assert_first_weights(asked, 1, 2)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_network_with_two_units(fit, jit_compile):
    """Through `two_d_encoders`, as articles ask for it."""
    data = SimpleNamespace(x_train=X)
    settings = smoke_settings("sigmoid_ae", batch_size=64, seed=3, jit_compile=jit_compile)
    digits.two_d_encoders(data, settings, 9)
    (asked,) = fit.asked
    down, up = [(1000, "relu"), (500, "relu"), (250, "relu"), (2, "linear")], [(7, "sigmoid")]
    sizes = [*down, *down[2::-1], *up]
    assert dense_layers(asked.model) == [(*layer, True) for layer in sizes]
    assert asked.model.loss == "binary_crossentropy"
    assert_adam(asked.model.optimizer, 0.001)
    assert asked.model.jit_compile is jit_compile
    assert (asked.steps, asked.num_epochs) == (15, 9)  # the last 40 rows drop out
    assert_minibatch(asked, 64, 3, X)


def test_the_code_of_the_network_with_two_units(fit):
    """It is what the fourth layer computes; the seed draws its weights."""
    first = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(99)
        judges.train_deep_autoencoder.cache_clear()
        autoencoder = judges.train_deep_autoencoder(Hashable(X), 2, 1, 5000, seed)
        encoder = keras.Model(autoencoder.input, autoencoder.get_layer("code").output)
        h = X[:5]
        for number in range(4):
            kernel, bias = encoder.get_weights()[2 * number : 2 * number + 2]
            h = h @ kernel + bias
            h = h if number == 3 else np.maximum(h, 0)
        np.testing.assert_allclose(encoder(X[:5]), h, rtol=1e-4, atol=1e-6)
        first.append(encoder.get_weights()[0])
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    asked = fit.asked[0]
    assert asked.model.jit_compile is False
    assert (asked.steps, len(asked.minibatch[0])) == (1, 1000)  # a larger batch has all rows


def test_fitting_takes_so_many_steps():
    model = keras.Sequential([keras.Input([7]), keras.layers.Dense(7)])
    model.compile("sgd", "mean_squared_error")
    order = judges.Shuffled(len(X), 100, seed=0)
    judges.fit(model, judges.dataset(order, X), 3)
    assert int(model.optimizer.iterations) == 3
    judges.fit(model, judges.dataset(order, X), 3, num_epochs=2)
    assert int(model.optimizer.iterations) == 3 + 6


def test_a_row_looks_like_the_data_if_it_is_near_and_its_label_is_sure(monkeypatch):
    """Directions are angles in a plane; lengths tell a stand-in how sure to be."""
    centre = np.array([10, 20])
    sure = {1: 0.95, 2: 0.9, 4: 0.85}

    def predict(rows, **_):
        lengths = np.rint(np.linalg.norm(rows - centre, axis=1))
        p = np.array([sure.get(int(length), 0.95) for length in lengths])
        return np.stack([1 - p, p], 1).astype("float32")

    def rows(*places):
        angles, lengths = np.array(places, float).T
        angles = np.radians(angles)
        return centre + lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)

    asked = []
    judge = SimpleNamespace(predict=predict)
    monkeypatch.setattr(judges, "train_classifier", lambda x: asked.append(x) or judge)
    examples = Hashable(rows((0, 8), (90, 8), (180, 8), (270, 8)), np.arange(4))
    # 95 of 100 are less than 37.8 degrees away; every second one is sure, and 0.9 is not enough.
    real = rows(*((0.4 * i, 1 + i % 2) for i in range(100)))
    new = rows((10, 1), (190, 1), (44, 1), (10, 4), (0, 0))  # the last has no direction
    share = judges.share_typical(examples, real, new)
    assert share == pytest.approx((2 / 5) / (48 / 100))
    assert asked == [examples]
    assert judges.share_typical(examples, real, rows((44, 1))) == 0
    assert judges.share_typical(examples, rows((0, 2)), new) is None
    equal = rows((0, 1))  # as near as it gets, and so is each of its kind
    assert judges.share_typical(examples, equal, equal) == 1


def test_in_parts_for_memory_nothing_changes(monkeypatch):
    rng = np.random.default_rng(1)
    x, others, new = (rng.normal(size=(n, 3)) for n in (901, 50, 700))
    judge = SimpleNamespace(predict=lambda rows, **_: np.ones((len(rows), 1)))
    monkeypatch.setattr(judges, "train_classifier", lambda _: judge)
    way = [rows - others.mean(axis=0) for rows in (others, x, new)]
    way = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in way]
    near = [[max(a @ b for b in way[0]) for a in rows] for rows in way[1:]]
    least = np.quantile(near[0], 0.05)
    expected = np.mean(near[1] >= least) / np.mean(near[0] >= least)
    assert 0 < expected < 1
    found = judges.share_typical(Hashable(others, np.zeros(50)), x, new)
    assert found == pytest.approx(expected)
