"""Measuring what the articles claim."""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ae import interrupts
from ae.lesson import Lesson, Settings

from tqdm.auto import tqdm


def measure(lesson: Lesson, network: Any, data: Any, settings: Settings) -> list[dict[str, Any]]:
    """Measures the claims of a lesson on one of its trained networks.

    Args:
        lesson: the lesson.
        network: the trained network, in either style.
        data: what the lesson loaded.
        settings: what it was trained with.

    Returns:
        For each claim its text, value, threshold and reason, and whether it holds (None where it
        could not be measured).
    """
    results = []
    for claim in tqdm(lesson.claims, "claims", unit="claim", disable=None, leave=False):
        started = time.perf_counter()
        value = claim.measure(network, data, settings)
        results.append(
            {
                "claim": claim.text,
                "value": value if value is None else float(value),
                "at_least": claim.at_least,
                "at_most": claim.at_most,
                "reason": claim.reason,
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
        f"{words[result['holds']]}: {result['claim']}"
        + ("" if result["value"] is None else f": {result['value']:.3g}")
        + threshold(result)
        for result in results
    ]


def by_claim(
    lesson: Lesson, runs: Iterable[Sequence[Mapping[str, Any]]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Sorts what was measured by the claim, each measurement once.

    Args:
        lesson: the lesson.
        runs: what `measure` returned for each network.

    Returns:
        The results by the claim's text. Of a claim that does not depend on the network, values
        that agree to four digits are one measurement, made again.
    """
    alone = {claim.text for claim in lesson.claims if not claim.of_network}
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in itertools.chain.from_iterable(runs):
        found.setdefault(result["claim"], []).append(result)
    for text in alone & set(found):
        found[text] = list({_rounded(result["value"]): result for result in found[text]}.values())
    return found


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def summary(lesson: Lesson, runs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Writes what several runs found of the same claims, a line each.

    Args:
        lesson: the lesson.
        runs: what `measure` returned for each network.

    Returns:
        Lines of "holds", "mixed" or "fails", in how many measurements it holds, the claim, and the
        range of the measured values.
    """
    written = []
    for results in by_claim(lesson, runs).values():
        values = [result["value"] for result in results if result["value"] is not None]
        if not values:
            written.append(f"not measured: {results[0]['claim']}")
            continue
        held = sum(bool(result["holds"]) for result in results)
        verdict = "holds" if held == len(values) else "mixed" if held else "fails"
        span = " to ".join(dict.fromkeys(f"{value:.3g}" for value in (min(values), max(values))))
        span += threshold(results[0])
        written.append(f"{verdict}, {held} of {len(values)}: {results[0]['claim']}: {span}")
    return written


def threshold(result: Mapping[str, Any]) -> str:
    """Writes the threshold of a measured claim."""
    return "".join(
        f" ({name.replace('_', ' ')} {result[name]:g})"
        for name in ("at_least", "at_most")
        if result[name] is not None
    )
