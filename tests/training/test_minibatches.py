from ae.errors import InputError
from ae.training.minibatches import NextBatch, Shuffled, dataset

import numpy as np
import pytest


class DataSet:
    """The bookkeeping of `tensorflow.examples.tutorials.mnist.DataSet`, for example numbers.

    TensorFlow 1 drew a permutation for every shuffle and applied it to the images as they lay.
    Here the order that the shuffle leads to is given.
    """

    def __init__(self, orders):
        self._orders = iter(orders)
        self._num_examples = len(orders[0])
        self._examples = np.arange(self._num_examples)
        self._epochs_completed = 0
        self._index_in_epoch = 0

    def _shuffle(self):
        perm = np.argsort(self._examples)[next(self._orders)]
        self._examples = self._examples[perm]

    def next_batch(self, batch_size):
        start = self._index_in_epoch
        if self._epochs_completed == 0 and start == 0:
            self._shuffle()
        if start + batch_size > self._num_examples:
            self._epochs_completed += 1
            rest_num_examples = self._num_examples - start
            rest = self._examples[start : self._num_examples]
            self._shuffle()
            start = 0
            self._index_in_epoch = batch_size - rest_num_examples
            return np.concatenate([rest, self._examples[start : self._index_in_epoch]])
        self._index_in_epoch += batch_size
        return self._examples[start : self._index_in_epoch]


def passes(num_examples, seed, number):
    """The permutations behind an order: one for each pass, drawn anew."""
    return [np.random.default_rng([seed, i]).permutation(num_examples) for i in range(number)]


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "steps_per_epoch", "epochs"),
    [
        (10, 3, 3, 9),
        (10, 5, 2, 4),  # a batch ends where a pass ends
        (10, 3, 7, 5),  # an epoch is longer than a pass
        (10, 3, 1, 20),  # and much shorter
        (7, 7, 2, 3),
        (5, 1, 3, 4),
        (55_000, 256, 214, 4),
    ],
)
def test_next_batch_draws_what_tensorflow_1_drew(num_examples, batch_size, steps_per_epoch, epochs):
    order = NextBatch(num_examples, batch_size, steps_per_epoch, seed=3)
    number = epochs * steps_per_epoch * batch_size // num_examples + 2
    original = DataSet(passes(num_examples, 3, number))
    for epoch in range(epochs):
        batches = order.epoch(epoch)
        assert len(batches) == steps_per_epoch
        for batch in batches:
            np.testing.assert_array_equal(batch, original.next_batch(batch_size))


def test_an_epoch_of_214_steps_leaves_216_digits_for_the_next():
    order = NextBatch(55_000, 256, 214, seed=0)
    first_pass = passes(55_000, 0, 1)[0]
    assert 55_000 - 214 * 256 == 216
    np.testing.assert_array_equal(order.epoch(1)[0][:216], first_pass[-216:])


@pytest.mark.parametrize("batch_size", [1, 3, 4, 12, 13, 30])
def test_every_example_comes_once_in_each_pass(batch_size):
    order = NextBatch(12, batch_size, 12, seed=1)  # 12 batches hold whole passes
    drawn = np.concatenate([np.concatenate(order.epoch(i)) for i in range(3)])
    for one_pass in drawn.reshape(-1, 12):
        np.testing.assert_array_equal(np.sort(one_pass), np.arange(12))


def test_a_batch_larger_than_the_set_is_filled_from_several_passes():
    order = NextBatch(4, 10, 2, seed=0)
    stream = np.concatenate(passes(4, 0, 10))
    for epoch in range(2):
        expected = stream[20 * epoch : 20 * (epoch + 1)].reshape(2, 10)
        np.testing.assert_array_equal(order.epoch(epoch), expected)


ORDERS = [
    lambda seed: NextBatch(50, 8, 6, seed),
    lambda seed: Shuffled(50, 8, seed),
    lambda seed: Shuffled(50, 8, seed, drop_remainder=True),
]


@pytest.mark.parametrize("make", ORDERS)
def test_an_order_is_a_function_of_seed_and_epoch(make):
    order = make(0)
    backwards = {epoch: np.concatenate(order.epoch(epoch)) for epoch in (5, 2, 0)}
    np.random.seed(9)  # noqa: NPY002  (the state of the global generator must not matter)
    for epoch, drawn in backwards.items():
        np.testing.assert_array_equal(np.concatenate(make(0).epoch(epoch)), drawn)
    assert not np.array_equal(backwards[0], backwards[2])
    assert not np.array_equal(backwards[0], np.arange(len(backwards[0])))


