"""Measures what the articles' errata change, keeps it in data/errata, and prints the errata."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.console import print_wrapped
from ae.errors import InputError
from ae.lesson import Erratum, Lesson
from ae.paths import DATA
from ae.proof import reproduced
from ae.proof.claims import span
from ae.runs.records import read_run, write_json
from ae.runs.saved import load_data, load_network
from ae.training import interrupts

FOLDER = DATA / "errata"


def measure(lesson: Lesson, runs: Sequence[Path]) -> Path:
    """Measures what each erratum changes, on the networks of runs, and keeps it in data/errata.

    Args:
        runs: folders of runs, some as published and some with the change that an erratum names,
            all of equally many epochs, batch size and learning rate, unless that is the change.

    Raises:
        InputError: if a run is of another lesson, scale or data, not at its end, or given twice;
            if runs of one kind are missing, or something cannot be measured on this machine.
    """
    finished = reproduced.read_runs(lesson, runs, at_article=False)
    about = {}
    for folder, record in zip(runs, finished, strict=True):
        preset = vars(lesson.presets[record["preset"]])
        settings = record["settings"] | {name: preset[name] for name in _changed_by(lesson)}
        scale = {
            "preset": record["preset"],
            "epochs": settings["num_epochs"],
            "batch_size": settings["batch_size"],
            "learning_rate": settings["learning_rate"],
            "versions": record["versions"],
        }
        for key, value in scale.items():
            if about.setdefault(key, value) != value:
                raise InputError(f"{folder}: {key} is {value}, in the first run {about[key]}.")
    about["device"] = "; ".join(dict.fromkeys(record["device"] for record in finished))
    values = _values(lesson, runs)
    earlier = (read(lesson) or {"measured": []})["measured"]
    measured = []
    for (erratum, quantity), (published, changed) in values.items():
        if not (published and changed):
            kind = "changed" if published else "published"
            raise InputError(f"'{erratum}' needs a {kind} run of {lesson.name} too.")
        entry = {"erratum": erratum, "quantity": quantity}
        entry |= {"published": published, "changed": changed}
        # Where nothing changed, a note that somebody wrote by hand is still true.
        measured.append(next((e for e in earlier if e.items() >= entry.items()), entry))
    kept = {"lesson": lesson.name, **about, "measured": measured}
    return write_json(FOLDER / f"{lesson.name}.json", kept)


def _values(lesson: Lesson, runs: Sequence[Path]) -> dict[tuple[str, str], tuple[list, list]]:
    """Returns what errata measure, by quote and quantity: values as published, and changed."""
    values = {(e.quote, quantity): ([], []) for e in lesson.errata for quantity in e.measures}
    for folder in runs:
        record, settings = read_run(lesson, folder)
        changes = _changes(lesson, record)
        data = load_data(lesson, folder, record, settings)
        for training in record["trainings"]:
            network = load_network(lesson, folder, training, settings)
            for erratum in lesson.errata:
                kinds = [{}, dict([erratum.change])]
                if changes not in kinds or erratum.network != training["network"]:
                    continue
                for quantity, function in erratum.measures.items():
                    with interrupts.postponed():
                        value = function(network, data, settings)
                    if value is None:
                        raise InputError(f"'{quantity}' cannot be measured here.")
                    values[erratum.quote, quantity][kinds.index(changes)].append(float(value))
    return values


def _changed_by(lesson: Lesson) -> set[str]:
    """Names the settings that the measured errata of a lesson change."""
    return {erratum.change[0] for erratum in lesson.errata if erratum.measures}


def _changes(lesson: Lesson, record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a run that make another network than its preset does."""
    preset, settings = lesson.presets[record["preset"]], record["settings"]
    names = {f.name for f in dataclasses.fields(preset) if f.metadata.get("retrains")}
    chosen = {n: settings.get(n, vars(preset)[n]) for n in names | _changed_by(lesson)}
    changes = {n: value for n, value in chosen.items() if value != vars(preset)[n]}
    return changes | ({"data": "generated"} if record["data"]["notice"] else {})


def print_all(lessons: Sequence[Lesson]) -> None:
    """Prints the errata of lessons."""
    for lesson in lessons:
        print(f"\n{lesson.name}")
        for erratum in by_effect(lesson):
            print_wrapped(f'"{erratum.quote}"', "  - ")
            print_wrapped(f"{erratum.problem} {erratum.effect}", "    ")
            if erratum.fix:
                print_wrapped(f"Here: {erratum.fix}", "    ")
            for difference in differences(lesson, erratum):
                print_wrapped(f"Measured: {difference}.", "    ")
        if kept := read(lesson):
            print_wrapped(circumstances(kept), "  ")


def by_effect(lesson: Lesson) -> list[Erratum]:
    """Orders a lesson's errata: first a measured effect, then a known one, then none."""
    return sorted(lesson.errata, key=lambda e: (not differences(lesson, e), not e.effect))


def read(lesson: Lesson) -> dict[str, Any] | None:
    """Reads what was measured of a lesson's errata; None if nothing was."""
    path = FOLDER / f"{lesson.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def differences(lesson: Lesson, erratum: Erratum) -> list[str]:
    """Writes what was measured of one erratum, a line for each quantity."""
    kept = read(lesson)
    name, value = erratum.change
    changed = value if name == "variant" else f"with {name} {value}"
    return [
        f"{entry['quantity']}: {span(entry['published'])} as published, "
        f"{span(entry['changed'])} {changed}" + (f" ({entry['note']})" if "note" in entry else "")
        for entry in (kept["measured"] if kept else [])
        if entry["erratum"] == erratum.quote
    ]


def circumstances(kept: Mapping[str, Any]) -> str:
    """Says in one line which runs the differences were measured on."""
    trainings, epochs = max(len(entry["changed"]) for entry in kept["measured"]), kept["epochs"]
    return (
        f"Measured after {epochs} epoch{'s' * (epochs != 1)} at most of the preset "
        f"'{kept['preset']}', "
        f"{trainings} run{'s' if trainings > 1 else ''} with the change, on {kept['device']}. "
        "The variant 'corrected' has all of the lesson's corrections together."
    )
