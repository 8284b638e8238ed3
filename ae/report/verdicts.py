"""Whether a run bears its article out: its curves beside the published ones, and its claims."""

from collections.abc import Iterator, Mapping
from typing import Any

from ae.lesson import ONLY_NETWORK, Lesson
from ae.proof import check, claims, published
from ae.proof.reproduced import kept_in_float32, kept_like, trainings_of

Verdict = tuple[str, str, str]  # what is judged; "passed", "failed" or "open"; why


def verdicts(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[Verdict]:
    """Judges a run's learning curves and its claims."""
    for network in dict.fromkeys(t["network"] for t in record["trainings"]):
        yield from _of_curves(lesson, network, record)
    yield _of_claims(lesson, record)


def _of_curves(lesson: Lesson, network: str, record: Mapping[str, Any]) -> Iterator[Verdict]:
    of = "published curve" if network == ONLY_NETWORK else f"published curve of the {network}"
    notice, preset = record["data"]["notice"], record["preset"]
    columns = published.columns(lesson, network, record["settings"], notice)
    if not lesson.published.get(network):
        text = "none was printed"
    elif notice:
        text = f"not compared: {notice}"
    elif not columns:
        text = "not compared: it was printed with other settings"
    elif preset != "article":
        text = f"not compared at the preset {preset}"
    elif found := published.departures(lesson, record):
        text = f"not compared: it has {', '.join(found)}"
    else:
        own, kept = (
            [t for t in trainings if t.about["network"] == network]
            for trainings in (trainings_of(record), kept_like(lesson, record))
        )
        together = f"this run and {len(kept)} kept ones"
        float32 = kept_in_float32(lesson, own[0])
        if float32 is not None:
            together += f" in bfloat16, {len(float32)} in float32 for the band"
        if len([*own, *kept] if float32 is None else float32) >= check.FEWEST_RUNS:
            for loss in columns:
                compared = check.compare(lesson, network, [*own, *kept], float32, loss=loss)
                of_loss = of if loss == lesson.printed_loss else f"{of}, validation"
                kind = "passed" if compared.passed else "failed"
                yield of_loss, kind, f"{check.verdict(compared)}; {together}"
            return
        text = f"not compared: {together} are too few to make a band of"
    yield of, "open", text


def _of_claims(lesson: Lesson, record: Mapping[str, Any]) -> Verdict:
    measured = claims.by_claim(lesson, (t["claims"] for t in record["trainings"]))
    if not measured:
        text = f"not measured at the preset {record['preset']}"
        if record["preset"] == "article":
            text = f"not measured: it has {', '.join(published.departures(lesson, record))}"
        return "claims", "open", text
    found = [result["holds"] for results in measured.values() for result in results]
    known = [holds for holds in found if holds is not None]
    kind, word = ("passed", "passed") if all(known) else ("failed", "FAILED")
    if not known:
        kind, word = "open", "not measured"
    return "claims", kind, f"{word}: {sum(known)} of {len(known)} measurements bear the article out"


def claims_table(record: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any] | None]]:
    """Lists what was measured of each claim: a result or None for each training with claims."""
    measured = [training["claims"] for training in record["trainings"] if training["claims"]]
    table: dict[str, list[Mapping[str, Any] | None]] = {}
    for column, results in enumerate(measured):
        for result in results:
            table.setdefault(claims.text(result), [None] * len(measured))[column] = result
    return table
