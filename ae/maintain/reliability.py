"""What the tests tried to break, and what was lost: from the tests' own report to the README."""

import datetime
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

from ae.errors import InputError
from ae.paths import DATA
from ae.runs.records import environment, read_json, write_json

PATH = DATA / "reliability.json"


def keep(report: Path) -> Path:
    """Counts the faults that the tests tried and keeps the counts in data/reliability.json.

    Args:
        report: what `pytest -m fault --junitxml` wrote.

    Raises:
        InputError: if the file is no report, or tells of no fault.
    """
    counts = defaultdict(Counter)
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")
    except ElementTree.ParseError as error:
        raise InputError(f"{report}: this is no report of tests ({error}).") from error
    for case in cases:
        about = {p.get("name"): p.get("value") for p in case.iter("property")}
        if "fault" not in about or case.find("skipped") is not None:
            continue
        passed = case.find("failure") is None and case.find("error") is None
        tried = int(about.get("tried", 1))
        survived = int(about.get("survived", tried)) if passed else 0
        counts[about["fault"]].update(tried=tried, survived=survived)
    if not counts:
        raise InputError(f"{report}: none of its tests is about a fault.")
    kept = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "device": environment()["device"],
        "faults": [{"fault": fault, **counts[fault]} for fault in sorted(counts)],
    }
    return write_json(PATH, kept)


def table() -> str:
    """Makes the README's table of the counts, in Markdown."""
    kept = read_json(PATH)
    total = {key: sum(row[key] for row in kept["faults"]) for key in ("tried", "survived")}
    lines = ["| kind of fault | cases tried | survived | lost |", "|---|---|---|---|"]
    for row in [*kept["faults"], {"fault": "all", **total}]:
        lost = row["tried"] - row["survived"]
        lines.append(f"| {row['fault']} | {row['tried']} | {row['survived']} | {lost} |")
    return "\n".join(lines) + f"\n\nCounted on {kept['date']}, on {kept['device']}."
