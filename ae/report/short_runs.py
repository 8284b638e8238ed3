"""What the cells of a notebook call: a training of about 200 steps, and pictures as it goes on."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ae import figures
from ae.backend import tf
from ae.lesson import Examples, Settings
from ae.networks import Network, reconstruct
from ae.training.minibatches import NextBatch, Shuffled
from ae.training.run import Run

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display
from matplotlib.figure import Figure

STEPS = 200  # of a training
BETWEEN = 20  # steps from a picture to the next
MOST_EPOCHS = 25  # where an epoch has fewer steps than that
WIDTH = 6  # inches of a row of pictures, unless they are many


def shorten(settings: Settings, data: Any) -> Settings:
    """Returns settings of about 200 steps; each epoch takes `steps_per_call` of them.

    An epoch has 20 steps, or fewer where few examples make fewer minibatches. XLA is off, because
    compiling takes longer than 200 steps do.
    """
    steps = min(BETWEEN, max(1, len(data.x_train) // settings.batch_size))
    epochs = min(MOST_EPOCHS, STEPS // steps)
    return replace(settings, num_epochs=epochs, steps_per_call=steps, jit_compile=False)


class ShortRun(Run):
    """A run whose epochs end after `steps_per_call` steps, and which never stops early.

    It takes settings from `shorten`. With a network and examples, it shows after every 20 steps
    what the network makes of them. The new picture replaces the one before.
    """

    def __init__(
        self,
        label: str,
        settings: Settings,
        network: Network | None = None,
        examples: Examples | None = None,
    ):
        watched = network is not None and examples is not None
        super().__init__(
            label,
            settings.num_epochs,
            settings.steps_per_call,
            after_epoch=(lambda epoch: self._show(network, examples)) if watched else None,
        )
        self._shown = None

    @property
    def losses(self) -> list[float]:
        """The mean loss of each epoch."""
        return [logs["loss"] for logs in self.history]

    def epochs(self, optimizer, patience=None):
        """Yields all epochs."""
        return super().epochs(optimizer)

    def callbacks(self, patience=None):
        """Makes the callbacks without that which stops early."""
        return super().callbacks()

    def chunks(self, batches: Sequence[np.ndarray]):
        """Hands out the first minibatches of an epoch at once."""
        return super().chunks(batches[: self.steps_per_call])

    def dataset(
        self, order: NextBatch | Shuffled, *arrays: np.ndarray | Callable[[int], np.ndarray]
    ) -> tf.data.Dataset:
        """Makes a dataset of the same minibatches."""
        return super().dataset(order, *arrays).take(self.steps_per_call)

    def _show(self, network: Network, examples: Examples) -> None:
        step, last = (n * self.steps_per_call for n in (self.epochs_done, self.num_epochs))
        if step % BETWEEN >= self.steps_per_call and step < last:
            return
        title = f"{self.label}, step {step} of {last}: loss {self.losses[-1]:.4g}"
        picture = pictures(rows_of(examples, x_hat=reconstruct(network, examples.x)), title)
        if self._shown is None:
            self._shown = display(picture, display_id=True)
        else:
            self._shown.update(picture)


def rows_of(examples: Examples, **others: Any) -> dict[str, np.ndarray]:
    """Puts what a network gets, what it should make of that and other images under each other."""
    target = {} if examples.target is None else {"target": examples.target}
    return {"x": examples.x, **target, **others}


def pictures(rows: Mapping[str, Any], title: str = "") -> Image:
    """Draws labelled rows of images, (n, height, width, 1) or square ones as (n, pixels)."""
    images = {name: _squares(np.asarray(x)) for name, x in rows.items()}
    count = len(next(iter(images.values())))
    figure = figures.strip(images, size=max(1, WIDTH / count))
    top = figure.axes[0].get_position().y1 + 0.1 / figure.get_figheight()
    figure.suptitle(title, y=top, va="bottom")
    return _drawn(figure, f"{title or 'images'}; rows: {', '.join(rows)}")


def curves(runs: Mapping[str, ShortRun]) -> Image:
    """Draws the mean losses of runs of equal length over their steps."""
    lines = {name: run.losses for name, run in runs.items()}
    (steps,) = {run.steps_per_call for run in runs.values()}
    epochs = range(1, max(map(len, lines.values())) + 1)
    axes = {"xlabel": "step", "ylabel": "loss", "title": f"mean loss of {steps} steps"}
    losses = [loss for line in lines.values() for loss in line]
    axes["yscale"] = "log" if max(losses) > 100 * min(losses) > 0 else "linear"
    figure = figures.curves(lines, [steps * epoch for epoch in epochs], **axes)
    for line, width in zip(figure.axes[0].lines, (6, 2), strict=False):
        line.set(linewidth=width, markersize=2 * width)  # one on the other, and both are seen
    return _drawn(figure, f"loss over steps: {' and '.join(runs)}")


def apart(first: ShortRun, second: ShortRun) -> float:
    """Returns the largest relative difference between the losses of two runs."""
    a, b = np.array(first.losses), np.array(second.losses)
    return float(np.max(np.abs(a - b) / np.abs(a)))


def _squares(x: np.ndarray) -> np.ndarray:
    if x.ndim == 2:
        side = int(np.sqrt(x.shape[1]))
        return x.reshape(-1, side, side)
    return x[..., 0]


def _drawn(figure: Figure, about: str) -> Image:
    """Turns a figure into a picture, so that no backend shows it a second time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    return Image(buffer.getvalue(), alt=about)
