"""How cost grows: speed with the size of the minibatch, memory with the amount of data."""

from pathlib import Path

from ae.paths import replacing
from benchmarks.process import WARM_UP, Worker

import matplotlib.pyplot as plt
import numpy as np

PEERS = ("low-level", "keras", "fit")
BATCH_SIZES = (16, 64, 256, 1024, 4096)
BATCH_PROBLEMS = ("dense_ae", "conv_denoiser")
AMOUNTS = (1, 4, 16)  # times EXAMPLES
AMOUNT_PROBLEM, EXAMPLES = "sigmoid_ae", 60_000
LEAST = {"dense_ae": 16_384, "conv_denoiser": 1024}  # examples; the former's epochs are 100 batches


def measure(rounds: int) -> dict:
    """Times every batch size and weighs every amount of data, one process at a time.

    Args:
        rounds: epochs to time, after those that warm up.

    Returns:
        `speed` and `memory`: lists of what was measured.
    """
    speed, memory = [], []
    for problem in BATCH_PROBLEMS:
        for batch_size in BATCH_SIZES:
            examples = max(LEAST[problem], 2 * batch_size)
            row = {"problem": problem, "batch_size": batch_size}
            speed += [row | one(problem, peer, batch_size, examples, rounds) for peer in PEERS]
    for amount in AMOUNTS:
        row = {"problem": AMOUNT_PROBLEM, "amount": amount}
        memory += [row | one(AMOUNT_PROBLEM, p, None, amount * EXAMPLES, 1) for p in PEERS]
    return {"speed": speed, "memory": memory}


def one(problem: str, peer: str, batch_size: int | None, examples: int, rounds: int) -> dict:
    """Lets one peer train alone; returns its median rate and the most memory that it held."""
    options = ["--examples", str(examples)]
    options += ["--batch-size", str(batch_size)] if batch_size else []
    worker = Worker(problem, peer, *options)
    try:
        if not all(worker.epoch() for _ in range(WARM_UP + rounds)):
            return {"peer": peer, "failed": worker.stop()}
    finally:
        if worker.process.poll() is None:
            worker.stop()
    return {
        "peer": peer,
        "images_per_second": float(np.median(worker.rates())),
        "peak_memory_mib": worker.reports[-1]["peak_memory_mib"],
    }


def table(result: dict) -> str:
    """Lays both lists out."""
    lines = ["images a second by size of the minibatch"]
    for problem in BATCH_PROBLEMS:
        lines.append(f"{problem:18}" + "".join(f"{size:>9}" for size in BATCH_SIZES))
        for peer in PEERS:
            rates = [
                row.get("images_per_second", float("nan"))
                for row in result["speed"]
                if (row["problem"], row["peer"]) == (problem, peer)
            ]
            lines.append(f"  {peer:16}" + "".join(f"{rate:>9,.0f}" for rate in rates))
    lines.append("MiB at most, by times the article's data")
    lines.append(f"{AMOUNT_PROBLEM:18}" + "".join(f"{amount:>9}" for amount in AMOUNTS))
    for peer in PEERS:
        rows = [row for row in result["memory"] if row["peer"] == peer]
        memory = [row.get("peak_memory_mib") or float("nan") for row in rows]
        lines.append(f"  {peer:16}" + "".join(f"{mib:>9,.0f}" for mib in memory))
    return "\n".join(lines)


def plot(result: dict, path: Path) -> None:
    """Draws rates over batch sizes for each network, and memory over the amount of data."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, problem in zip(axes, BATCH_PROBLEMS, strict=False):
        for peer in PEERS:
            rows = [r for r in result["speed"] if (r["problem"], r["peer"]) == (problem, peer)]
            rates = [row.get("images_per_second", np.nan) for row in rows]
            axis.plot([row["batch_size"] for row in rows], rates, "o-", label=peer)
        axis.set(title=problem, xlabel="examples in a minibatch", ylabel="images a second")
        axis.set(xscale="log", yscale="log")
        axis.set_xticks(BATCH_SIZES, BATCH_SIZES)
    for peer in PEERS:
        rows = [row for row in result["memory"] if row["peer"] == peer]
        memory = [row.get("peak_memory_mib", np.nan) for row in rows]
        axes[2].plot([row["amount"] for row in rows], memory, "o-", label=peer)
    axes[2].set(title=AMOUNT_PROBLEM, xlabel="times the article's data", ylabel="MiB at most")
    axes[2].set_xticks(AMOUNTS, AMOUNTS)
    axes[0].legend()
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100)
    plt.close(figure)
