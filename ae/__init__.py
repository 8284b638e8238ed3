"""The plumbing of the autoencoder lessons: what every lesson needs and no lesson teaches."""

import importlib.util
import os
import pathlib
import sys
import time
from collections.abc import Mapping
from typing import Any

__version__ = "1.0"
STARTED = time.perf_counter()  # before TensorFlow's import, which takes seconds


def _open_closed_streams() -> None:
    """Opens standard output and error, where the shell has closed them, to nowhere."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
            setattr(sys, name, os.fdopen(number, "w"))


def require_packages(needs: Mapping[str, str]) -> None:
    """Ends a process without a package, as where Python is not the environment's.

    Args:
        needs: packages, and the files of requirements that have them.
    """
    for name, requirements in needs.items():
        if importlib.util.find_spec(name.lower()) is None:
            print(
                f"{name} is not installed for {sys.executable}; use the Python of the environment "
                f"that `make run` makes, .venv/bin/python, or install {requirements} "
                "(see README.md).",
                file=sys.stderr,
            )
            raise SystemExit(2)


def require_checkout() -> None:
    """Ends a process that runs a copy of the packages alone, as a built wheel installs them."""
    folder = pathlib.Path(__file__).resolve().parents[1]
    if not (folder / "data").is_dir():
        print(
            f"{folder} holds the packages without the folder data, which they need; use a "
            "checkout, or run `make install` in one (see its tests/README.md).",
            file=sys.stderr,
        )
        raise SystemExit(2)


def load(run: str | os.PathLike, network: str | None = None, style: str | None = None) -> Any:
    """Loads a trained network, whichever style trained it.

    Args:
        run: the folder of a run, as "runs/dense_ae", or "pretrained/NAME" for a network that comes
            with the project. Of an interrupted run the newest state is taken, with a notice.
        network: its name in the lesson, if there are several; default: the first.
        style: "low-level" or "keras"; default: keras, if the run has it.

    Returns:
        An object with `encode`, `decode` and `reconstruct`, on NumPy arrays (n, ...) of the
        lesson's inputs and codes. A variational network encodes to two arrays: means and spreads.

    Raises:
        ae.errors.InputError: there is no such run or network.
    """
    from ae.loading import load

    return load(run, network, style)


_open_closed_streams()
require_packages({"NumPy": "requirements.txt", "tqdm": "requirements.txt"})
require_checkout()
