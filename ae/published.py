"""The numbers that the articles, or their authors' notebooks, printed."""

import csv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "data" / "published"


def curve(name: str) -> dict[str, list[float]]:
    """Reads a published learning curve.

    Args:
        name: file name in `data/published` without its ending. Lines that begin with "#" say
            what the columns are and where they were printed.

    Returns:
        Values by column name. Every file has a column `epoch`.
    """
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {column: [float(row[column]) for row in rows] for column in rows[0]}
