"""Compares our learning curves with the published ones, in bands that come from our own runs.

If an article printed no numbers, its network is compared with the article's code path in
TensorFlow 1.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ae.console import print_wrapped
from ae.errors import InputError
from ae.lesson import Lesson, with_network
from ae.paths import make_folder
from ae.proof import claims, graph_mode, parity, published, reproduced
from ae.proof.reproduced import Training
from ae.runs import records

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

ROUNDING = 0.5e-4  # published losses have four decimals
DEVIATIONS = 3.0
FEWEST_RUNS = 3  # with a spread worth the name
BFLOAT16 = 2.0**-8  # relative; the gap between neighbours is twice as wide
ORACLE_STEPS = 100  # rounding grows with the steps, a difference of method shows at once


class Comparison(NamedTuple):
    """Our runs of one network over the published curve.

    Attributes:
        network: the network's name in its lesson.
        epochs: the published epochs that enough of our runs reached.
        ours: (runs, epochs); NaN where a run had stopped.
        printed: (published runs, epochs).
        lower: (epochs,) what a point may not be below.
        upper: (epochs,) nor above.
        inside: (epochs,) whether the point is within.
    """

    network: str
    epochs: np.ndarray
    ours: np.ndarray
    printed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    inside: np.ndarray

    @property
    def passed(self) -> bool:
        """Whether every published point is within the band."""
        return bool(self.inside.all())


def compare(
    lesson: Lesson,
    network: str,
    trainings: Sequence[Training],
    float32: Sequence[Training] | None = None,
    *,
    loss: str = "",
) -> Comparison | None:
    """Lays our curves over the published one, at every epoch that three of ours reached.

    Where several complete runs were published, the mean of ours must lie within their range,
    widened by three of our own run-to-run standard deviations. Where one was published, it must lie
    within three standard deviations of our mean. The deviation is never taken to be less than a
    third of what rounding to four decimals may hide.

    Runs in bfloat16 take their deviation from runs in float32, and their margin is wider by 2^-8 of
    our mean, which is what rounding a number to bfloat16 may change.

    Args:
        trainings: some of that network, at the article's settings.
        float32: the runs that the deviation is taken from, at least three; by default the same.
        loss: the history entry to compare; by default the one that the article printed.

    Returns:
        The comparison, or None if no such curve of this network was published.

    Raises:
        ValueError: if the deviation is of fewer than three trainings, and says little.
    """
    loss = loss or lesson.printed_loss
    columns = lesson.published.get(network, {}).get(loss)
    if not columns:
        return None
    spread = trainings if float32 is None else float32
    if len(spread) < FEWEST_RUNS:
        raise ValueError(f"{len(spread)} runs are too few to make a band of; give three or more.")
    curve = published.curve(lesson.name)
    ours, widths = (_curves(runs, loss, len(curve["epoch"])) for runs in (trainings, spread))
    enough = np.sum(np.isfinite(widths), axis=0) >= FEWEST_RUNS
    length = np.count_nonzero(enough & np.isfinite(ours).any(axis=0))
    printed = np.array([curve[column][:length] for column in columns])
    ours, widths = ours[:, :length], widths[:, :length]
    mean = np.nanmean(ours, axis=0)
    margin = _margin(widths)
    if float32 is not None:
        margin += BFLOAT16 * mean
    if len(printed) > 1:
        lower, upper = printed.min(axis=0) - margin, printed.max(axis=0) + margin
        inside = (lower <= mean) & (mean <= upper)
    else:
        lower, upper = mean - margin, mean + margin
        inside = (lower <= printed[0]) & (printed[0] <= upper)
    epochs = np.array(curve["epoch"][:length], dtype=int)
    return Comparison(network, epochs, ours, printed, lower, upper, inside)


def control(comparison: Comparison) -> list[int]:
    """Counts at how many points each of our own runs would fail, had it been the published one.

    Each is compared with the others, as the published run is with all. Identical runs fail too now
    and then, because a few runs underestimate their deviation; these counts show how often.

    Returns:
        A number for each run, of the epochs that three others reached; nothing where several runs
        were published or ours are too few.
    """
    ours = comparison.ours
    if len(comparison.printed) > 1 or len(ours) <= FEWEST_RUNS:
        return []
    ours = ours[:, np.sum(np.isfinite(ours), axis=0) > FEWEST_RUNS]
    counts = []
    for number, run in enumerate(ours):
        others = np.delete(ours, number, axis=0)
        counts.append(int(np.sum(np.abs(run - np.nanmean(others, axis=0)) > _margin(others))))
    return counts


def _curves(runs: Sequence[Training], loss: str, length: int) -> np.ndarray:
    """Returns (runs, length) losses, NaN after a run's last epoch."""
    curves = np.full((len(runs), length), np.nan)
    for curve, training in zip(curves, runs, strict=True):
        losses = [logs[loss] for logs in training.history[:length]]
        curve[: len(losses)] = losses
    return curves


