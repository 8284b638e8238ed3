"""Compares our learning curves with the published ones, in bands that come from our own runs.

Where an article printed no losses, its network is trained beside the article's TensorFlow 1 code.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.console import print_wrapped
from ae.errors import InputError
from ae.lesson import Lesson, with_network
from ae.paths import make_folder, refuse_to_overwrite, remember
from ae.proof import bands, claims, graph_mode, parity, pictures, published, reproduced
from ae.proof.reproduced import Training
from ae.runs import drawing, records
from ae.terminal import working

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

CHANCE = 0.05  # of one point of a run like ours to lie outside the band
BFLOAT16 = 2.0**-8  # relative; the gap between neighbours is twice as wide
GRAPH_STEPS = 100  # rounding grows with the steps; a difference of method shows at once
CURVE = "  curve   "  # heads a line about a curve


class Comparison(NamedTuple):
    """Our runs of one network over the published ones."""

    epochs: np.ndarray  # the published ones that enough of our runs reached
    ours: np.ndarray  # (runs, epochs) losses; NaN where a run had stopped
    printed: np.ndarray  # (published runs, epochs) losses
    lower: np.ndarray  # (epochs,) where the band begins
    upper: np.ndarray  # (epochs,) where it ends

    @property
    def outside(self) -> np.ndarray:
        """Which published points lie outside the band, (published runs, epochs)."""
        return (self.printed < self.lower) | (self.printed > self.upper)

    @property
    def allowed(self) -> int:
        """How many points of as many lie outside by chance, in 99 of 100 cases.

        This takes the points as independent. Those of one curve are not, so `control` counts, too.
        """
        return int(stats.binom.ppf(0.99, self.printed.size, CHANCE))

    @property
    def passed(self) -> bool:
        """Whether no more published points lie outside the band than chance allows."""
        return bool(self.outside.sum() <= self.allowed)


def compare(
    lesson: Lesson,
    network: str,
    trainings: Sequence[Training],
    float32: Sequence[Training] | None = None,
    *,
    loss: str | None = None,
) -> Comparison:
    """Lays our curves over the published ones, at every epoch that three of ours reached.

    The band of an epoch is where a further run of ours would lie, in 95 of 100 cases. Runs in
    bfloat16 take their spread from runs in float32, and their band is wider by 2^-8 of our mean,
    which is what rounding a number to bfloat16 may change.

    Args:
        trainings: some of that network, at the article's settings.
        float32: the runs to take the spread from, at least three; by default `trainings`.
        loss: the history entry to compare; by default the one that the article printed.
    """
    loss = loss or lesson.printed_loss
    spread = trainings if float32 is None else float32
    if len(spread) < bands.FEWEST_RUNS:
        raise ValueError(f"{len(spread)} runs are too few to make a band of; give three or more.")
    curve = published.curve(lesson.name)
    ours, widths = (bands.curves(runs, loss, len(curve["epoch"])) for runs in (trainings, spread))
    enough = np.isfinite(widths).sum(axis=0) >= bands.FEWEST_RUNS
    length = np.count_nonzero(enough & np.isfinite(ours).any(axis=0))
    ours, widths = ours[:, :length], widths[:, :length]
    printed = np.array([curve[column][:length] for column in lesson.published[network][loss]])
    mean = np.nanmean(ours, axis=0)
    margin = bands.margin(widths, CHANCE, np.isfinite(ours).sum(axis=0))
    if float32 is not None:
        margin += BFLOAT16 * mean
    epochs = np.array(curve["epoch"][:length], dtype=int)
    return Comparison(epochs, ours, printed, mean - margin, mean + margin)


def control(comparison: Comparison) -> list[int]:
    """Counts at how many points each of our own runs would fail, had it been the published one.

    Each is compared with the others, as the published run is with all. The list is empty if ours
    are too few.
    """
    ours = comparison.ours
    if len(ours) <= bands.FEWEST_RUNS:
        return []
    ours = ours[:, np.isfinite(ours).sum(axis=0) > bands.FEWEST_RUNS]
    counts = []
    for number, run in enumerate(ours):
        others = np.delete(ours, number, axis=0)
        distance = np.abs(run - np.nanmean(others, axis=0))
        counts.append(int(np.sum(distance > bands.margin(others, CHANCE))))
    return counts


def verdict(comparison: Comparison) -> str:
    """Says how many points lie outside the band, how many chance allows, and which is furthest."""
    outside, ours, printed = comparison.outside, comparison.ours, comparison.printed
    counts = f"{outside.sum()} of {outside.size} published points outside the band"
    words = (
        f"{'passed' if comparison.passed else 'FAILED'}: {counts} (expected by chance: "
        f"{CHANCE * outside.size:.2g}; allowed: {comparison.allowed})"
    )
    if not outside.any():
        return words
    mean = np.nanmean(ours, axis=0)
    run, epoch = np.unravel_index((abs(printed - mean) / mean * outside).argmax(), outside.shape)
    return (
        f"{words}, furthest at epoch {comparison.epochs[epoch]}: ours "
        f"{records.number(mean[epoch])}, published {records.number(printed[run, epoch])}"
    )


def epochs_to_reach(comparison: Comparison) -> Iterator[str]:
    """Says how many epochs our runs and the published ones took to reach a published loss.

    The losses are the published ones after half and after all of the epochs.
    """
    epochs, ours, printed = comparison.epochs, comparison.ours, comparison.printed
    for row in dict.fromkeys((len(epochs) // 2, len(epochs) - 1)):
        target = printed[:, row].max()

        def first(curves, target=target):
            return [int(epochs[np.argmax(c <= target)]) for c in curves if np.any(c <= target)]

        theirs, reached = first(printed), first(ours)
        line = f"to a loss of {records.number(target)}: published {_span(theirs)}, ours "
        yield (
            line
            + (_span(reached) if reached else "none")
            + (
                f", {len(ours) - len(reached)} of {len(ours)} never"
                if len(reached) < len(ours)
                else ""
            )
        )


def _span(numbers: Sequence[int]) -> str:
    return " to ".join(map(str, sorted({min(numbers), max(numbers)})))


def draw(comparison: Comparison, name: str, loss: str) -> Figure:
    """Draws our runs, the band and the published points."""
    epochs, ours, printed, lower, upper = comparison
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    axis.fill_between(epochs, lower, upper, alpha=0.25, label="band")
    axis.plot(epochs, ours.T, color="tab:blue", linewidth=0.7)[0].set_label("our runs")
    axis.plot(epochs, printed.T, "k.", markersize=4)[0].set_label("published")
    if comparison.outside.any():
        outside = np.where(comparison.outside, printed, np.nan)
        axis.plot(epochs, outside.T, "r.", markersize=4)[0].set_label("published, outside the band")
    axis.set(xlabel="epoch", ylabel=loss.replace("_", " "), title=name, yscale="log")
    usual = np.nanmedian(ours, axis=0)  # one run may begin far above
    lowest = min(printed.min(), usual.min(), *lower[lower > 0])
    axis.set_ylim(0.97 * lowest, 1.1 * max(printed.max(), usual.max()))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    return figure


def against_graph(lesson: Lesson, network: str) -> tuple[bool, str]:
    """Trains a network beside its graph; returns whether the losses agree, and the verdict."""
    *_, last = parity.settle(lesson, network, GRAPH_STEPS, parity.GRAPH)
    return last.agrees, (
        f"{'passed' if last.agrees else 'FAILED'}: losses of {len(last.losses)} steps are within "
        f"{last.loss_difference:.1e} of the article's TensorFlow 1 graph's ({last.floatx}; "
        f"allowed: {last.target:.0e})"
    )


def main(lessons: Sequence[Lesson], options: argparse.Namespace, train: Callable) -> int:
    """Checks lessons against what was published, prints a verdict each and draws the curves.

    The exit code is 1 if more published points lie outside their band than chance allows, or if
    losses differ from those of the article's graph. A claim that fails is printed and does not
    change the exit code.

    Args:
        train: takes a lesson and what `planned` yields; returns the record.
    """
    plt.switch_backend("Agg")
    make_folder(options.out)
    figures = [path for one in lessons for path in options.out.glob(f"{one.name}-*.png")]
    refuse_to_overwrite(options.out, figures, options.overwrite)
    verdicts: dict[str, bool | None] = {}
    for lesson in lessons:
        for name, trainings in _trainings_by_kind(lesson, options, train).items():
            for network in lesson.networks:
                chosen = [t for t in trainings if t.about["network"] == network]
                label = with_network(name, network)
                print(f"\n{label}")
                verdicts[label] = _check(lesson, network, name, chosen, options.out)
    if not verdicts:
        raise InputError("There are no runs of these lessons to check.")
    failed = [label for label, passed in verdicts.items() if passed is False]
    unchecked = [label for label, passed in verdicts.items() if passed is None]
    rest = f"; not checked: {', '.join(unchecked)}" if unchecked else ""
    print(f"\nCurves that failed: {', '.join(failed) or 'none'}{rest}.")
    return int(bool(failed))


def _check(
    lesson: Lesson, network: str, name: str, trainings: Sequence[Training], out: Path
) -> bool | None:
    """Checks one network and prints the result; returns whether it passes, None if undecided."""
    about = trainings[0].about
    for line in claims.summary(lesson, [training.about["claims"] for training in trainings]):
        print_wrapped(line, "  claim   ")
    if published.columns(lesson, network, about["settings"], about["data"]["notice"]):
        for line in pictures.lines(lesson, [training.about for training in trainings]):
            print_wrapped(line, "  picture ")
    if not lesson.published.get(network):
        if (lesson.name, network) not in graph_mode.NETWORKS or name != lesson.name:
            print(f"{CURVE}none was published")
            return True
        with working("training beside the article's TensorFlow 1 graph"):
            agrees, words = against_graph(lesson, network)
        print_wrapped(words, CURVE)
        return agrees
    if about["data"]["notice"]:
        print_wrapped(f"not checked: {about['data']['notice']}", CURVE)
        return None
    printed = published.columns(lesson, network, about["settings"])
    if not printed:
        print(f"{CURVE}not checked, for the published one is of other settings")
        return True
    float32 = reproduced.kept_in_float32(lesson, trainings[0])
    spread = trainings if float32 is None else float32
    if len(spread) < bands.FEWEST_RUNS:
        print(f"{CURVE}not checked: {len(spread)} of {bands.FEWEST_RUNS} runs that it takes")
        return None
    wider = "" if float32 is None else f" in bfloat16, {len(float32)} in float32 for the band"
    report = drawing.Report(out, f"{name}-")
    passed = True
    for loss in printed:
        comparison = compare(lesson, network, trainings, float32, loss=loss)
        passed = passed and comparison.passed
        words = f"{loss.replace('_', ' ')} {verdict(comparison)}"
        print_wrapped(f"{words}; {len(trainings)} runs{wider}", CURVE)
        for line in epochs_to_reach(comparison) if loss == lesson.printed_loss else []:
            print_wrapped(line, "  epochs  ")
        if counts := control(comparison) if float32 is None else []:
            words = f"each of our runs against the others: {', '.join(map(str, counts))}"
            print_wrapped(f"{words} points outside", "  control ")
        report.figure(loss, draw(comparison, name, loss))
    remember(out, report.figures)
    return passed


def planned(lesson: Lesson, options: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the runs that a check trains: a folder, and what differs from `--preset article`."""
    for seed in range(options.seeds):
        chosen = {"seed": seed, "overwrite": options.overwrite}
        yield options.out / f"{lesson.name}-{seed}", chosen
        if lesson.published_with:
            epochs = len(published.curve(lesson.name)["epoch"])
            chosen = {**chosen, "epochs": epochs, **lesson.published_with}
            yield options.out / f"{lesson.name}-published-{seed}", chosen


def _trainings_by_kind(
    lesson: Lesson, options: argparse.Namespace, train: Callable
) -> dict[str, list[Training]]:
    """Collects trainings by the title of their run; trains them unless there are runs to take."""
    if options.kept:
        return reproduced.kept_of(lesson)
    if options.from_runs:
        folders = [f for f in options.from_runs if records.read_record(f)["lesson"] == lesson.name]
        runs = reproduced.read_runs(lesson, folders)
    else:
        runs = [train(lesson, folder, chosen) for folder, chosen in planned(lesson, options)]
    kinds = defaultdict(list)
    for record in runs:
        kinds[reproduced.title(lesson, record)] += reproduced.trainings_of(record)
    return kinds
