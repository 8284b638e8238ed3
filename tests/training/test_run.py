import io
import itertools
import math
import sys

from ae.errors import InputError
from ae.training.minibatches import NextBatch, Shuffled
from ae.training.run import Run

import keras
import numpy as np
import pytest
import tensorflow as tf
from running import without_notices

RNG = np.random.default_rng(0)
X = RNG.normal(size=(103, 4)).astype("float32")
Y = RNG.normal(size=(103, 2)).astype("float32")
X_VAL = RNG.normal(size=(11, 4)).astype("float32")
Y_VAL = RNG.normal(size=(11, 2)).astype("float32")
W = RNG.normal(size=(4, 2)).astype("float32")
LEARNING_RATE = 0.05
VALIDATION_BATCH = 4  # the last batch of validation has 3 examples
ORDERS = [
    Shuffled(103, 10, seed=1),  # eleven batches, the last of 3 examples
    Shuffled(103, 10, seed=1, drop_remainder=True),
    Shuffled(103, 2, seed=1),  # 52 steps, several in one call
    Shuffled(103, 200, seed=1),  # one batch, shorter than asked for
    NextBatch(103, 10, 7, seed=1),
]
EACH_ORDER = pytest.mark.parametrize("order", ORDERS, ids=str)
BOTH = pytest.mark.parametrize("style", ["low-level", "keras"])


def train_low_level(run, order, x=X, y=Y, patience=None, jit_compile=False):
    w = tf.Variable(W)

    inputs, targets = tf.constant(x), tf.constant(y)

    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - x @ w))
        w.assign_sub(LEARNING_RATE * tape.gradient(loss, w))
        return loss

    @tf.function(jit_compile=jit_compile)
    def train_steps(rows):
        losses = tf.TensorArray(tf.float32, len(rows))
        for i in tf.range(len(rows)):
            x, y = tf.gather(inputs, rows[i]), tf.gather(targets, rows[i])
            losses = losses.write(i, train_step(x, y))
        return losses.stack()

    def test_step(x, y):
        return tf.reduce_mean(tf.square(y - x @ w))

    sgd = keras.optimizers.SGD(LEARNING_RATE)
    sgd.build([w])
    for epoch in run.epochs(sgd, patience):
        for rows in run.chunks(order.epoch(epoch)):
            run.log(train_steps(rows))
        run.validate(test_step, X_VAL, Y_VAL, batch_size=VALIDATION_BATCH)
    return w.numpy()


def line():
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([W])
    return model


def train_keras(run, order, x=X, y=Y, patience=None, jit_compile=False, **options):
    model = line()
    sgd = keras.optimizers.SGD(LEARNING_RATE)
    model.compile(sgd, "mean_squared_error", jit_compile=jit_compile, **options)
    model.fit(
        run.dataset(order, x, y),
        epochs=run.num_epochs,
        validation_data=(X_VAL, Y_VAL),
        validation_batch_size=VALIDATION_BATCH,
        callbacks=run.callbacks(patience),
        shuffle=False,
        verbose=0,
    )
    return model.get_weights()[0]


SGD = keras.optimizers.SGD(LEARNING_RATE)
SGD.build([])
TRAIN = {"low-level": train_low_level, "keras": train_keras}


def by_hand(order, num_epochs):
    """The same training in float64, each mean taken over examples."""
    w, history = W.astype(np.float64), []
    for epoch in range(num_epochs):
        squares, last = [], None
        for row in order.epoch(epoch):
            error = X[row] @ w - Y[row]
            last = np.mean(error**2)
            squares.extend(np.mean(error**2, axis=1))
            w = w - LEARNING_RATE * 2 / error.size * X[row].T @ error
        val_loss = np.mean((X_VAL @ w - Y_VAL) ** 2)
        history.append({"loss": np.mean(squares), "last_batch_loss": last, "val_loss": val_loss})
    return w, history


def column(history, name):
    return [logs[name] for logs in history]


@EACH_ORDER
@pytest.mark.parametrize(("style", "steps_per_call"), [("low-level", 4), ("keras", 1)])
def test_training_is_gradient_descent_over_the_minibatches(order, style, steps_per_call):
    run = Run("line", 3, steps_per_call)
    w = TRAIN[style](run, order)
    expected_w, expected = by_hand(order, 3)
    np.testing.assert_allclose(w, expected_w, rtol=1e-4, atol=1e-5)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(column(run.history, name), column(expected, name), rtol=1e-5)


@EACH_ORDER
@pytest.mark.parametrize("at_once", [4, 100])
def test_fit_takes_each_batch_once_where_an_epoch_ends_within_a_call(order, at_once):
    run = Run("line", 3)
    w = train_keras(run, order, steps_per_execution=at_once)
    expected_w, expected = by_hand(order, 3)
    np.testing.assert_allclose(w, expected_w, rtol=1e-4, atol=1e-5)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(column(run.history, name), column(expected, name), rtol=1e-5)