def _margin(runs: np.ndarray) -> np.ndarray:
    return np.maximum(DEVIATIONS * np.nanstd(runs, axis=0, ddof=1), ROUNDING)


def verdict(comparison: Comparison) -> str:
    """Says in one line whether all points are within the band, and which is furthest outside."""
    outside = ~comparison.inside
    if comparison.passed:
        return f"passed: {len(outside)} of {len(outside)} published points within the band"
    mean, printed = np.nanmean(comparison.ours, axis=0), comparison.printed
    distance = np.abs(printed - mean).min(axis=0) / mean * outside
    worst = int(distance.argmax())
    return (
        f"FAILED: {outside.sum()} of {len(outside)} published points outside the band, furthest at "
        f"epoch {comparison.epochs[worst]}: ours {mean[worst]:.4f}, published "
        f"{' and '.join(f'{value:.4f}' for value in printed[:, worst])}"
    )


def draw(comparison: Comparison, name: str, loss: str) -> Figure:
    """Draws our runs, the band and the published points."""
    epochs, outside = comparison.epochs, ~comparison.inside
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    axis.fill_between(epochs, comparison.lower, comparison.upper, alpha=0.25, label="band")
    ours = axis.plot(epochs, comparison.ours.T, color="tab:blue", linewidth=0.7)
    ours[0].set_label("our runs")
    printed = axis.plot(epochs, comparison.printed.T, "k.", markersize=4)
    printed[0].set_label("published")
    if outside.any():
        missed = axis.plot(epochs[outside], comparison.printed[:, outside].T, "r.", markersize=4)
        missed[0].set_label("published, outside the band")
    axis.set(xlabel="epoch", ylabel=loss.replace("_", " "), title=name, yscale="log")
    lowest = min(comparison.printed.min(), *comparison.lower[comparison.lower > 0])
    usual = np.nanmedian(comparison.ours, axis=0)  # one run may begin far above
    axis.set_ylim(0.97 * min(lowest, usual.min()), 1.1 * max(comparison.printed.max(), usual.max()))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3, which="both")
    axis.legend()
    plt.close(figure)
    return figure


def against_graph(lesson: Lesson, network: str) -> tuple[bool, str]:
    """Trains a network beside the article's TensorFlow 1 graph: equal weights, equal batches.

    Args:
        network: one of its networks, in `graph_mode.NETWORKS`.

    Returns:
        Whether the losses agree, and the verdict in one line.
    """
    *_, last = parity.settle(lesson, network, ORACLE_STEPS, parity.GRAPH)
    return last.agrees, (
        f"{'passed' if last.agrees else 'FAILED'}: losses of {len(last.losses)} steps are within "
        f"{last.loss_difference:.1e} of the article's TensorFlow 1 graph's ({last.floatx}; "
        f"allowed: {last.target:.0e})"
    )


def main(lessons: Sequence[Lesson], options: argparse.Namespace, train: Callable) -> int:
    """Checks lessons against what was published, prints a verdict each and draws the curves.

    Args:
        options: `seeds`, `from_runs`, `kept` and `out`, as the command line gives them.
        train: takes a lesson, a folder and options as `planned` yields them; returns the record.

    Returns:
        1 if a published point is outside its band, or losses differ from those of the article's
        graph; else 0. A claim that fails is the article's own affair: it is printed and changes
        nothing.

    Raises:
        InputError: if there is nothing to check, or `out` cannot be written to.
    """
    plt.switch_backend("Agg")
    make_folder(options.out, f"--out {options.out}")
    verdicts: dict[str, bool | None] = {}
    for lesson in lessons:
        for name, trainings in _kinds(lesson, options, train).items():
            for network in lesson.networks:
                chosen = [t for t in trainings if t.about["network"] == network]
                label = with_network(name, network)
                print(f"\n{label}")
                verdicts[label] = _check(lesson, network, name, chosen, options.out)
    if not verdicts:
        raise InputError("There are no runs of these lessons to check.")
    failed, open_ = (
        [label for label, passed in verdicts.items() if passed is word] for word in (False, None)
    )
    undecided = f"; not checked: {', '.join(open_)}" if open_ else ""
    print(f"\nCurves that failed: {', '.join(failed) or 'none'}{undecided}.")
    return int(bool(failed))


