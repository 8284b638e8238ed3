"""Measures what the articles claim."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.lesson import Lesson, Settings
from ae.proof import published
from ae.runs.unfinished import Training
from ae.training import interrupts

from tqdm.auto import tqdm


def measure(lesson: Lesson, network: Any, data: Any, settings: Settings) -> list[dict[str, Any]]:
    """Measures the claims of a lesson on one of its trained networks.

    Returns:
        For each claim its sentence and quantity, the value, the bound and why it is there, and
        whether the claim holds (None if it could not be measured).
    """
    results = []
    for claim in tqdm(lesson.claims, "claims", unit="claim", disable=None, leave=False):
        started = time.perf_counter()
        value = claim.measure(network, data, settings)
        results.append(
            {
                "claim": claim.sentence,
                "quantity": claim.quantity,
                "value": value if value is None else float(value),
                "at_least": claim.at_least,
                "at_most": claim.at_most,
                "why": claim.why,
                "holds": value if value is None else bool(claim.holds(value)),
                "seconds": time.perf_counter() - started,
            }
        )
        interrupts.deliver()
    return results


def lines(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Writes measured claims, a line each."""
    words = {True: "holds", False: "FAILS", None: "not measured"}
    return [
        f"{words[result['holds']]}: {text(result)}"
        + ("" if result["value"] is None else f": {result['value']:.3g}")
        + bound(result)
        for result in results
    ]


def by_claim(
    lesson: Lesson, runs: Iterable[Sequence[Mapping[str, Any]]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Sorts what was measured by the claim, each measurement once.

    Args:
        runs: what `measure` returned for each network.

    Returns:
        The results by the claim's `text`. If a claim does not depend on the network, values that
        agree to four digits count as one measurement.
    """
    alone = {claim.quantity for claim in lesson.claims if not claim.of_network}
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in itertools.chain.from_iterable(runs):
        found.setdefault(text(result), []).append(result)
    for name, results in found.items():
        if results[0]["quantity"] in alone:
            found[name] = list({_rounded(result["value"]): result for result in results}.values())
    return found


def text(result: Mapping[str, Any]) -> str:
    """Writes a measured claim's sentence and what was measured of it."""
    return f"{result['claim']} {result['quantity']}"


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def summary(lesson: Lesson, runs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Writes what several runs found of the same claims, a line each.

    Args:
        runs: what `measure` returned for each network.

    Returns:
        Lines of "holds", "mixed" or "fails", in how many measurements the claim holds, its text,
        and the range of the measured values.
    """
    written = []
    for name, results in by_claim(lesson, runs).items():
        values = [result["value"] for result in results if result["value"] is not None]
        if not values:
            written.append(f"not measured: {name}")
            continue
        held = sum(bool(result["holds"]) for result in results)
        verdict = "holds" if held == len(values) else "mixed" if held else "fails"
        span = " to ".join(dict.fromkeys(f"{value:.3g}" for value in (min(values), max(values))))
        span += bound(results[0])
        written.append(f"{verdict}, {held} of {len(values)}: {name}: {span}")
    return written


def bound(result: Mapping[str, Any]) -> str:
    """Writes the bound of a measured claim."""
    return "".join(
        f" ({name.replace('_', ' ')} {result[name]:g})"
        for name in ("at_least", "at_most")
        if result[name] is not None
    )


class Verdicts:
    """Observes a training: measures its claims, and looks up what was published beside it.

    Args:
        training: the training to observe. Claims are measured only at the article's settings.
    """

    def __init__(self, training: Training):
        self._training = training

    def after_epoch(self, epoch: int) -> None:
        """Does nothing: a claim is about a trained network."""

    def result(self) -> dict[str, Any]:
        """Returns the measured claims, and the published losses of the last epoch."""
        lesson, record = self._training.lesson, self._training.record
        measured = []
        if not published.departures(lesson, record):
            measured = measure(
                lesson, self._training.network, self._training.data, self._training.settings
            )
            print("\n".join(f"{self._training.label}: {line}" for line in lines(measured)))
        epochs_done = len(self._training.history)
        printed = published.at_epoch(lesson, self._training.network_name, record, epochs_done)
        return {"claims": measured, "published": printed}

    @staticmethod
    def of_run(lesson: Lesson, data: Any, record: Mapping[str, Any], folder: Path) -> dict:
        """Names in what the run differs from the article's settings."""
        return {"departures": published.departures(lesson, record)}
