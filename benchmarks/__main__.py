"""`python -m benchmarks`: training speed of every peer on every network, in one interleaved run."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ae import cli, records
from ae.errors import InputError
from benchmarks.problems import SHAPES, make
from benchmarks.worker import PEERS

import matplotlib.pyplot as plt
import numpy as np

BASELINE = "fit"
NEEDS = {"torch": "torch", "torch.compile": "torch", "jax": "jax"}
# The mean loss of the first epoch may differ from the baseline's by this share. Noise is drawn
# differently in every framework, and the first steps of the variational network magnify it.
TOLERANCE = 2e-3
NOISY = ("fashion_vae",)
DIGITS = ("dense_ae", "sigmoid_ae", "low_level_ae_class", "low_level_ae_layers")
PAUSE = 0.3  # seconds, in which the threads of the peer before go to sleep
PEAK_SIZE = 2048  # of the matrices whose product measures the machine's peak


class Worker:
    """A peer's process.

    Args:
        problem: the problem's name.
        peer: the peer's name.
        mixed_precision: whether our Keras style computes in bfloat16.
    """

    def __init__(self, problem: str, peer: str, mixed_precision: bool):
        command = [sys.executable, "-m", "benchmarks.worker", problem, peer]
        # A file, since a full pipe that nobody reads would stop the peer.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed with the process)
        self.process = subprocess.Popen(
            command + ["--mixed-precision"] * (mixed_precision and peer == "keras"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.reports = []

    def epoch(self) -> bool:
        """Lets the peer train one epoch; False if it failed."""
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        line = self.process.stdout.readline()
        if line:
            self.reports.append(json.loads(line))
        return bool(line)

    def stop(self) -> str:
        """Ends the process; returns the last line of what it complained of."""
        self.process.kill()
        self.process.communicate()
        self.errors.seek(0)
        return (self.errors.read().strip().splitlines() or [""])[-1]


def measure(problem_name: str, peers: list[str], rounds: int, mixed_precision: bool) -> dict:
    """Times peers on one problem, an epoch each in turn, and checks that they train alike.

    Args:
        problem_name: one of `SHAPES`.
        peers: their names.
        rounds: epochs to time, after two that warm up.
        mixed_precision: whether our Keras style computes in bfloat16.

    Returns:
        What the JSON file holds of the problem.
    """
    problem = make(problem_name)
    images = sum(map(len, problem.order.epoch(0)))
    workers = {peer: Worker(problem_name, peer, mixed_precision) for peer in peers}
    failed = {}
    try:
        for number in range(2 + rounds):
            turn = list(workers) if number % 2 else list(workers)[::-1]
            for peer in turn:
                time.sleep(PAUSE)
                if peer not in failed and not workers[peer].epoch():
                    failed[peer] = workers[peer].stop() or "ended without a word"
    finally:
        for worker in workers.values():
            worker.stop()
    measured = {}
    for peer, worker in workers.items():
        if peer in failed:
            measured[peer] = {"failed": failed[peer]}
            continue
        seconds = np.array([report["seconds"] for report in worker.reports[2:]])
        rates = images / seconds
        first = worker.reports[0]
        measured[peer] = {
            "images_per_second": float(np.median(rates)),
            "slowest": float(rates.min()),
            "fastest": float(rates.max()),
            "first_loss": first["loss"],
            "seconds_to_first_step": float(first["since_start"] - np.median(seconds)),
            "peak_memory_mib": worker.reports[-1]["peak_memory_mib"],
            "gigaflops": float(np.median(rates)) * problem.megaflops / 1e3,
        }
    return {
        "problem": problem_name,
        "batch_size": len(problem.order.epoch(0)[0]),
        "images_per_epoch": images,
        "megaflops_per_image": problem.megaflops,
        "peers": measured,
        "disagree": disagreements(problem_name, measured),
    }


def disagreements(problem_name: str, measured: dict) -> list[str]:
    """Names the peers whose first epoch's mean loss is not the baseline's."""
    losses = {peer: m["first_loss"] for peer, m in measured.items() if "failed" not in m}
    if not losses or problem_name in NOISY:
        return []
    reference = losses.get(BASELINE, next(iter(losses.values())))
    return [p for p, loss in losses.items() if abs(loss - reference) > TOLERANCE * abs(reference)]


def peak() -> float:
    """Measures the machine's rate at multiplying matrices, in GFLOP/s."""
    import tensorflow as tf

    a = tf.random.normal([PEAK_SIZE, PEAK_SIZE])
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(a, a)))
    times = []
    for _ in range(8):
        started = time.perf_counter()
        product().numpy()
        times.append(time.perf_counter() - started)
    return 2 * PEAK_SIZE**3 / min(times) / 1e9


