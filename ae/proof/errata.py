"""Measures what the articles' errata change, keeps it in data/errata, and prints the errata."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.console import print_wrapped
from ae.errors import InputError
from ae.lesson import Erratum, Lesson
from ae.paths import DATA
from ae.proof import reproduced
from ae.runs.records import write_json
from ae.runs.saved import load_data, load_network, read_run
from ae.training import interrupts

FOLDER = DATA / "errata"


def measure(lesson: Lesson, runs: Sequence[Path]) -> Path:
    """Measures what each erratum changes, on the networks of runs, and keeps the values.

    Args:
        runs: folders of runs, some as published and some with the change that an erratum names,
            all of equally many epochs, batch size and learning rate.

    Returns:
        The file in data/errata.

    Raises:
        InputError: if a run is of another lesson, scale or data, not at its end, or given twice;
            if runs of one kind are missing, or something cannot be measured on this machine.
    """
    finished = [reproduced.read_finished(lesson, folder) for folder in runs]
    reproduced.refuse_repeated(lesson, finished)
    measured = [
        {"erratum": erratum.quote, "quantity": what, "published": [], "changed": []}
        for erratum in lesson.errata
        for what in erratum.measures
    ]
    about: dict[str, Any] = {}
    devices: dict[str, None] = {}
    for folder in runs:
        record, settings = read_run(lesson, folder)
        kind = reproduced.title(lesson, record["settings"], record["data"]["notice"])
        scale = {
            "preset": record["preset"],
            "epochs": settings.num_epochs,
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
        }
        for key in scale:
            if about and scale[key] != about[key]:
                raise InputError(
                    f"{folder}: {key} is {scale[key]}, in the run before {about[key]}."
                )
        versions = record["versions"]
        if about and versions != about["versions"]:
            raise InputError(
                f"{folder}: this run had other versions of its packages than the run before."
            )
        about = {**scale, "versions": versions}
        devices[record["device"]] = None
        data = load_data(lesson, folder, record, settings)
        for training in record["trainings"]:
            network = load_network(lesson, folder, training, settings)
            for entry, (erratum, function) in zip(measured, _functions(lesson), strict=True):
                kinds = {lesson.name: "published", _changed(lesson, erratum): "changed"}
                if kind in kinds and erratum.network == training["network"]:
                    with interrupts.postponed():
                        value = function(network, data, settings)
                    if value is None:
                        raise InputError(f"'{entry['quantity']}' cannot be measured here.")
                    entry[kinds[kind]].append(float(value))
    for entry in measured:
        for kind in ("published", "changed"):
            if not entry[kind]:
                raise InputError(f"'{entry['erratum']}' needs a {kind} run of {lesson.name} too.")
    about["device"] = "; ".join(devices)
    before = {(e["erratum"], e["quantity"]): e for e in (read(lesson) or {}).get("measured", ())}
    for number, entry in enumerate(measured):
        earlier = before.get((entry["erratum"], entry["quantity"]), {})
        if {**earlier, **entry} == earlier:  # a note that was written by hand is still true
            measured[number] = earlier
    kept = {"lesson": lesson.name, **about, "measured": measured}
    return write_json(FOLDER / f"{lesson.name}.json", kept)


def print_all(lessons: Sequence[Lesson]) -> None:
    """Prints the errata of lessons with their measured effects, those first."""
    for lesson in lessons:
        print(f"\n{lesson.name}")
        for erratum in sorted(lesson.errata, key=lambda e: not differences(lesson, e)):
            print_wrapped(f'"{erratum.quote}"', "  - ")
            print_wrapped(" ".join(filter(None, (erratum.problem, erratum.effect))), "    ")
            if erratum.fix:
                print_wrapped(f"Here: {erratum.fix}", "    ")
            for difference in differences(lesson, erratum):
                print_wrapped(f"Measured: {difference}.", "    ")
        if kept := read(lesson):
            print_wrapped(circumstances(kept), "  ")


def read(lesson: Lesson) -> dict[str, Any] | None:
    """Reads what was measured of a lesson's errata; None if nothing was."""
    path = FOLDER / f"{lesson.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def differences(lesson: Lesson, erratum: Erratum) -> list[str]:
    """Writes what was measured of one erratum, a line for each measure."""
    kept = read(lesson)
    entries = kept["measured"] if kept else []
    name, value = erratum.change
    changed = value if name == "variant" else f"with {name} {value}"
    return [
        f"{entry['quantity']}: {_values(entry['published'])} as published, "
        f"{_values(entry['changed'])} {changed}"
        + (f" ({entry['note']})" if "note" in entry else "")
        for entry in entries
        if entry["erratum"] == erratum.quote
    ]


def circumstances(kept: Mapping[str, Any]) -> str:
    """Says in one line which runs the differences were measured on."""
    trainings = max(len(entry["changed"]) for entry in kept["measured"])
    return (
        f"Measured after {kept['epochs']} epochs at most of the preset '{kept['preset']}', "
        f"{trainings} run{'s' if trainings > 1 else ''} with the change, on {kept['device']}. "
        "The variant 'corrected' has all of the lesson's corrections together."
    )


def _functions(lesson: Lesson) -> Iterator[tuple[Erratum, Any]]:
    for erratum in lesson.errata:
        for function in erratum.measures.values():
            yield erratum, function


def _changed(lesson: Lesson, erratum: Erratum) -> str:
    """Names the kind of run that an erratum's change makes, as `reproduced.title` does."""
    return "-".join([lesson.name, *erratum.change])


def _values(values: Sequence[float]) -> str:
    """Writes one number, or the smallest and the largest of several."""
    texts = list(dict.fromkeys(f"{value:.3g}" for value in (min(values), max(values))))
    return " to ".join(texts)
