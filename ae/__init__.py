"""The plumbing of the autoencoder lessons: what every lesson needs and no lesson teaches."""

import os
import sys
import time

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


_open_closed_streams()
