"""Training on several devices, and on several machines, with TensorFlow's `tf.distribute`.

Each replica, a device with a copy of the network, computes the gradients of its share of a
minibatch. The optimizer adds the gradients of all replicas before it changes the weights. Shares
may differ by an example, so each counts by its part of the minibatch; the sum is then the gradient
of the whole minibatch, and training gives the numbers of one device, apart from rounding. Each
replica draws its own noise.
"""

import faulthandler
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ae.backend import keras, tf
from ae.errors import InputError
from ae.lesson import Settings
from ae.training.minibatches import share, weighed
from ae.training.peers import PATIENCE, Cluster, read_cluster

LOST = (  # what TensorFlow raises when another worker has ended
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


@dataclass
class Replicas:
    """The devices that train a network together."""

    strategy: tf.distribute.Strategy
    is_shared: bool = False  # whether other machines have replicas too
    _scope: ExitStack = field(default_factory=ExitStack)

    @property
    def number(self) -> int:
        """Number of replicas, those of other machines too."""
        return self.strategy.num_replicas_in_sync

    @contextmanager
    def making_variables(self) -> Iterator[None]:
        """Puts the variables that are made within on each replica, until `end_making`."""
        with self._scope:
            self._scope.enter_context(self.strategy.scope())
            yield

    def end_making(self) -> None:
        """Ends the block of `making_variables` early: what is made later, only this process has."""
        self._scope.close()

    def step(self, train_step: Callable, batch: Sequence[tf.Tensor], summed: bool) -> tf.Tensor:
        """Takes a training step on a minibatch, a share on each replica; returns its loss.

        `summed` says that the loss adds up over a minibatch, instead of taking the mean.
        """
        train_step = getattr(train_step, "python_function", train_step)  # of a `tf.function`

        def on_replica(*batch):
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            size = tf.shape(batch[0])[0]
            first, last = size * number // self.number, size * (number + 1) // self.number
            share.weight = 1.0 if summed else (last - first) / size
            loss = train_step(*(x[first:last] for x in batch))
            return weighed(loss)

        losses = self.strategy.run(on_replica, tuple(batch))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def weigh(self, optimizer: keras.optimizers.Optimizer, factor: float = 1.0) -> None:
        """Multiplies the gradients of each replica by its weight, and by the factor."""
        apply = optimizer.apply

        def apply_weighed(gradients, *variables):
            apply([g if g is None else weighed(g, factor) for g in gradients], *variables)

        optimizer.apply = apply_weighed

    def weigh_fit(self, model: keras.Model, summed: bool) -> None:
        """Does for `fit` what `step` and `weigh` do.

        Keras expects a replica's loss divided by the number of replicas, and divides some losses
        itself: not those that return a scalar.
        """
        compute_loss = model.compute_loss

        def compute_own_loss(x=None, y=None, y_pred=None, sample_weight=None, training=True):
            replica = tf.distribute.get_replica_context()
            if replica is None:  # while Keras looks at the shapes
                return compute_loss(x, y, y_pred, sample_weight, training=training)
            losses = list(model.losses)
            if (function := keras.losses.get(model.loss)) is not None:
                function = getattr(function, "call", function)  # of an object, which would divide
                losses.append(tf.reduce_mean(function(y, y_pred)))
            loss = tf.add_n(losses) / self.number
            model._clear_losses()  # a replica that waited in `gathered` adds its own only now
            size = tf.shape(x)[0]
            whole = replica.all_reduce(tf.distribute.ReduceOp.SUM, size)
            share.weight = 1.0 if summed else size / whole
            return tf.where(size > 0, loss, tf.zeros_like(loss))  # no share of a last minibatch

        model.compute_loss = compute_own_loss
        # Before each `evaluate`, Keras averages the shares of a minibatch to learn their shape. It
        # fails where they differ by an example, and `fit` has built all before.
        model._maybe_symbolic_build = lambda **_: None
        self.weigh(model.optimizer, factor=self.number)

    def agree(self, number: float) -> float:
        """Returns the chief's value of a number that the workers of all machines have computed."""
        if not self.is_shared:
            return number

        @tf.function
        def chiefs():
            def on_replica():
                own = tf.constant([number], tf.float64)
                return tf.distribute.get_replica_context().all_gather(own, axis=0)[0]

            return self.strategy.run(on_replica)

        return float(self.strategy.experimental_local_results(chiefs())[0])

    def require_shares(self, sizes: Sequence[int], style: str, summed: bool) -> None:
        """Refuses minibatches that cannot be shared; `sizes` are their numbers of examples."""
        if self.number == 1:
            return
        advice = f"{self.number} replicas; choose another --batch-size"
        if style == "keras" and (sizes[0] % self.number or (summed and sizes[-1] % self.number)):
            raise InputError(f"Keras cannot share a minibatch of {sizes[0]} among {advice}.")
        first = -(-sizes[-1] // self.number)  # share; TensorFlow fills up those of `fit` in turn
        if sizes[-1] < self.number or (style == "keras" and first * (self.number - 1) >= sizes[-1]):
            raise InputError(f"The last minibatch of {sizes[-1]} is too small for {advice}.")


def require(strategy: str | None, settings: Settings, style: str) -> Cluster | None:
    """Refuses what cannot train with a strategy; returns the workers if there are several."""
    if strategy is None:
        return None
    if settings.mixed_precision:
        raise InputError(f"--strategy {strategy} trains in float32; leave --mixed-precision out.")
    if strategy == "mirrored":
        return None
    if style != "low-level":
        raise InputError(
            f"--strategy {strategy}: Keras 3's `fit` does not work on several machines "
            "(github.com/keras-team/keras, issue 20585); add --style low-level."
        )
    return read_cluster()


def mirrored() -> Replicas:
    """Takes all GPUs of this machine, or its processor if it has none."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return Replicas(tf.distribute.MirroredStrategy([device.name for device in devices]))


def multi_worker(cluster: Cluster) -> Replicas:
    """Takes the devices of all machines, whose workers have met.

    TensorFlow waits for the others for ever and ignores signals. So a process whose peers ended
    just now ends too.
    """
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=nowhere)
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except LOST as error:
            raise InputError("Another worker has ended; start all workers again.") from error
        finally:
            faulthandler.cancel_dump_traceback_later()
    return Replicas(strategy, is_shared=True)


def adapted(settings: Settings, style: str) -> Settings:
    """Switches off what fails under a strategy: XLA, and several steps in a call of Keras."""
    steps = 1 if style == "keras" else settings.steps_per_call
    return replace(settings, jit_compile=False, steps_per_call=steps)


def notice(settings: Settings, style: str, number: int) -> str:
    """Says what a strategy switches off, or that it has a single device; "" for neither."""
    if number == 1:
        return "--strategy mirrored: there is one device here, so it gains nothing."
    off = ["XLA is off"] if settings.jit_compile else []
    if settings.steps_per_call > 1 and style != "low-level":
        off.append("Keras takes one step in a call")
    return f"--strategy: {' and '.join(off)}, for lack of support in TensorFlow." if off else ""
