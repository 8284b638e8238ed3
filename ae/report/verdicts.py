"""Whether a run's result is right, and whether it bears its article's claims out."""

from collections.abc import Iterator, Mapping
from typing import Any

from ae.lesson import Lesson
from ae.proof import bands, claims, published, reproduced

Verdict = tuple[str, str, str]  # what is judged; "passed", "unusual" or "open"; why


def verdicts(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[Verdict]:
    """Judges the losses of a run's trainings, and its claims."""
    for training in record["trainings"]:
        about = (training[key] for key in ("network", "style", "history"))
        yield bands.result(lesson, record, *about)
    yield _of_claims(lesson, record)


def _of_claims(lesson: Lesson, record: Mapping[str, Any]) -> Verdict:
    measured = claims.by_claim(lesson, (t["claims"] for t in record["trainings"]))
    if not measured:
        why = ", ".join(published.departures(lesson, record))
        return "the article's claims", "open", f"not measured: this run has {why}"
    found = [result["holds"] for results in measured.values() for result in results]
    known = [holds for holds in found if holds is not None]
    kind = "open" if not known else "passed" if all(known) else "unusual"
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
