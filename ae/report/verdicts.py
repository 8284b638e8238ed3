"""Whether a run bears its article out: what was published beside it, and its claims."""

from collections.abc import Iterator, Mapping
from typing import Any

from ae.lesson import ONLY_NETWORK, Lesson, label_of
from ae.proof import check, claims, published
from ae.proof.reproduced import kept_in_float32, kept_like, trainings_of


def cards(lesson: Lesson, record: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yields what a lesson's card says of the published curves and of the claims.

    Yields:
        What it is `of`, its `kind` ("passed", "failed" or "open") and a `text`.
    """
    notice, preset = record["data"]["notice"], record["preset"]
    for network in dict.fromkeys(t["network"] for t in record["trainings"]):
        trainings = [t for t in trainings_of(record) if t.about["network"] == network]
        of = "published curve" if network == ONLY_NETWORK else f"published curve of the {network}"
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
            float32 = kept_in_float32(lesson, trainings[0])
            kept = [t for t in kept_like(lesson, record) if t.about["network"] == network]
            together = f"this run and {len(kept)} kept ones"
            if float32 is not None:
                together += f" in bfloat16, {len(float32)} in float32 for the band"
            spread = [*trainings, *kept] if float32 is None else float32
            if len(spread) >= check.FEWEST_RUNS:
                for loss in columns:
                    of_this = of if loss == lesson.printed_loss else f"{of}, validation"
                    compared = check.compare(
                        lesson, network, [*trainings, *kept], float32, loss=loss
                    )
                    kind = "passed" if compared.passed else "failed"
                    text = f"{check.verdict(compared)}; {together}"
                    yield {"of": of_this, "kind": kind, "text": text}
                continue
            text = f"not compared: {together} are too few to make a band of"
        yield {"of": of, "kind": "open", "text": text}
    measured = claims.by_claim(lesson, (t["claims"] for t in record["trainings"]))
    results = [result for found in measured.values() for result in found]
    known = [result["holds"] for result in results if result["holds"] is not None]
    if not measured:
        text = f"not measured at the preset {preset}"
        if preset == "article":
            text = f"not measured: it has {', '.join(published.departures(lesson, record))}"
        yield {"of": "claims", "kind": "open", "text": text}
    else:
        kind = ("passed" if all(known) else "failed") if known else "open"
        word = {"passed": "passed", "failed": "FAILED", "open": "not measured"}[kind]
        text = f"{word}: {sum(known)} of {len(known)} measurements bear the article out"
        yield {"of": "claims", "kind": kind, "text": text}


def claims_table(lesson: Lesson, record: Mapping[str, Any]) -> dict[str, Any]:
    """Sets the claims in a table: a row for each, a column for each training.

    Returns:
        The rows, the columns' labels, and what the lesson claims whether measured or not.
    """
    trainings = [t for t in record["trainings"] if t["claims"]]
    rows: dict[str, dict[str, Any]] = {}
    for number, training in enumerate(trainings):
        for result in training["claims"]:
            row = rows.setdefault(
                claims.text(result),
                {
                    "text": claims.text(result),
                    "bound": claims.bound(result).strip(" ()"),
                    "why": result["why"],
                    "cells": [{"kind": "open", "text": "–"} for _ in trainings],
                },
            )
            if result["holds"] is None:
                row["cells"][number] = {"kind": "open", "text": "not measured"}
            else:
                word = "holds" if result["holds"] else "fails"
                row["cells"][number] = {
                    "kind": "passed" if result["holds"] else "failed",
                    "text": f"{result['value']:.3g}, {word}",
                }
    return {
        "claims": list(rows.values()),
        "claim_labels": [label_of(t["network"], t["style"]) for t in trainings],
        "claim_texts": [f"{claim.sentence} {claim.quantity}" for claim in lesson.claims],
    }
