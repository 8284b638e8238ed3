"""Where data came from."""

from collections.abc import Mapping
from typing import NamedTuple


class Provenance(NamedTuple):
    """Where the data came from, as the record states it.

    Attributes:
        source: one line for people.
        sha256: digest of the data, or of each of their files.
        notice: what every figure and table must say of data that are not the article's, or "".
    """

    source: str
    sha256: Mapping[str, str] | str
    notice: str = ""