@pytest.mark.parametrize("make", ORDERS)
def test_other_seeds_give_other_orders(make):
    drawn = {
        tuple(np.concatenate(make(seed).epoch(epoch))) for seed in range(5) for epoch in (0, 1)
    }
    assert len(drawn) == 10  # neither does seed 0, epoch 1 repeat seed 1, epoch 0


@pytest.mark.parametrize(("num_examples", "batch_size"), [(10, 3), (12, 4), (3, 8), (8, 8), (5, 1)])
def test_shuffled_gives_every_example_once_an_epoch(num_examples, batch_size):
    order = Shuffled(num_examples, batch_size, seed=0)
    for epoch in range(3):
        batches = order.epoch(epoch)
        assert len(batches) == order.steps_per_epoch
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert 0 < len(batches[-1]) <= batch_size
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(num_examples))


@pytest.mark.parametrize(
    ("num_examples", "batch_size", "kept", "dropped"),
    [(10, 3, 4, 3), (12, 4, 3, 3), (60_000, 128, 469, 468)],
)
def test_shuffled_keeps_or_drops_the_remainder(num_examples, batch_size, kept, dropped):
    assert Shuffled(num_examples, batch_size, 0).steps_per_epoch == kept
    without = Shuffled(num_examples, batch_size, 0, drop_remainder=True)
    assert without.steps_per_epoch == dropped
    batches = without.epoch(0)
    assert [len(batch) for batch in batches] == [batch_size] * dropped
    assert len(set(np.concatenate([[], *batches]))) == dropped * batch_size


X = np.arange(20, dtype="float32").reshape(10, 2)
Y = 100 + np.arange(10)


def test_a_batch_that_cannot_be_filled_is_refused():
    assert Shuffled(3, 8, 0).steps_per_epoch == 1
    with pytest.raises(InputError, match="A batch of 8 cannot be filled with 3 examples"):
        Shuffled(3, 8, 0, drop_remainder=True)


@pytest.mark.parametrize("order", [Shuffled(10, 4, 0), NextBatch(10, 4, 3, 0)])
def test_feed_gives_input_and_target_in_the_order_s_order(order):
    rows = [row for epoch in range(3) for row in order.epoch(epoch)]
    stream = dataset(order, X, Y).take(len(rows)).as_numpy_iterator()
    for row, (x, y) in zip(rows, stream, strict=True):
        np.testing.assert_array_equal(x, X[row])
        np.testing.assert_array_equal(y, Y[row])
        assert (x.dtype, y.dtype) == (X.dtype, Y.dtype)


def test_feed_takes_one_array_as_both():
    order = Shuffled(10, 4, 0)
    for row, (x, y) in zip(
        order.epoch(0), dataset(order, X).take(3).as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(x, X[row])
        np.testing.assert_array_equal(y, X[row])


def test_feed_begins_anew_each_time_it_is_iterated():
    stream = dataset(Shuffled(10, 4, 0), Y).take(2)
    first, second = ([x for x, _ in stream.as_numpy_iterator()] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_feed_goes_through_the_epochs_it_is_given_each_time_it_is_iterated():
    order, now = Shuffled(10, 4, 0), []
    stream = dataset(order, Y, epochs=lambda: list(now))
    for now[:] in ([0], [2, 5]):
        rows = [row for epoch in now for row in order.epoch(epoch)]
        for row, (x, _) in zip(rows, stream.as_numpy_iterator(), strict=True):
            np.testing.assert_array_equal(x, Y[row])


def test_feed_takes_an_array_of_each_epoch():
    """As noise that is drawn for each epoch; a resumed run begins at a later one."""
    order, now = Shuffled(10, 4, 0), []
    stream = dataset(order, lambda epoch: X + epoch, Y, epochs=lambda: list(now))
    for now[:] in ([0], [3], [1, 2]):
        rows = [(epoch, row) for epoch in now for row in order.epoch(epoch)]
        for (epoch, row), (x, y) in zip(rows, stream.as_numpy_iterator(), strict=True):
            np.testing.assert_array_equal(x, X[row] + epoch)
            np.testing.assert_array_equal(y, Y[row])
