import functools

from ae.training.optimizers import RMSpropKeras2, RMSpropTF1

import keras
import numpy as np
import pytest
import tensorflow as tf

LEARNING_RATE = 2.0**-7  # exact in float32 and float64, so that all oracles use the same number
STEPS = 250  # until the ones at the start, 0.9^n, are below epsilon
SCALES = 10.0 ** np.linspace(-6, -4, 16)  # the size of the gradients
TARGET = np.random.default_rng(0).normal(size=16)


def gradient(w):
    """Returns the gradient of sum(scale / 2 (w - target)^2)."""
    return SCALES * (w - TARGET)


def tf1_rule(v, g):
    return g / np.sqrt(v + 1e-10)


def keras2_rule(v, g):
    return g / (np.sqrt(v) + 1e-7)


RULES = {RMSpropTF1: (1.0, tf1_rule), RMSpropKeras2: (0.0, keras2_rule)}
BOTH = pytest.mark.parametrize("optimizer_class", RULES)


def recurrence(optimizer_class, w, gradient, steps, learning_rate=LEARNING_RATE, rho=0.9):
    """Computes the rule of the module's docstring in float64."""
    start, move = RULES[optimizer_class]
    w, v = np.array(w, np.float64), np.full(np.shape(w), start)
    for _ in range(steps):
        g = gradient(w)
        v = rho * v + (1 - rho) * g**2
        w = w - learning_rate * move(v, g)
    return w


def eagerly(step, steps):
    for _ in range(steps):
        step()


def in_graph(step, steps, jit_compile=False):
    @tf.function(jit_compile=jit_compile)
    def loop():
        for _ in tf.range(steps):
            step()

    loop()


in_xla = functools.partial(in_graph, jit_compile=True)


def descend(optimizer, steps=STEPS, dtype="float64", how=None):
    how = how or (in_graph if steps > 10 else eagerly)  # whichever is faster
    w = tf.Variable(np.zeros(16), dtype=dtype)
    scales, target = (tf.constant(a, dtype) for a in (SCALES, TARGET))
    optimizer.build([w])
    how(lambda: optimizer.apply([scales * (w - target)], [w]), steps)
    return w.numpy()


def descend_in_tensorflow_1(steps, dtype, **options):
    with tf.Graph().as_default():
        w = tf.compat.v1.get_variable("w", initializer=np.zeros(16, dtype), use_resource=True)
        optimizer = tf.compat.v1.train.RMSPropOptimizer(LEARNING_RATE, **options)
        g = tf.constant(SCALES, dtype) * (w - tf.constant(TARGET, dtype))
        step = optimizer.apply_gradients([(g, w)])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for _ in range(steps):
                session.run(step)
            return session.run(w)


@pytest.mark.parametrize("steps", [1, 100, STEPS])
def test_tf1_is_the_optimizer_of_tensorflow_1(steps):
    expected = descend_in_tensorflow_1(steps, "float32")
    moved = descend(RMSpropTF1(LEARNING_RATE), steps, "float32")
    np.testing.assert_allclose(moved, expected, rtol=1e-6 * max(1, steps / 100))


@pytest.mark.parametrize("steps", [1, 100, STEPS])
def test_tf1_is_the_optimizer_of_tensorflow_1_in_float64_too(steps):
    rho, epsilon = 0.875, 2.0**-33  # exact in float32, in which TensorFlow 1 keeps them
    expected = descend_in_tensorflow_1(steps, "float64", decay=rho, epsilon=epsilon)
    moved = descend(RMSpropTF1(LEARNING_RATE, rho=rho, epsilon=epsilon), steps)
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


def test_the_first_step_of_each_rule_is_as_the_module_says():
    g = gradient(np.zeros(16))
    first = {c: -descend(c(LEARNING_RATE), steps=1) / LEARNING_RATE for c in RULES}
    np.testing.assert_allclose(first[RMSpropTF1], g / np.sqrt(0.9 + 0.1 * g**2 + 1e-10), rtol=1e-12)
    np.testing.assert_allclose(first[RMSpropKeras2], g / (np.sqrt(0.1) * abs(g) + 1e-7), rtol=1e-12)


