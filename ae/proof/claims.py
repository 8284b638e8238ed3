"""Measures what the articles claim."""

import dataclasses
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.lesson import ONLY_NETWORK, Lesson, Settings, label_of
from ae.paths import remember
from ae.proof import bands, pictures, published
from ae.runs.records import read_run, write_record
from ae.runs.saved import load_data, load_network
from ae.runs.unfinished import Training
from ae.terminal import bar, colored, say, working
from ae.training import interrupts


def measure(
    lesson: Lesson,
    network: Any,
    data: Any,
    settings: Settings,
    network_name: str = ONLY_NETWORK,
    tell: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Measures the claims that a lesson has about one of its trained networks.

    `tell` gets the line of each claim as soon as it is measured.

    Returns:
        For each claim its sentence and quantity, the value, the bound and its reason, and whether
        the claim holds. Value and `holds` are None if it could not be measured.
    """
    results = []
    chosen = [claim for claim in lesson.claims if claim.network in (None, network_name)]
    with bar("claims", len(chosen), "claim") as progress:
        for claim in chosen:
            started = time.perf_counter()
            with working(f"measuring: {claim.quantity}"):
                value = claim.measure(network, data, settings)
            results.append(
                {
                    "claim": claim.sentence,
                    "quantity": claim.quantity,
                    "value": None if value is None else float(value),
                    "at_least": claim.at_least,
                    "at_most": claim.at_most,
                    "why": claim.why,
                    "holds": None if value is None else bool(claim.holds(value)),
                    "seconds": time.perf_counter() - started,
                }
            )
            progress.update()
            if tell is not None:
                tell(*lines(results[-1:]))
            interrupts.deliver()
    return results


def complete(lesson: Lesson, folder: Path, record: dict[str, Any]) -> Iterator[str]:
    """Measures the claims that a finished run lacks, on its saved networks, and yields their lines.

    The run's record then has all claims of the lesson, and no others.
    """
    _, settings = read_run(lesson, folder)
    data = load_data(lesson, folder, record, settings)
    for training in record["trainings"]:
        known = {text(result): result for result in training["claims"]}
        names = [f"{claim.sentence} {claim.quantity}" for claim in lesson.claims]
        lacking = tuple(c for c, n in zip(lesson.claims, names, strict=True) if n not in known)
        network = load_network(lesson, folder, training, settings)
        about = network, data, settings, training["network"]
        measured = measure(dataclasses.replace(lesson, claims=lacking), *about)
        label = label_of(training["network"], training["style"])
        yield from (f"{folder} {label}: {line}" for line in lines(measured))
        known |= {text(result): result for result in measured}
        training["claims"] = [known[name] for name in names if name in known]
        remember(folder, [write_record(folder, record)])


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
    """Sorts the measurements of several networks by the claim's `text`.

    If a claim does not depend on the network, values that agree to four digits count as one.
    """
    of_data = {claim.quantity for claim in lesson.claims if not claim.of_network}
    found = defaultdict(list)
    for result in itertools.chain.from_iterable(runs):
        found[text(result)].append(result)
    for name, results in found.items():
        if results[0]["quantity"] in of_data:
            measured = [result for result in results if result["value"] is not None]
            found[name] = list({f"{result['value']:.4g}": result for result in measured}.values())
    return found


def text(result: Mapping[str, Any]) -> str:
    """Writes a measured claim's sentence and quantity."""
    return f"{result['claim']} {result['quantity']}"


def span(values: Sequence[float]) -> str:
    """Writes one number, or the smallest and the largest of several."""
    return " to ".join(dict.fromkeys(f"{value:.3g}" for value in (min(values), max(values))))


def summary(lesson: Lesson, runs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Writes what `measure` found on several networks, a line for each claim.

    A line reads "mixed, 2 of 3: SENTENCE QUANTITY: 1 to 3 (at least 2)".
    """
    written = []
    for name, results in by_claim(lesson, runs).items():
        measured = [result for result in results if result["value"] is not None]
        if not measured:
            written.append(f"not measured: {name}")
            continue
        held = sum(result["holds"] for result in measured)
        verdict = "holds" if held == len(measured) else "mixed" if held else "fails"
        values = span([result["value"] for result in measured]) + bound(measured[0])
        written.append(f"{verdict}, {held} of {len(measured)}: {name}: {values}")
    return written


def _in_color(result: bands.Result) -> str:
    """Writes whether a loss is normal, with the word in green or yellow."""
    text = result.text
    for word, color in (("normal", "green"), ("UNUSUAL", "yellow")):
        text = text.replace(f": {word}.", f": {colored(word, color)}.")
    return text


def bound(result: Mapping[str, Any]) -> str:
    """Writes the bound of a measured claim."""
    return "".join(
        f" ({name.replace('_', ' ')} {result[name]:g})"
        for name in ("at_least", "at_most")
        if result[name] is not None
    )


class Verdicts:
    """Observes a training: measures its claims, if it is at the article's settings."""

    def __init__(self, training: Training):
        self._training = training

    def after_epoch(self, epoch: int) -> None:
        """Does nothing: a claim is about a trained network."""

    def result(self) -> dict[str, Any]:
        """Returns the measured claims, and the published losses of the last epoch."""
        training = self._training
        lesson, record = training.lesson, training.record
        measured, shown = [], []
        trained = training.network, training.data, training.settings, training.network_name
        if published.is_complete(lesson, record):
            with working("measuring what the published pictures show"):
                shown = pictures.measure(lesson, *trained)
        if not published.departures(lesson, record):
            measured = measure(lesson, *trained, lambda line: say(f"{training.label}: {line}"))
        about = training.network_name, training.style, training.history
        say(f"{training.label}: {_in_color(bands.result(lesson, record, *about))}")
        epochs_done = len(training.history)
        printed = published.at_epoch(lesson, training.network_name, record, epochs_done)
        return {"claims": measured, "pictures": shown, "published": printed}

    @staticmethod
    def of_run(lesson: Lesson, data: Any, record: Mapping[str, Any], folder: Path) -> dict:
        """Names in what the run differs from the article's settings."""
        return {"departures": published.departures(lesson, record)}
