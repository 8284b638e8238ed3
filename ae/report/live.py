"""Live networks: trained weights in the page, and inputs that a reader draws or drops."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae.lesson import Lesson, Settings


def of(
    lesson: Lesson, run: Path, record: Mapping[str, Any], settings: Settings
) -> dict[str, Any] | None:
    """Returns what `live.html` shows of a run's networks; None for a lesson without a live one."""
