"""Where data came from."""

from collections.abc import Mapping
from typing import NamedTuple


class Provenance(NamedTuple):
    """Where the data came from, as the record states it."""

    source: str  # one line for people
    sha256: Mapping[str, str] | str  # of each file, or of all data
    notice: str = ""  # what every figure and table says of data that are not the article's
