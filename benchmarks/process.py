"""A peer's process, as the benchmark's own process sees it."""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks import USERS_XLA_FLAGS

import numpy as np

PAUSE = 0.3  # seconds, in which the threads of the peer before go to sleep
WARM_UP = 2  # epochs that are not timed


class Worker:
    """A peer's process, which trains an epoch each time it is told to.

    Args:
        problem: the problem's name.
        peer: the peer's name.
        *options: more of `benchmarks.worker`'s command line.
    """

    def __init__(self, problem: str, peer: str, *options: str):
        # A file, since a full pipe that nobody reads would stop the peer.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed by stop)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", problem, peer, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, "XLA_FLAGS": USERS_XLA_FLAGS},
        )
        self.reports = []

    def epoch(self) -> bool:
        """Lets the peer train one epoch; False if it failed."""
        time.sleep(PAUSE)
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        line = self.process.stdout.readline()
        if line:
            self.reports.append(json.loads(line))
        return bool(line)

    def rates(self) -> np.ndarray:
        """Returns images a second, for each epoch after those that warm up."""
        return np.array([r["images"] / r["seconds"] for r in self.reports[WARM_UP:]])

    def stop(self) -> str:
        """Ends the process; returns the last line of what it complained of."""
        if not self.errors.closed:
            self.process.kill()
            self.process.communicate()
            self.errors.seek(0)
            self.last_words = self.errors.read().strip().splitlines()
            self.errors.close()
        return (self.last_words or ["ended without a word"])[-1]