def table(result: dict) -> str:
    """Lays one problem's peers out: ratio to plain `fit` first."""
    peers, reference = result["peers"], result["peers"].get(BASELINE, {})
    base = reference.get("images_per_second")
    lines = [
        f"\n{result['problem']}, batches of {result['batch_size']}, "
        f"{result['megaflops_per_image']:.3g} MFLOP an image",
        f"{'peer':15}{'x fit':>7}{'images/s':>11}{'slowest':>10}{'fastest':>10}"
        f"{'of peak':>9}{'to step 1':>11}{'memory':>10}",
    ]
    for peer, m in peers.items():
        if "failed" in m:
            lines.append(f"{peer:15}failed: {m['failed']}")
            continue
        ratio = f"{m['images_per_second'] / base:.2f}" if base else "-"
        lines.append(
            f"{peer:15}{ratio:>7}{m['images_per_second']:>11,.0f}{m['slowest']:>10,.0f}"
            f"{m['fastest']:>10,.0f}{m['gigaflops'] / result['peak_gigaflops']:>9.0%}"
            f"{m['seconds_to_first_step']:>9.1f} s{m['peak_memory_mib'] or float('nan'):>6,.0f} MiB"
        )
    if result["disagree"]:
        lines.append(f"NOT THE SAME TRAINING: {', '.join(result['disagree'])}")
    return "\n".join(lines)


def plot(results: list[dict], path: Path) -> None:
    """Draws the ratios to plain `fit`, a group of bars for each problem."""
    figure, axis = plt.subplots(figsize=(11, 4.5), layout="constrained")
    names = list(dict.fromkeys(peer for result in results for peer in result["peers"]))
    for number, peer in enumerate(names):
        heights = []
        for result in results:
            base = result["peers"].get(BASELINE, {}).get("images_per_second", np.nan)
            heights.append(result["peers"].get(peer, {}).get("images_per_second", 0) / base)
        places = np.arange(len(results)) + (number - (len(names) - 1) / 2) * 0.8 / len(names)
        axis.bar(places, heights, 0.8 / len(names), label=peer)
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set(ylabel=f"images a second, as a multiple of plain {BASELINE}")
    axis.set_xticks(range(len(results)), [result["problem"] for result in results])
    axis.legend(ncols=4)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def run() -> int:
    """Runs the benchmark; 1 if peers did not train alike."""
    parser = cli.Parser(prog="benchmarks", description=__doc__)
    parser.add_argument("--lesson", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, choices=range(1, 100), default=5, metavar="N",
        help="epochs to time; default: 5")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="two rounds")
    parser.add_argument("--mixed-precision", action="store_true",
        help="our Keras style in bfloat16")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("runs") / "bench")
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {options.out}: no folder can be made there.") from error
    missing = {p for p in options.peer if p in NEEDS and not importlib.util.find_spec(NEEDS[p])}
    for peer in sorted(missing):
        print(f"{peer} is left out: pip install -r requirements-bench.txt", file=sys.stderr)
    results = []
    for problem in options.lesson:
        peers = [p for p in options.peer if p not in missing]
        if problem not in DIGITS:
            peers = [p for p in peers if p != "session"]
        rounds = 2 if options.quick else options.rounds
        result = measure(problem, peers, rounds, options.mixed_precision)
        result["peak_gigaflops"] = peak()
        print(table(result), flush=True)
        results.append(result)
        kept = {**records.environment(), "rounds": rounds, "results": results}
        text = json.dumps(kept, indent=1) + "\n"
        (options.out / "speed.json").write_text(text, encoding="utf-8")
        plot(results, options.out / "speed.png")
    print(f"\n{options.out / 'speed.json'}\n{options.out / 'speed.png'}")
    return int(any(result["disagree"] for result in results))


if __name__ == "__main__":
    sys.exit(cli.guard(run))
