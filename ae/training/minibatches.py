"""Which examples make up each minibatch, in the orders that the articles' code drew them.

An order is a pure function of its seed and the epoch. So a run can resume at any epoch, and both
styles of a lesson see the same minibatches. Where several devices train, each gets a share of every
minibatch; see `ae.training.strategies`.
"""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ae.backend import tf
from ae.errors import InputError

import numpy as np

share = threading.local()  # of a minibatch, where there are replicas: what it counts, `weight`


@dataclass(frozen=True)
class NextBatch:
    """`mnist.train.next_batch` of TensorFlow 1's tutorials.

    The examples are reshuffled at each pass, and a batch that reaches the end of one pass is filled
    up from the start of the next: every batch is full and nothing is dropped.
    """

    num_examples: int
    batch_size: int
    steps_per_epoch: int  # batches that count as one epoch
    seed: int

    def epoch(self, index: int) -> list[np.ndarray]:
        """Returns the batches of epoch `index` (from 0), each an array of example numbers."""
        start = index * self.steps_per_epoch * self.batch_size
        stop = start + self.steps_per_epoch * self.batch_size
        passes = range(start // self.num_examples, -(-stop // self.num_examples))
        stream = np.concatenate([_permutation(self.num_examples, self.seed, p) for p in passes])
        first = start - passes.start * self.num_examples
        return list(stream[first : first + stop - start].reshape(-1, self.batch_size))


@dataclass(frozen=True)
class Shuffled:
    """A fresh permutation every epoch, cut into batches, as `Model.fit` does it."""

    num_examples: int
    batch_size: int
    seed: int
    drop_remainder: bool = False  # whether to leave out examples that do not fill a last batch

    def __post_init__(self):
        if self.steps_per_epoch == 0:
            raise InputError(
                f"A batch of {self.batch_size} cannot be filled with {self.num_examples} examples; "
                "choose a smaller --batch-size."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        full, rest = divmod(self.num_examples, self.batch_size)
        return full + bool(rest and not self.drop_remainder)

    def epoch(self, index: int) -> list[np.ndarray]:
        """Returns the batches of epoch `index` (from 0), each an array of example numbers."""
        order = _permutation(self.num_examples, self.seed, index)
        cuts = range(0, self.num_examples, self.batch_size)
        return [order[i : i + self.batch_size] for i in cuts][: self.steps_per_epoch]


def dataset(
    order: NextBatch | Shuffled,
    *arrays: np.ndarray | Callable[[int], np.ndarray],
    epochs: Callable[[], Iterable[int]] = itertools.count,
) -> tf.data.Dataset:
    """Makes a dataset of (input, target) minibatches for `Model.fit`.

    The arrays are input and target, or one that is both. One that changes is a function of the
    epoch. At each pass through the dataset `epochs` returns the numbers of the epochs, from 0, in
    that pass. By default one pass has no end, and `fit` needs the order's `steps_per_epoch`.
    """
    drawn = {a: tf.Variable(a(0), trainable=False) for a in arrays if callable(a)}
    tensors = [drawn[a] if callable(a) else tf.convert_to_tensor(a) for a in arrays]
    inputs, targets = tensors[0], tensors[-1]

    def matrices() -> Iterator[np.ndarray]:
        for epoch in epochs():
            for array, variable in drawn.items():
                variable.assign(array(epoch))
            yield from stack_equal(order.epoch(epoch))

    rows = tf.data.Dataset.from_generator(
        matrices, output_signature=tf.TensorSpec([None, None], tf.int64)
    ).unbatch()
    batches = rows.map(lambda row: (tf.gather(inputs, row), tf.gather(targets, row))).prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False  # gathering is light work; more threads would slow training
    options.threading.private_threadpool_size = 1
    return batches.with_options(options)


def stack_equal(batches: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Stacks batches into matrices (steps, batch): the full ones, then a shorter last one."""
    full = [b for b in batches if len(b) == len(batches[0])]
    return [np.stack(full)] + [b[None] for b in batches[len(full) :]]


def weighed(value: tf.Tensor, factor: float = 1.0) -> tf.Tensor:
    """Multiplies a loss of this replica's share by what it counts in the minibatch's.

    Without a strategy it returns the loss.
    """
    if not hasattr(share, "weight"):
        return value
    return tf.scalar_mul(tf.cast(factor * share.weight, value.dtype), value)


def gathered(z: tf.Tensor) -> tf.Tensor:
    """Joins what all replicas made (share, ...) of their shares of a minibatch: (batch, ...).

    It is for a loss that is no mean over examples; of the layers of a Keras model, one may add such
    a loss, and no other then. Without a strategy it returns z.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return z

    @tf.custom_gradient
    def gather(z):
        sizes = replica.all_gather(tf.shape(z)[:1], axis=0)
        first = tf.reduce_sum(sizes[: replica.replica_id_in_sync_group])

        def gradient(upstream):
            own = upstream[first : first + tf.shape(z)[0]]
            return own / tf.cast(share.weight, own.dtype)  # all replicas compute the same loss

        return replica.all_gather(z, axis=0), gradient

    return gather(z)


def _permutation(num_examples: int, seed: int, number: int) -> np.ndarray:
    return np.random.default_rng([seed, number]).permutation(num_examples)