def _check(
    lesson: Lesson, network: str, name: str, trainings: Sequence[Training], out: Path
) -> bool | None:
    """Checks one network of one kind of run and prints what it finds.

    Returns:
        False if it fails, None if the runs are too few to tell, or not of the article's data.
    """
    for line in claims.summary(lesson, [training.about["claims"] for training in trainings]):
        print_wrapped(line, "  claim   ")
    settings, data = trainings[0].about["settings"], trainings[0].about["data"]
    if lesson.published.get(network) and data["notice"]:
        print_wrapped(f"not checked: {data['notice']}", "  curve   ")
        return None
    if printed := published.columns(lesson, network, settings, data["notice"]):
        float32 = reproduced.kept_in_float32(lesson, trainings[0])
        spread = trainings if float32 is None else float32
        if len(spread) < FEWEST_RUNS:
            print(f"  curve   not checked: {len(spread)} of {FEWEST_RUNS} runs that it takes")
            return None
        wider = "" if float32 is None else f" in bfloat16, {len(float32)} in float32 for the band"
        report = records.Report(out, f"{name}-")
        passed = True
        for loss in printed:
            comparison = compare(lesson, network, trainings, float32, loss=loss)
            passed = passed and comparison.passed
            words = f"{loss.replace('_', ' ')} {verdict(comparison)}"
            print_wrapped(f"{words}; {len(trainings)} runs{wider}", "  curve   ")
            if counts := control(comparison) if float32 is None else []:
                words = f"each of our runs against the others: {', '.join(map(str, counts))}"
                print_wrapped(f"{words} points outside", "  control ")
            report.figure(loss, draw(comparison, name, loss))
            print(f"  figure  {report.figures[-1]}")
        return passed
    if lesson.published.get(network):
        print("  curve   not checked, for the published one is of other settings")
        return True
    if (lesson.name, network) in graph_mode.NETWORKS and name == lesson.name:
        agrees, words = against_graph(lesson, network)
        print_wrapped(words, "  curve   ")
        return agrees
    print("  curve   none was published")
    return True


def planned(lesson: Lesson, options: argparse.Namespace) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the runs that a check trains.

    Args:
        options: `seeds` and `out`, as `main` takes them.

    Yields:
        Their folders, and the options in which they are not `--preset article`.
    """
    for seed in range(options.seeds):
        yield options.out / f"{lesson.name}-{seed}", {"seed": seed}
        if lesson.published_with:
            epochs = published.num_epochs(lesson)
            chosen = {"seed": seed, "epochs": epochs, **lesson.published_with}
            yield options.out / f"{lesson.name}-published-{seed}", chosen


def _kinds(
    lesson: Lesson, options: argparse.Namespace, train: Callable
) -> dict[str, list[Training]]:
    """Collects trainings by the kind of run that they belong to, training them if need be."""
    if options.kept:
        return reproduced.kept_of(lesson)
    if options.from_runs:
        folders = [f for f in options.from_runs if records.read_record(f)["lesson"] == lesson.name]
        runs = [reproduced.read_finished(lesson, folder) for folder in folders]
        reproduced.refuse_repeated(lesson, runs)
        for folder, record in zip(folders, runs, strict=True):
            if found := published.departures(lesson, record):
                raise InputError(
                    f"{folder}: only runs at the article's settings can be checked, and this one "
                    f"has {', '.join(found)}."
                )
    else:
        runs = [train(lesson, folder, chosen) for folder, chosen in planned(lesson, options)]
    kinds: dict[str, list[Training]] = {}
    for record in runs:
        name = reproduced.title(lesson, record["settings"], record["data"]["notice"])
        kinds.setdefault(name, []).extend(reproduced.trainings_of(record))
    return kinds
