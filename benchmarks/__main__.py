"""`python -m benchmarks`: training speed of every peer on every network, in one interleaved run."""

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ae.console import Parser, guard, up_to
from ae.errors import InputError
from ae.maintain import tables
from ae.paths import DATA, make_folder, refuse_to_overwrite, remember, replacing
from ae.runs import records
from ae.training import precision
from benchmarks import cleaning, gpu, growth, profiling, scaling
from benchmarks.problems import SHAPES, make
from benchmarks.process import WARM_UP, Worker
from benchmarks.worker import PEERS

import matplotlib.pyplot as plt
import numpy as np

BASELINE = "fit"
TAKES = {
    "speed": ("lesson", "peer", "rounds", "out", "overwrite"),
    "scaling": ("rounds", "out", "overwrite"),
    "cleaning": ("out", "overwrite"),
    "growth": ("out", "overwrite"),
    "profile": ("out", "overwrite"),
    "gpu": ("out", "overwrite"),
    "table": (),
}
ALONE = {"cleaning": cleaning, "growth": growth, "profile": profiling}
KEPT = DATA / "benchmarks"
NEEDS = {"torch": "torch", "torch.compile": "torch", "jax": "jax"}
# The mean loss of the first epoch may differ from the baseline's by this share; it does by 1e-5.
TOLERANCE = 1e-4
BFLOAT16 = ("low-level-bf16", "keras-bf16")
TOLERANCES = dict.fromkeys(BFLOAT16, 2e-2)  # bfloat16 has three decimal digits
DIGITS = ("dense_ae", "sigmoid_ae", "low_level_ae_class", "low_level_ae_layers")
PEAK_SIZE = 2048  # of the matrices whose product measures the machine's peak


def measure(problem_name: str, peers: list[str], rounds: int) -> dict:
    """Times peers on one problem, an epoch each in turn, and checks that they train alike.

    Args:
        problem_name: one of `SHAPES`.
        peers: their names.
        rounds: epochs to time, after two that warm up.

    Returns:
        What the JSON file holds of the problem.
    """
    problem = make(problem_name)
    images = sum(map(len, problem.order.epoch(0)))
    workers = {peer: Worker(problem_name, peer) for peer in peers}
    failed = {}
    try:
        for number in range(WARM_UP + rounds):
            turn = list(workers) if number % 2 else list(workers)[::-1]
            for peer in turn:
                if peer not in failed and not workers[peer].epoch():
                    failed[peer] = workers[peer].stop()
    finally:
        for worker in workers.values():
            worker.stop()
    measured = {}
    for peer, worker in workers.items():
        if peer in failed:
            measured[peer] = {"failed": failed[peer]}
            continue
        rates = worker.rates()
        first = worker.reports[0]
        measured[peer] = {
            "images_per_second": float(np.median(rates)),
            **paired(rates, workers, failed),
            "slowest": float(rates.min()),
            "fastest": float(rates.max()),
            "first_loss": first["loss"],
            "seconds_to_first_step": float(first["since_start"] - images / np.median(rates)),
            "peak_memory_mib": worker.reports[-1]["peak_memory_mib"],
            "gigaflops": float(np.median(rates)) * problem.megaflops / 1e3,
        }
    return {
        "problem": problem_name,
        "batch_size": len(problem.order.epoch(0)[0]),
        "images_per_epoch": images,
        "megaflops_per_image": problem.megaflops,
        "peers": measured,
        "disagree": disagreements(measured),
    }


def paired(rates: np.ndarray, workers: dict[str, Worker], failed: Iterable[str]) -> dict:
    """Compares a peer's rates with the baseline's of the same rounds, if that trained to the end.

    A machine that others use too may change its speed between rounds, and then not the ratio of two
    neighbors. So the ratio is the median over the rounds, not that of two medians.
    """
    if BASELINE not in workers or BASELINE in failed:
        return {}
    return {"ratio": float(np.median(rates / workers[BASELINE].rates()))}


