"""Where the losses of one more run would lie, and whether a run's result is normal.

If the losses of n runs at an epoch are draws from a normal distribution, with mean m and standard
deviation s, then a further draw lies in m +- t s sqrt(1 + 1/n) with a chance that Student's t with
n - 1 degrees of freedom sets: the prediction interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ae.lesson import Lesson, label_of
from ae.proof import published, reproduced
from ae.proof.reproduced import Training
from ae.runs.records import number

import numpy as np
from scipy import stats

FEWEST_RUNS = 3  # fewer say little about the spread
UNUSUAL = 0.01  # chance that a run which is like ours is called unusual
ROUNDING = 0.5e-4  # published losses have four decimals


def curves(runs: Sequence[Training], loss: str, length: int) -> np.ndarray:
    """Returns (runs, length) losses, NaN after a run's last epoch."""
    found = np.full((len(runs), length), np.nan)
    for curve, training in zip(found, runs, strict=True):
        losses = [logs[loss] for logs in training.history[:length]]
        curve[: len(losses)] = losses
    return found


def margin(runs: np.ndarray, chance: float, means_of: Any = None) -> np.ndarray:
    """Returns how far from the mean a further run lies with no more than this chance.

    Args:
        runs: (runs, epochs) losses, at least two at each epoch; NaN where a run had stopped.
        chance: of lying outside, such as 0.05.
        means_of: of how many runs the mean is, at each epoch, if not of these.
    """
    count = np.isfinite(runs).sum(axis=0)
    factor = np.sqrt(1 + 1 / (count if means_of is None else means_of))
    spread = stats.t.ppf(1 - chance / 2, count - 1) * np.nanstd(runs, axis=0, ddof=1) * factor
    return np.maximum(spread, ROUNDING)


class Result(NamedTuple):
    """Whether a training's last loss is what it should be."""

    training: str  # "keras", "class keras"
    kind: str  # "passed" if normal, "unusual", or "open" if it cannot be compared
    text: str


def result(
    lesson: Lesson,
    record: Mapping[str, Any],
    network: str,
    style: str,
    history: Sequence[Mapping[str, float]],
) -> Result:
    """Compares a training's last loss with those of the kept runs after as many epochs.

    Args:
        lesson: the lesson of the run.
        record: of the run, finished or not: its settings and data.
        network: the training's.
        style: the training's.
        history: what was logged after each epoch.
    """
    epoch, loss = len(history), history[-1][lesson.printed_loss]
    kept = [
        training
        for training in reproduced.kept(reproduced.title(lesson, record))
        if training.about["network"] == network and len(training.history) >= epoch
    ]
    data = record["data"]
    if found := published.differences(lesson, record):
        why = ", ".join(found)
    elif data["notice"]:
        why = data["notice"]
    elif any(training.about["data"]["sha256"] != data["sha256"] for training in kept):
        why = "our runs had other data"
    elif len(kept) < FEWEST_RUNS:
        why = f"{len(kept)} runs of ours are like this one"
    else:
        why = ""
    text = f"{number(loss)} at epoch {epoch}"
    if why:
        return Result(label_of(network, style), "open", f"{text}; not compared: {why}.")
    ours = curves(kept, lesson.printed_loss, epoch)[:, -1:]
    least, greatest = ours.min(), ours.max()
    near = abs(loss - ours.mean()) <= margin(ours, UNUSUAL)[0]
    normal = near or least <= loss <= greatest
    text += f": {'normal' if normal else 'UNUSUAL'}. Our {len(ours)} runs had "
    text += f"{number(least)} to {number(greatest)} there"
    printed = published.at_epoch(lesson, network, record, epoch)
    if printed and printed["epoch"] == epoch:
        text += f"; published {' and '.join(map(number, printed['losses']))}"
    return Result(label_of(network, style), "passed" if normal else "unusual", f"{text}.")
