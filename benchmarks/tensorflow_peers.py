"""The peers on TensorFlow: our two styles, plain `fit`, and TensorFlow 1's session."""

import dataclasses
import time
from collections.abc import Callable

from ae.proof import graph_mode
from ae.training import precision
from ae.training.faster_layers import faster_layers
from ae.training.optimizers import RMSpropKeras2, RMSpropTF1
from ae.training.run import Run
from benchmarks.problems import FOREVER, Problem
from tutorials import low_level_ae

import keras
import numpy as np

EpochDone = Callable[[float, float], None]  # takes mean loss and seconds; returns to go on
PLAIN = {  # optimizer and loss that the article's reader would hand to `compile`
    "dense_ae": (lambda: RMSpropTF1(0.001), "mse"),
    "sigmoid_ae": (lambda: RMSpropTF1(0.01), "mse"),
    "low_level_ae_class": (lambda: RMSpropTF1(0.005), low_level_ae.sum_of_cross_entropies),
    "low_level_ae_layers": (
        lambda: keras.optimizers.Adam(0.001, epsilon=1e-8),
        low_level_ae.doubled_sigmoid_cross_entropy,
    ),
    "conv_denoiser": (lambda: keras.optimizers.Adam(0.001), "mse"),
    "document_cleaner": (lambda: keras.optimizers.Adam(0.001), "mse"),
    "fashion_vae": (lambda: RMSpropKeras2(0.001), None),
}


class Stopwatch(Run):
    """A run that hands each epoch's mean loss and seconds over."""

    def __init__(self, steps_per_call: int, epoch_done: EpochDone):
        super().__init__("benchmark", FOREVER, steps_per_call, after_epoch=self.report)
        self.epoch_done = epoch_done

    def report(self, epoch):
        """Hands the newest epoch over; that is outside of what is timed."""
        self.epoch_done(self.history[-1]["loss"], self.history[-1]["seconds"])


class BetweenSteps(keras.callbacks.Callback):
    """Times `fit` from the end of an epoch's first step to the end of its last.

    Before the first step of an epoch, plain `fit` may wait seconds for its own data pipeline. That
    is no difference of speed that we would like to claim.
    """

    def __init__(self, epoch_done: EpochDone):
        super().__init__()
        self.epoch_done = epoch_done

    def on_train_batch_end(self, batch, logs=None):
        """Notes when the step ended."""
        if batch == 0:
            self.first = time.perf_counter()
        self.last, self.steps = time.perf_counter(), batch

    def on_epoch_end(self, epoch, logs=None):
        """Hands the epoch over, as long as if its first step had been like the others."""
        seconds = (self.last - self.first) * (self.steps + 1) / self.steps
        self.epoch_done(float(logs["loss"]), seconds)


def low_level(problem: Problem, epoch_done: EpochDone) -> None:
    """Trains our low-level style."""
    settings = problem.settings
    style = problem.lesson.networks[problem.network]["low-level"]
    network = style.build(settings)
    for variable, weight in zip(network.weights, problem.weights, strict=True):
        variable.assign(weight)
    run = Stopwatch(settings.steps_per_call, epoch_done)
    style.train(network, problem.data, settings, run)


def low_level_in_bfloat16(problem: Problem, epoch_done: EpochDone) -> None:
    """Trains our low-level style as `--mixed-precision` does."""
    with precision.compiled_steps():
        low_level(problem, epoch_done)


def our_keras(problem: Problem, epoch_done: EpochDone, in_bfloat16: bool = False) -> None:
    """Trains our Keras style."""
    settings = dataclasses.replace(problem.settings, num_epochs=FOREVER)
    style = problem.lesson.networks[problem.network]["keras"]
    model = style.build(settings)
    if in_bfloat16:
        precision.to_bfloat16(model)
    _start_from(model, problem)
    with faster_layers(model):
        style.train(model, problem.data, settings, Stopwatch(settings.steps_per_call, epoch_done))


def our_keras_in_bfloat16(problem: Problem, epoch_done: EpochDone) -> None:
    """Trains our Keras style as `--mixed-precision` does."""
    our_keras(problem, epoch_done, in_bfloat16=True)


def plain_fit(problem: Problem, epoch_done: EpochDone) -> None:
    """Trains the Keras network by `compile` and `fit` on arrays, with no other argument."""
    model = problem.lesson.networks[problem.network]["keras"].build(problem.settings)
    _start_from(model, problem)
    rows = np.concatenate(problem.order.epoch(0))
    x = problem.inputs[rows]
    y = x if problem.targets is problem.inputs else problem.targets[rows]
    if problem.network == "class":  # whose loss takes the logits
        encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
        x_in = model.inputs[0]
        model = keras.Model(x_in, decoder.get_layer("logits")(encoder(x_in)))
    make_optimizer, loss = PLAIN[problem.name]
    model.compile(optimizer=make_optimizer(), loss=loss)
    # Unshuffled, so that the batches are those of the other peers.
    model.fit(x, y, batch_size=len(problem.order.epoch(0)[0]), epochs=FOREVER, shuffle=False,
              verbose=0, callbacks=[BetweenSteps(epoch_done)])  # fmt: skip


def session(problem: Problem, epoch_done: EpochDone) -> None:
    """Trains the article's graph in a session, a `feed_dict` a batch."""
    key = (problem.lesson.name, problem.network)
    with graph_mode.training(*key, problem.weights, problem.inputs.shape[1]) as (step, _):
        for epoch in range(FOREVER):
            batches = [problem.inputs[rows] for rows in problem.order.epoch(epoch)]
            started = time.perf_counter()
            losses = [step(batch) for batch in batches]
            epoch_done(float(np.mean(losses)), time.perf_counter() - started)


def _start_from(model: keras.Model, problem: Problem) -> None:
    for variable, weight in zip(model.trainable_weights, problem.weights, strict=True):
        variable.assign(weight)