def ratio(result: dict, peer: str) -> float | None:
    """Returns a peer's rate as a multiple of the baseline's; None if either was not timed.

    Older records hold no ratio of their own.
    """
    m, base = result["peers"].get(peer, {}), result["peers"].get(BASELINE, {})
    if "images_per_second" not in m or "images_per_second" not in base:
        return None
    return m.get("ratio", m["images_per_second"] / base["images_per_second"])


def disagreements(measured: dict) -> list[str]:
    """Names the peers whose first epoch's mean loss is not the baseline's."""
    losses = {peer: m["first_loss"] for peer, m in measured.items() if "failed" not in m}
    if not losses:
        return []
    reference = losses.get(BASELINE, next(iter(losses.values())))
    return [
        peer
        for peer, loss in losses.items()
        # A loss that is no number is not within anything.
        if not abs(loss - reference) <= TOLERANCES.get(peer, TOLERANCE) * abs(reference)
    ]


def failures(result: dict) -> list[str]:
    """Names the peers that ended before their last epoch."""
    return [peer for peer, m in result["peers"].items() if "failed" in m]


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
    peers = result["peers"]
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
        multiple = ratio(result, peer)
        multiple = "-" if multiple is None else f"{multiple:.2f}"
        lines.append(
            f"{peer:15}{multiple:>7}{m['images_per_second']:>11,.0f}{m['slowest']:>10,.0f}"
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
        heights = [ratio(result, peer) or 0 for result in results]
        places = np.arange(len(results)) + (number - (len(names) - 1) / 2) * 0.8 / len(names)
        axis.bar(places, heights, 0.8 / len(names), label=peer)
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set(ylabel=f"images a second, as a multiple of plain {BASELINE}")
    axis.set_xticks(range(len(results)), [result["problem"] for result in results])
    figure.legend(loc="outside upper center", ncols=9)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)
    plt.close(figure)


def readme_tables() -> dict[str, str]:
    """Makes the README's tables of what data/benchmarks holds, each with a part for each machine.

    What did not train alike is left out, and so are costs where no memory was measured.

    Returns:
        "speed": images a second; "costs": memory, time to the first step, share of the peak.
    """
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in KEPT.glob("speed-*.json")]
    kept.sort(key=lambda record: record["device"], reverse=True)
    tables: dict[str, list[str]] = {"speed": [], "costs": []}
    for record in kept:
        alike = {r["problem"]: r for r in record["results"] if not r["disagree"]}
        results = [alike[name] for name in SHAPES if name in alike]
        tables["speed"].append(f"{record['device']}:\n\n{_speed_table(results)}")
        costed = [
            result
            for result in results
            if any(m.get("peak_memory_mib") for m in result["peers"].values())
        ]
        if costed:
            about = f"{record['device']}; memory at its peak in MiB, time to the first step,\n"
            about += "share of the machine's float32 rate at multiplying matrices:"
            tables["costs"].append(f"{about}\n\n{_costs_table(costed)}")
    return {name: "\n\n".join(parts) for name, parts in tables.items()}


