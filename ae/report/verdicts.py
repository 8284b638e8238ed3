"""Whether a run's result is right, and whether it bears its article's claims out."""

from collections.abc import Iterator, Mapping
from typing import Any

from ae.lesson import Lesson
from ae.proof import bands, claims, published, reproduced
from ae.runs.records import number

Verdict = tuple[str, str, str]  # what is judged; "passed", "unusual" or "open"; why


def verdicts(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[Verdict]:
    """Judges the losses of a run's trainings, and its claims."""
    yield from _of_losses(lesson, record)
    yield _of_claims(lesson, record)


def summary(lesson: Lesson, record: Mapping[str, Any]) -> tuple[str, str]:
    """Sums up, in a kind of verdict and a line, whether the losses of a run are normal."""
    judged = _of_losses(lesson, record)
    kinds = [kind for _, kind, _ in judged]
    if "unusual" in kinds:
        found = [f"{of} {text}" for of, kind, text in judged if kind == "unusual"]
        return "unusual", f"Unusual: {' '.join(found).replace(': unusual.', '.')}"
    if "passed" in kinds:
        normal, count = kinds.count("passed"), len(kinds)
        losses = [number(t["history"][-1][record["printed_loss"]]) for t in record["trainings"]]
        all_of_them = {
            1: f"the loss {losses[0]} is",
            2: f"the losses {' and '.join(losses)} are",
        }.get(count, f"all {count} losses are")
        which = all_of_them if normal == count else f"{normal} of {count} losses are"
        others = "" if normal == count else " The others are not compared."
        return "passed", f"Normal: {which} as in our recorded runs.{others}"
    if any(record["settings"].get(name) is not None for name in ("num_train", "num_test")):
        return "open", "Made with fewer examples than the article uses, so not compared."
    return "open", "Not compared: we keep too few runs with these settings and data."


def _of_losses(lesson: Lesson, record: Mapping[str, Any]) -> list[Verdict]:
    trainings = (
        [training[key] for key in ("network", "style", "history")]
        for training in record["trainings"]
    )
    judged = [bands.result(lesson, record, *about) for about in trainings]
    return [(of, kind, text.replace("UNUSUAL", "unusual")) for of, kind, text in judged]


def _of_claims(lesson: Lesson, record: Mapping[str, Any]) -> Verdict:
    measured = claims.by_claim(lesson, (t["claims"] for t in record["trainings"]))
    if not measured:
        why = ", ".join(published.departures(lesson, record))
        why = f"measured at the article's settings only; this run has {why}"
        return "the article's claims", "open", why
    found = [result["holds"] for results in measured.values() for result in results]
    known = [holds for holds in found if holds is not None]
    if not known:
        return "the article's claims", "open", "cannot be measured on this machine"
    kind = "passed" if all(known) else "unusual"
    return "the article's claims", kind, f"{sum(known)} of {len(known)} measurements bear it out"


def claims_table(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any] | None]]:
    """Lists what was measured of each claim: a result or None for each training with claims."""
    measured = [training["claims"] for training in record["trainings"] if training["claims"]]
    table: dict[str, list[Mapping[str, Any] | None]] = {}
    for column, results in enumerate(measured):
        for result in results:
            table.setdefault(claims.text(result), [None] * len(measured))[column] = result
    return table


def expected_claims(lesson: Lesson, record: Mapping[str, Any]) -> list[str]:
    """Writes what the kept runs of the same kind found of each claim of the lesson."""
    kept = [t.about["claims"] for t in reproduced.kept(reproduced.title(lesson, record))]
    recorded = {claims.text(result) for results in kept for result in results}
    others = (f"{claim.sentence} {claim.quantity}" for claim in lesson.claims)
    return claims.summary(lesson, kept) + [
        f"no record: {text}" for text in others if text not in recorded
    ]
