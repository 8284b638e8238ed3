"""One peer in a process of its own: trains an epoch each time it is told to, and reports it.

python -m benchmarks.worker PROBLEM PEER [--batch-size N] [--examples N]; the parent writes a line
to its input for each epoch and reads a line of JSON for each from its output.
"""

import argparse
import contextlib
import importlib
import json
import os
import re
import sys
import time
from pathlib import Path

from benchmarks import USERS_XLA_FLAGS

PEERS = {  # name: module and function
    "low-level": ("tensorflow_peers", "low_level"),
    "keras": ("tensorflow_peers", "our_keras"),
    "low-level-bf16": ("tensorflow_peers", "low_level_in_bfloat16"),
    "keras-bf16": ("tensorflow_peers", "our_keras_in_bfloat16"),
    "fit": ("tensorflow_peers", "plain_fit"),
    "session": ("tensorflow_peers", "session"),
    "torch": ("torch_peers", "eager"),
    "torch.compile": ("torch_peers", "compiled"),
    "jax": ("jax_peers", "scan"),
}
OURS = ("low-level", "keras")  # how the names of our styles begin


def forget_peak():
    """Has the most memory counted from now on, so that making the data does not count."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory():
    """Returns the most memory that this process held, in MiB; None where Linux does not say."""
    status = Path("/proc/self/status")  # getrusage would count what the parent held at the fork
    if not status.exists():
        return None
    (peak,) = re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())
    return int(peak) / 1024


def main():
    """Waits for the parent before each epoch, the first included."""
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--examples", type=int)
    options = parser.parse_args()
    # What libraries print goes to stderr; the parent reads only reports.
    reports = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdin.readline()
    started = time.perf_counter()

    def epoch_done(loss, seconds):
        report = {
            "loss": loss,
            "images": images,
            "seconds": seconds,
            "since_start": time.perf_counter() - started,
            "peak_memory_mib": peak_memory(),
        }
        print(json.dumps(report), file=reports, flush=True)
        if not sys.stdin.readline():
            os._exit(0)

    from ae.training.memory import keep_freed_memory
    from benchmarks import problems

    if options.peer.startswith(OURS):
        keep_freed_memory()  # as a run does
    else:
        os.environ["XLA_FLAGS"] = USERS_XLA_FLAGS  # XLA has read none so far
    problem = problems.make(options.problem, options.batch_size, options.examples)
    images = sum(map(len, problem.order.epoch(0)))
    forget_peak()
    module, function = PEERS[options.peer]
    getattr(importlib.import_module(f"benchmarks.{module}"), function)(problem, epoch_done)


if __name__ == "__main__":
    main()