def _readme_table(results: list[dict], cell: Callable) -> str:
    others = [p for p in PEERS if p != BASELINE]
    columns = [BASELINE, *(p for p in others if any(p in result["peers"] for result in results))]
    lines = [f"| network | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    for result in results:
        cells = [cell(result, peer) if peer in result["peers"] else "" for peer in columns]
        lines.append(f"| {result['problem']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _speed_table(results: list[dict]) -> str:
    def cell(result: dict, peer: str) -> str:
        rate = result["peers"][peer].get("images_per_second")
        if rate is None or peer == BASELINE:
            return f"{rate:,.0f}/s" if rate else ""
        return f"{ratio(result, peer):.2f}"

    return _readme_table(results, cell)


def _costs_table(results: list[dict]) -> str:
    def cell(result: dict, peer: str) -> str:
        m = result["peers"][peer]
        if m.get("peak_memory_mib") is None:
            return ""
        share = m["gigaflops"] / result["peak_gigaflops"]
        return f"{m['peak_memory_mib']:,.0f}, {m['seconds_to_first_step']:.0f} s, {share:.0%}"

    return _readme_table(results, cell)


def write(path: Path, result: dict) -> None:
    """Writes a result beside its figure, with the machine and the versions, and says where."""
    print(records.write_json(path, {**records.environment("torch", "jax"), **result}))
    remember(path.parent, filter(Path.exists, [path, path.with_suffix(".png")]))


def run() -> int:
    """Runs the benchmark; 1 if peers failed or did not train alike."""
    parser = Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=TAKES,
        default="speed", help="table writes the README's; default: speed")  # fmt: skip
    parser.add_argument("--lesson", nargs="+", choices=SHAPES, help="speed only; default: all")
    parser.add_argument("--peer", nargs="+", choices=PEERS, help="speed only; default: all")
    rounds = parser.add_mutually_exclusive_group()
    rounds.add_argument("--rounds", type=up_to(99), metavar="N",
        help="epochs to time, for speed and scaling; default: 5")  # fmt: skip
    rounds.add_argument("--quick", action="store_const", const=2, dest="rounds",
        help="two rounds")  # fmt: skip
    parser.add_out("for the numbers and the figure; default: runs/bench")
    options = parser.parse_args()
    for name in TAKES["speed"]:
        if getattr(options, name) not in (None, False) and name not in TAKES[options.what]:
            given = "--rounds or --quick" if name == "rounds" else f"--{name}"
            parser.error(f"{options.what} takes no {given}")
    asked = options.peer or list(PEERS)
    if options.what == "table":
        for name, table_of in readme_tables().items():
            tables.put(name, table_of)
        return 0
    options.out = options.out or Path("runs") / "bench"
    make_folder(options.out)
    paths = [options.out / f"{options.what}.{kind}" for kind in ("json", "png")]
    refuse_to_overwrite(options.out, paths, options.overwrite)
    rounds = options.rounds or 5
    if options.what == "scaling":
        result = scaling.measure(rounds)
        print(scaling.table(result))
        scaling.plot(result, options.out / "scaling.png")
        write(options.out / "scaling.json", {"rounds": rounds, **result})
        return 0
    if options.what in ALONE:
        result = ALONE[options.what].measure()
        print(ALONE[options.what].table(result))
        write(paths[0], result)
        return 0
    if options.what == "gpu":
        about = records.environment()
        result = gpu.measure(lambda now: records.write_json(paths[0], {**about, **now}))
        print(gpu.table(result))
        write(paths[0], result)
        return int(any("failed" in row for row in result["parity"] + result["speed"]))
    missing = {p for p in asked if p in NEEDS and not importlib.util.find_spec(NEEDS[p])}
    for peer in sorted(missing):
        print(f"{peer} is left out: pip install -r requirements-bench.txt", file=sys.stderr)
    for peer in (p for p in BFLOAT16 if p in asked):
        if not precision.is_native() or (peer == BFLOAT16[0] and not precision.rewrites_steps()):
            missing.add(peer)
            print(f"{peer} is left out: TensorFlow has no bfloat16 for it here", file=sys.stderr)
    peers_of = {}
    for problem in options.lesson or SHAPES:
        left_out = {*missing, *(BFLOAT16 if problem in DIGITS else ["session"])}
        peers_of[problem] = [p for p in asked if p not in left_out]
        if not peers_of[problem]:
            raise InputError(f"--peer {' '.join(asked)}: none of them trains {problem} here.")
    results = []
    for problem, peers in peers_of.items():
        result = measure(problem, peers, rounds)
        result["peak_gigaflops"] = peak()
        print(table(result), flush=True)
        results.append(result)
        plot(results, options.out / "speed.png")
        write(options.out / "speed.json", {"rounds": rounds, "results": results})
    return int(any(result["disagree"] or failures(result) for result in results))


if __name__ == "__main__":
    sys.exit(guard(run))
