"""The versions that the tests passed on, as requirements.txt gives them."""

import functools
import platform
import re
import sys
from contextlib import suppress
from importlib import metadata

from ae import __version__
from ae.paths import REPOSITORY


def _installed(name: str) -> str | None:
    """Returns the version of a package as its installation says it; importing it takes longer."""
    for distribution in (name, f"{name}-cpu"):
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(distribution)
    return None


def running() -> str:
    """Writes the version of this project and of what it runs on."""
    python = platform.python_version()
    tensorflow, keras = map(_installed, ("TensorFlow", "Keras"))
    on = f"TensorFlow {tensorflow}, Keras {keras}, Python {python}"
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
        *((name, _installed(name)) for name in ("TensorFlow", "Keras", "NumPy")),
    ):
        line = rf"(?im)^(?:# )?{name}(?:-cpu)? >=(\d+)\.(\d+)(?:\.\d+)*,<(\d+)\.(\d+)\b"
        if version and (limits := re.search(line, text)):
            low, lowest, high, above = map(int, limits.groups())
            if not (low, lowest) <= tuple(map(int, version.split(".")[:2])) < (high, above):
                tested.append(f"{name} {low}.{lowest} to {high}.{above - 1}")
                found.append(f"{name} {version}")
    if tested:
        print(
            f"Tested with {', '.join(tested)}; this is {', '.join(found)}. Results may differ.",
            file=sys.stderr,
        )
