"""The versions that the tests passed on, as requirements.txt gives them."""

import functools
import platform
import re
import sys

from ae import __version__
from ae.paths import REPOSITORY

import keras
import numpy as np
import tensorflow as tf


def running() -> str:
    """Writes the version of this project and of what it runs on."""
    python = platform.python_version()
    on = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, Python {python}"
    return f"Autoencoder lessons {__version__}, with {on}"


@functools.cache
def warn_of_untested() -> None:
    """Names the versions outside the tested ranges on standard error, once in a process.

    They are compared up to the minor version, so 2.22.0rc0 is 2.22.
    """
    path = REPOSITORY / "requirements.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    tested, found = [], []
    for name, version in (
        ("Python", platform.python_version()),
        ("TensorFlow", tf.__version__),
        ("Keras", keras.__version__),
        ("NumPy", np.__version__),
    ):
        line = rf"(?im)^(?:# )?{name}(?:-cpu)? >=(\d+)\.(\d+)(?:\.\d+)*,<(\d+)\.(\d+)\b"
        if limits := re.search(line, text):
            low, lowest, high, above = map(int, limits.groups())
            if not (low, lowest) <= tuple(map(int, version.split(".")[:2])) < (high, above):
                tested.append(f"{name} {low}.{lowest} to {high}.{above - 1}")
                found.append(f"{name} {version}")
    if tested:
        print(
            f"Tested with {', '.join(tested)}; this is {', '.join(found)}. Results may differ.",
            file=sys.stderr,
        )