@BOTH
@pytest.mark.parametrize("rho", [0.9, 0.99])
def test_float64_weights_follow_the_recurrence(optimizer_class, rho):
    expected = recurrence(optimizer_class, np.zeros(16), gradient, STEPS, rho=rho)
    moved = descend(optimizer_class(LEARNING_RATE, rho=rho))
    np.testing.assert_allclose(moved, expected, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("how", [in_graph, in_xla, eagerly], ids=["graph", "XLA", "eager"])
def test_compiled_or_not_it_takes_the_same_steps(optimizer_class, how):
    moved = descend(optimizer_class(LEARNING_RATE), how=how)
    expected = recurrence(optimizer_class, np.zeros(16), gradient, STEPS)
    np.testing.assert_allclose(moved, expected, rtol=1e-11)


@BOTH
@pytest.mark.parametrize("steps", [1, 10, STEPS])
def test_neither_is_the_rmsprop_of_keras_3(optimizer_class, steps):
    ours = descend(optimizer_class(LEARNING_RATE), steps)
    with_same_epsilon = keras.optimizers.RMSprop(
        LEARNING_RATE, epsilon=optimizer_class(0.1).epsilon
    )
    for theirs in (keras.optimizers.RMSprop(LEARNING_RATE), with_same_epsilon):
        difference = abs(descend(theirs, steps) - ours) / abs(ours)
        assert difference.max() > 0.05


def test_tf1_and_keras_2_differ_in_the_first_epochs_a_hundredfold():
    ours = {c: descend(c(LEARNING_RATE), steps=10) for c in RULES}
    assert (abs(ours[RMSpropKeras2]) > 100 * abs(ours[RMSpropTF1])).all()


X = np.random.default_rng(1).normal(size=(32, 3)).astype("float32")
Y = np.random.default_rng(2).normal(size=(32, 1)).astype("float32")
TINY = 1e-4  # makes the gradients of the mean squared error as small as those of 784 pixels


def compiled_line(optimizer, **options):
    model = keras.Sequential(
        [keras.Input([3]), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(optimizer, lambda y, y_hat: TINY * keras.ops.square(y - y_hat), **options)
    return model


def line_gradient(w):
    return TINY * 2 / len(X) * X.T @ (X @ w - Y).astype(np.float64)


def fit(model, steps):
    model.fit(X, Y, batch_size=len(X), epochs=steps, shuffle=False, verbose=0)
    return model.get_weights()[0]


@BOTH
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_begins_from_the_right_mean_square(optimizer_class, jit_compile):
    model = compiled_line(optimizer_class(LEARNING_RATE), jit_compile=jit_compile)
    for steps in (1, 2, 3):
        w = fit(model, 1)
        expected = recurrence(optimizer_class, np.zeros((3, 1)), line_gradient, steps)
        np.testing.assert_allclose(w, expected, rtol=1e-5)


def test_ones_are_in_the_slot_after_the_first_step_of_fit():
    model = compiled_line(RMSpropTF1(LEARNING_RATE))
    fit(model, 1)
    (mean_square,) = [v for v in model.optimizer.variables if "velocity" in v.path]
    np.testing.assert_allclose(mean_square, np.full((3, 1), 0.9), rtol=1e-6)


@BOTH
def test_a_schedule_sets_the_learning_rate_of_each_step(optimizer_class):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [2.0**-7, 2.0**-9])
    w = tf.Variable(np.zeros(16))
    optimizer = optimizer_class(schedule)
    optimizer.build([w])
    before, moves = w.numpy(), []
    for _ in range(2):
        optimizer.apply([tf.constant(SCALES)], [w])
        moves.append(before - w.numpy())
        before = w.numpy()
    start, rule = RULES[optimizer_class]
    v = 0.9 * start + 0.1 * SCALES**2
    np.testing.assert_allclose(moves[0], 2.0**-7 * rule(v, SCALES), rtol=1e-12)
    v = 0.9 * v + 0.1 * SCALES**2
    np.testing.assert_allclose(moves[1], 2.0**-9 * rule(v, SCALES), rtol=1e-9)


@BOTH
def test_its_configuration_makes_an_equal_optimizer(optimizer_class):
    optimizer = optimizer_class(0.25, rho=0.5, epsilon=0.125, clipnorm=3.0)
    again = optimizer_class.from_config(optimizer.get_config())
    assert type(again) is optimizer_class
    assert again.get_config() == optimizer.get_config()
    assert (again.rho, again.epsilon, again.clipnorm) == (0.5, 0.125, 3.0)
    assert float(again.learning_rate) == 0.25


@BOTH
def test_a_saved_model_trains_on_as_if_never_saved(tmp_path, optimizer_class):
    model = compiled_line("sgd")
    model.compile(optimizer_class(LEARNING_RATE, rho=0.75), "mean_squared_error")
    fit(model, 2)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is optimizer_class
    assert again.optimizer.rho == 0.75
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    np.testing.assert_allclose(fit(again, 3), fit(model, 3), rtol=1e-6)


@pytest.mark.parametrize("option", [{"momentum": 0.9}, {"centered": True}])
def test_keras_2_2_refuses_what_it_did_not_have(option):
    with pytest.raises(ValueError, match="neither `momentum` nor `centered`"):
        RMSpropKeras2(0.001, **option)


@pytest.mark.parametrize(
    ("optimizer_class", "epsilon"), [(RMSpropTF1, 1e-10), (RMSpropKeras2, 1e-7)]
)
def test_what_is_not_said_is_as_in_the_original(optimizer_class, epsilon):
    """TensorFlow 1 has no learning rate of its own; it gets that of Keras."""
    optimizer = optimizer_class()
    assert float(optimizer.learning_rate) == pytest.approx(0.001)
    assert (optimizer.rho, optimizer.epsilon) == (0.9, epsilon)
