"""Where the repository, its data and the downloads lie."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = REPOSITORY / "data"


def cache_root() -> Path:
    """The folder of all downloads: $AE_CACHE_DIR, or data/cache in the repository.

    Returns:
        The folder, which need not exist.
    """
    chosen = os.environ.get("AE_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else DATA / "cache"
