"""Where a step of the low-level style spends its time, by the kind of its operations.

`python -m benchmarks.profiling PROBLEM` profiles one network in this process and prints JSON.
TensorFlow's profiler times each operation, and each kernel that XLA compiled. Operations that run
side by side are both counted, and the profiler itself takes time: read the shares, not the times.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from ae.backend import tf
from ae.training.memory import keep_freed_memory
from benchmarks import problems, tensorflow_peers
from benchmarks.process import WARM_UP

KINDS = {  # of operations, by their type or XLA's name for them; the first that fits
    "kernels' gradients": r"Conv2DBackpropFilter",
    "convolutions": r"Conv2D",  # and their inputs' gradients, which are convolutions too
    "products": r"(?i)matmul|^dot|^ynn_fusion",
    "update": r"/(adam|rmsprop)",
    "the rest": r"",
}
CONTAINERS = re.compile(  # what waits for others, and calls
    r"::|^(while|call)\.|^end:|Execute|__inference|^(train|test)_steps?$|^tf\.|^ParallelFor"
)


def measure() -> dict[str, list[dict]]:
    """Profiles each network in a process of its own."""
    rows = []
    for name in problems.SHAPES:
        command = [sys.executable, "-m", "benchmarks.profiling", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    return {"rows": rows}


def profile(name: str) -> None:
    """Trains until everything is warm, profiles an epoch, prints its row and ends the process."""
    problem = problems.make(name)
    steps = len(problem.order.epoch(0))
    folder, profiler = tempfile.mkdtemp(), tf.profiler.experimental
    epochs = 0

    def epoch_done(loss: float, seconds: float) -> None:
        nonlocal epochs
        epochs += 1
        if epochs == WARM_UP:
            options = profiler.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
            profiler.start(folder, options)
        elif epochs > WARM_UP:
            profiler.stop()
            found = shares(events(Path(folder)), steps)
            print(json.dumps({"problem": name, "seconds_a_step": seconds / steps, **found}))
            sys.stdout.flush()
            os._exit(0)

    keep_freed_memory()  # as a run does
    tensorflow_peers.low_level(problem, epoch_done)


def events(folder: Path) -> list[tuple[str, float]]:
    """Reads the names of what ran on the processor, and its seconds, from a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    (path,) = folder.rglob("*.xplane.pb")
    space.ParseFromString(path.read_bytes())
    return [
        (plane.event_metadata[event.metadata_id].name, event.duration_ps / 1e12)
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    ]


def shares(timed: list[tuple[str, float]], steps: int) -> dict:
    """Returns the share of each kind in the time of all operations that most steps run."""
    counts = Counter(name for name, _ in timed)
    seconds = dict.fromkeys(KINDS, 0.0)
    for name, duration in timed:
        if counts[name] < steps / 2 or CONTAINERS.search(name):
            continue
        path, _, kind = name.rpartition(":")
        is_update = re.search(KINDS["update"], path)
        fits = next(k for k, pattern in KINDS.items() if re.search(pattern, kind))
        seconds["update" if is_update else fits] += duration
    whole = sum(seconds.values())
    return {"shares": {kind: part / whole for kind, part in seconds.items()}}


def table(result: dict[str, list[dict]]) -> str:
    """Lays out the shares."""
    lines = [f"| network | a step | {' | '.join(KINDS)} |", "|---|---|" + "---|" * len(KINDS)]
    for row in result["rows"]:
        parts = " | ".join(f"{row['shares'][kind]:.0%}" for kind in KINDS)
        lines.append(f"| {row['problem']} | {1e3 * row['seconds_a_step']:.2f} ms | {parts} |")
    return "\n".join(lines)


if __name__ == "__main__":
    profile(sys.argv[1])
