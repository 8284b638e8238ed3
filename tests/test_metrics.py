from ae.metrics import LastBatch, principal_components

import keras
import numpy as np
import pytest

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 3)).astype("float32")
Y = RNG.normal(size=(22, 2)).astype("float32")
W = RNG.normal(size=(3, 2)).astype("float32")


class Remember(keras.callbacks.Callback):
    """Keeps the weights from before each step."""

    def on_train_begin(self, logs=None):
        self.before = []

    def on_train_batch_begin(self, batch, logs=None):
        self.before.append(self.model.get_weights()[0])


@pytest.mark.parametrize(
    ("loss", "jit_compile"), [("mean_squared_error", True), ("mean_absolute_error", False)]
)
def test_in_fit_it_is_the_loss_of_the_last_minibatch_before_its_step(loss, jit_compile):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([W])
    metrics = [LastBatch(loss)]
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=metrics, jit_compile=jit_compile)
    remember = Remember()
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, "callbacks": [remember]}
    fitted = model.fit(X, Y, epochs=2, **options).history  # batches of 8, 8 and 6
    power = 2 if loss == "mean_squared_error" else 1
    for epoch in range(2):
        w = remember.before[3 * epoch + 2]
        expected = np.mean(abs(X[16:] @ w - Y[16:]) ** power)
        assert fitted["last_batch_loss"][epoch] == pytest.approx(expected, rel=1e-5)
        assert fitted["loss"][epoch] != pytest.approx(expected, rel=1e-3)


def test_only_the_newest_minibatch_counts():
    metric = LastBatch("mean_squared_error", name="newest")
    assert metric.name == "newest"
    metric.update_state(np.zeros([4, 2]), np.full([4, 2], 3.0))
    assert float(metric.result()) == 9
    metric.update_state(np.zeros([2, 2]), np.array([[1.0, 0], [0, 1]]))
    assert float(metric.result()) == 0.5
    metric.reset_state()
    assert float(metric.result()) == 0


def test_it_takes_a_function_that_gives_one_loss_an_example_or_one_in_all():
    y, y_hat = np.zeros([2, 2]), np.array([[1.0, 1], [3, 3]])
    for loss in (
        lambda y, y_hat: keras.ops.mean(keras.ops.square(y - y_hat), axis=-1),
        lambda y, y_hat: keras.ops.mean(keras.ops.square(y - y_hat)),
        keras.losses.MeanSquaredError(),
    ):
        metric = LastBatch(loss)
        metric.update_state(y, y_hat)
        assert float(metric.result()) == 5


def test_a_saved_model_has_it_again(tmp_path):
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    model.compile("sgd", "mean_squared_error", metrics=[LastBatch("mean_squared_error", "last")])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    scores = again.evaluate(X, Y, batch_size=22, verbose=0, return_dict=True)
    assert scores["last"] == pytest.approx(
        np.mean((again.predict(X, verbose=0) - Y) ** 2), rel=1e-5
    )


def test_principal_components_are_the_leading_singular_vectors():
    x = RNG.normal(size=(200, 6)) @ RNG.normal(size=(6, 6)) + RNG.normal(size=6)
    mean, components = principal_components(x, 3)
    np.testing.assert_allclose(mean, x.mean(axis=0))
    _, _, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert components.shape == (3, 6)
    np.testing.assert_allclose(components @ components.T, np.eye(3), atol=1e-12)
    for ours, svd in zip(components, directions[:3], strict=True):
        assert abs(ours @ svd) == pytest.approx(1, abs=1e-9)  # the sign is free


def test_as_many_components_as_features_rebuild_the_data():
    x = RNG.normal(size=(40, 5))
    mean, components = principal_components(x, 5)
    np.testing.assert_allclose(mean + (x - mean) @ components.T @ components, x, atol=1e-12)


def test_no_plane_is_nearer_to_the_data_than_theirs():
    x = RNG.normal(size=(300, 4)) * [1, 5, 0.1, 2]
    mean, components = principal_components(x, 2)
    error = np.mean((mean + (x - mean) @ components.T @ components - x) ** 2)
    for _ in range(50):
        other = np.linalg.qr(components.T + 0.1 * RNG.normal(size=(4, 2)))[0].T
        assert np.mean((mean + (x - mean) @ other.T @ other - x) ** 2) > error