@pytest.mark.parametrize("order", [ORDERS[0], ORDERS[-1]], ids=str)
def test_both_styles_report_the_same_history(order):
    low_level, high_level = Run("a", 3), Run("b", 3)
    train_low_level(low_level, order)
    train_keras(high_level, order)
    assert len(low_level.history) == len(high_level.history) == 3
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(
            column(low_level.history, name), column(high_level.history, name), rtol=1e-5
        )


@EACH_ORDER
def test_the_loss_of_the_last_batch_is_kept_too(order):
    run = Run("line", 2)
    train_low_level(run, order)
    _, expected = by_hand(order, 2)
    np.testing.assert_allclose(
        column(run.history, "last_batch_loss"), column(expected, "last_batch_loss"), rtol=1e-5
    )


@BOTH
def test_xla_gives_the_same_losses(style):
    plain, compiled = Run("plain", 2), Run("compiled", 2)
    TRAIN[style](plain, ORDERS[0], jit_compile=False)
    TRAIN[style](compiled, ORDERS[0], jit_compile=True)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(
            column(compiled.history, name), column(plain.history, name), rtol=1e-5
        )


@BOTH
def test_an_epoch_s_history_is_plain_numbers_and_its_seconds(style):
    run = Run("line", 2)
    TRAIN[style](run, ORDERS[0])
    for logs in run.history:
        assert {"loss", "val_loss", "seconds"} <= set(logs)
        assert {type(value) for value in logs.values()} == {float}
        assert 0 < logs["seconds"] < 60


def test_a_run_with_history_resumes_at_its_next_epoch():
    run = Run("numbers", 3)
    run.history.append({"loss": 2.0})
    epochs = []
    for epoch in run.epochs(SGD):
        epochs.append(epoch)
        run.log(tf.constant([1.0]))
    assert epochs == [1, 2]
    assert len(run.history) == 3


def test_a_dataset_passes_through_the_run_s_next_epoch():
    order = Shuffled(6, 4, seed=0)
    run = Run("numbers", 3)
    run.history.append({"loss": 2.0})
    for epoch in (1, 2):
        passed = run.dataset(order, np.arange(6))
        for _ in range(2):  # Keras may look at a pass before it takes it
            for (x, y), row in zip(passed, order.epoch(epoch), strict=True):
                np.testing.assert_array_equal(x, row)
                np.testing.assert_array_equal(y, row)
        run.history.append({"loss": 1.0})


@pytest.mark.parametrize("steps_per_call", [1, 4, 100])
@EACH_ORDER
def test_chunks_are_the_epoch_s_minibatches_some_at_a_time(order, steps_per_call):
    run = Run("chunks", 1, steps_per_call)
    handed_out = []
    for epoch in run.epochs(SGD):
        for rows in run.chunks(order.epoch(epoch)):
            assert 1 <= len(rows) <= steps_per_call
            handed_out += list(rows.numpy())
            run.log(tf.zeros([len(rows)]))
    for rows, expected in zip(handed_out, order.epoch(0), strict=True):
        np.testing.assert_array_equal(rows, expected)


def test_an_epoch_that_logs_nothing_is_a_mistake_with_a_name():
    with pytest.raises(InputError, match=r"call run\.log"):
        list(Run("silent", 1).epochs(SGD))


# Early stopping


def scripted_low_level(val_losses, patience):
    script = iter(val_losses)
    run = Run("script", len(val_losses))
    for _ in run.epochs(SGD, patience):
        run.log(tf.constant([1.0]))
        run.validate(lambda x: next(script), X[:1], batch_size=1)
    return len(run.history)


class _Stub:
    stop_training = False


def epochs_until_keras_stops(callback, val_losses):
    callback.set_model(_Stub())
    callback.monitor_op = np.less
    callback.on_train_begin()
    for epoch, val_loss in enumerate(val_losses):
        callback.on_epoch_end(epoch, {"val_loss": val_loss})
        if callback.model.stop_training:
            return epoch + 1
    return len(val_losses)


VAL_LOSSES = [
    (5, 4, 3, 2, 1, 0.5),  # never stops
    (1, 2, 3, 4, 5, 6),
    (3, 2, 2, 2, 2, 2),  # as good as the best is not better
    (3, 4, 2, 4, 4, 1),
    *(tuple(line) for line in np.random.default_rng(0).integers(1, 6, (8, 9)).tolist()),
]


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_early_stopping_is_that_of_keras(patience):
    stops = [scripted_low_level(losses, patience) for losses in VAL_LOSSES]
    expected = [
        epochs_until_keras_stops(
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience), losses
        )
        for losses in VAL_LOSSES
    ]
    assert stops == expected
    assert min(expected) < 6  # some of the scripts do stop


