"""How many units of `low_level_ae`'s class die in TensorFlow 1's own session, and when."""

import csv
import dataclasses
from pathlib import Path

from ae import lessons
from ae.backend import tf
from ae.paths import DATA, replacing
from ae.proof import graph_mode
from ae.runs import records, saved
from ae.training.minibatches import Shuffled

import numpy as np

PATH = DATA / "tried" / "low_level_ae_dead_units.csv"
SEEDS = range(3)
STEPS = (0, 100, 500, 859, 1718)  # the last two end the first and the second epoch


def dead(weights: list[np.ndarray], x: np.ndarray) -> int:
    """Counts the ReLU units of the code that are zero for every row of x (n, 784)."""
    W1, b1, _, _ = weights
    return int(np.sum((x @ W1 + b1).max(axis=0) <= 0))


def keep() -> Path:
    """Trains the class from N(0, 1) in a session of `tf.compat.v1`, for two epochs a seed."""
    one, rows = lessons.load("low_level_ae"), []
    for seed in SEEDS:
        settings = dataclasses.replace(one.presets["article"], seed=seed)
        data = one.load(settings, None)
        network = saved.build(one, "class", "low-level", settings)
        weights = [np.array(w) for w in network.weights]
        order = Shuffled(len(data.x_train), settings.batch_size, seed, drop_remainder=True)
        batches = (data.x_train[row] for epoch in (0, 1) for row in order.epoch(epoch))
        with graph_mode.training(one.name, "class", weights, 784) as (step, read):
            for number in range(STEPS[-1] + 1):
                if number in STEPS:
                    rows.append((seed, number, dead(read(), data.x_test)))
                if number < STEPS[-1]:
                    step(next(batches))
    about = records.environment()
    with replacing(PATH) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.write(
            "# Units of the code, of 128, that are zero for every test digit, after some steps\n"
            "# of the class as published, in a session of tf.compat.v1.\n"
            "# python -m ae.maintain dead-units\n"
            f"# {about['device']}; TensorFlow {tf.__version__}\n"
        )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("seed", "step", "dead_units"))
        writer.writerows(rows)
    return PATH
