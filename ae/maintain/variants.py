"""Draws the first README's picture: what two lessons reconstruct, as published and corrected."""

import json
from collections.abc import Sequence
from pathlib import Path

from ae.errors import InputError
from ae.lessons import load
from ae.maintain.gallery import FOLDER, SOURCES, about
from ae.networks import codec
from ae.paths import replacing
from ae.runs.records import read_record, read_run, write_json
from ae.runs.saved import load_data, load_network

import matplotlib.pyplot as plt
from PIL import Image

NAME = "published_and_corrected"
SHOWN = {"sigmoid_ae": "autoencoder", "low_level_ae": "class"}  # lesson: its network
ROWS = {"published": "as published", "corrected": "corrected"}
DIGITS = 8
WIDTHS = [1] * DIGITS + [0.4] + [1] * DIGITS  # of the tiles, with a gap between the lessons


def draw(runs: Sequence[Path]) -> Path:
    """Draws the first test digits as the networks of four runs reconstruct them.

    Args:
        runs: of both lessons, one as published and one corrected.

    Raises:
        InputError: if one of the four is missing.
    """
    found = {}
    for run in runs:
        record = read_record(run)
        found[record["lesson"], record["settings"]["variant"]] = run
    figure, axes = plt.subplots(2, 2 * DIGITS + 1, figsize=(8.5, 1.35), width_ratios=WIDTHS)
    sources = {}
    for column, (name, network) in enumerate(SHOWN.items()):
        for row, variant in enumerate(ROWS):
            if (name, variant) not in found:
                raise InputError(f"There is no {variant} run of {name} among these.")
            run, lesson = found[name, variant], load(name)
            record, settings = read_run(lesson, run)
            x = load_data(lesson, run, record, settings).x_test[:DIGITS]
            (training,) = [
                t
                for t in record["trainings"]
                if (t["network"], t["style"]) == (network, "low-level")
            ]
            x_hat = codec(load_network(lesson, run, training, settings)).reconstruct(x)
            first = column * (DIGITS + 1)
            for axis, image in zip(axes[row, first : first + DIGITS], x_hat, strict=True):
                axis.imshow(image.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
            sources[f"{name} {variant}"] = about(record)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for row, title in enumerate(ROWS.values()):
        axes[row, DIGITS].set_axis_off()
        axes[row, 0].set_ylabel(title, rotation=0, ha="right", va="center")
    for column, name in enumerate(SHOWN):
        axes[0, column * (DIGITS + 1)].set_title(name, loc="left", fontsize=10)
    path = FOLDER / f"{NAME}.png"
    with replacing(path) as partial:
        figure.savefig(partial, dpi=100, bbox_inches="tight")
        with Image.open(partial) as picture:
            small = picture.convert("RGB").quantize()
        small.save(partial, optimize=True)
    plt.close(figure)
    notes = json.loads((FOLDER / SOURCES).read_text(encoding="utf-8"))
    write_json(FOLDER / SOURCES, dict(sorted({**notes, NAME: sources}.items())))
    return path