def test_the_callbacks_stop_fit_at_the_epoch_at_which_low_level_training_stops():
    losses = (3.0, 4.0, 2.0, 2.0, 5.0, 1.0)

    class Scripted(keras.Sequential):
        script = iter(losses)

        def evaluate(self, *_, **__):
            return {"loss": next(self.script)}

    model = Scripted([keras.Input([4]), keras.layers.Dense(2)])
    model.compile("sgd", "mean_squared_error")
    run = Run("script", 6)
    callbacks = run.callbacks(patience=2)
    data = {"validation_data": (X_VAL, Y_VAL), "verbose": 0}
    model.fit(X[:4], Y[:4], epochs=6, callbacks=callbacks, **data)
    assert column(run.history, "val_loss") == list(losses[:5])
    assert scripted_low_level(losses, patience=2) == 5


def test_without_patience_no_epoch_is_left_out():
    assert scripted_low_level((1, 2, 3, 4, 5, 6), patience=None) == 6
    assert len(Run("line", 3).callbacks()) == 1


# A loss that is not finite


@pytest.mark.fault("NaN or infinity")
@BOTH
@pytest.mark.parametrize(
    ("value", "batch_size", "step", "epoch"),
    [(math.nan, 10, 1, 1), (math.inf, 10, 4, 2), (math.nan, 10, 11, 2), (math.nan, 2, 37, 1)],
)
def test_the_first_loss_that_is_not_finite_is_named(style, value, batch_size, step, epoch):
    """Every example holds its place in the order, so that one of them can be spoilt."""

    class Numbered(Shuffled):
        def epoch(self, index):
            first = 103 * index
            return [first + np.arange(103)[i : i + batch_size] for i in range(0, 103, batch_size)]

    order = Numbered(103, batch_size, 0)
    x, y = np.concatenate([X, X]), np.concatenate([Y, Y])
    y[order.epoch(epoch - 1)[step - 1][-1]] = value
    run = Run("bumpy keras", 2)
    sentence = (
        f"bumpy keras: the loss became {value} by step {step} of epoch {epoch}; "
        "try a smaller --learning-rate."
    )
    with pytest.raises(InputError) as caught:
        TRAIN[style](run, order, x, y)
    assert str(caught.value) == sentence
    assert len(run.history) == epoch - 1


def test_a_call_that_ends_an_epoch_is_counted_to_its_end():
    y = Y.copy()
    y[ORDERS[0].epoch(0)[9][0]] = math.nan
    with pytest.raises(InputError, match="by step 11 of epoch 1"):
        train_keras(Run("line", 1), ORDERS[0], y=y, steps_per_execution=4)


# What is printed and written


@BOTH
def test_a_line_is_printed_after_each_epoch_under_the_name_of_the_training(style, capsys):
    run = Run("line", 3, epoch_line=lambda epoch, logs: f"Epoch {epoch}: {logs['loss']:.6f}")
    TRAIN[style](run, ORDERS[0])
    printed = capsys.readouterr()
    lines = [
        f"Epoch {number}: {logs['loss']:.6f}" for number, logs in enumerate(run.history, start=1)
    ]
    assert printed.out.splitlines() == ["line", *lines]
    assert printed.err == ""


@BOTH
def test_nothing_is_printed_where_there_is_no_terminal(style, capfd):
    TRAIN[style](Run("line", 2), ORDERS[0])
    out, err = capfd.readouterr()
    assert (out, without_notices(err)) == ("", "")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@BOTH
def test_a_terminal_shows_progress(style, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    TRAIN[style](Run("dense low-level", 2), ORDERS[0])
    shown = terminal.getvalue()
    assert "dense low-level epoch 1/2" in shown
    assert "dense low-level epoch 2/2" in shown
    assert "/22 " in shown  # steps of both epochs
    assert shown.split("\r")[-2].strip() == ""  # the bar is wiped away in the end


def scalars(folder):
    (file,) = folder.glob("events.out.tfevents.*")
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


@BOTH
def test_tensorboard_finds_the_history(style, tmp_path):
    run = Run("line", 2, log_dir=tmp_path / "logs" / style)
    TRAIN[style](run, ORDERS[0])
    found = scalars(tmp_path / "logs" / style)
    expected = {
        (name, epoch): value
        for epoch, logs in enumerate(run.history, start=1)
        for name, value in logs.items()
    }
    assert set(itertools.product(("loss", "val_loss", "seconds"), (1, 2))) <= set(found)
    assert found == pytest.approx(expected, rel=1e-6)


def test_without_a_log_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_low_level(Run("line", 1), ORDERS[0])
    assert not list(tmp_path.iterdir())
