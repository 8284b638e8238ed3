"""Copies the READMEs' pictures from runs, and notes which runs they are from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lessons import load
from ae.paths import DATA
from ae.proof import reproduced
from ae.runs import records

from PIL import Image

FOLDER = DATA / "gallery"
SOURCES = "sources.json"
LARGEST = (640, 560)  # pixels; a larger picture is made smaller
PICTURES = {  # name in the gallery: lesson and figure
    "dense_ae": ("dense_ae", "low-level-digits"),
    "sigmoid_ae": ("sigmoid_ae", "low-level-strip"),
    "low_level_ae_class": ("low_level_ae", "class-low-level-reconstructions"),
    "low_level_ae_layers": ("low_level_ae", "layers-low-level-reconstructions"),
    "conv_denoiser": ("conv_denoiser", "low-level-clean-noisy-output"),
    "document_cleaner": ("document_cleaner", "low-level-test-page"),
    "fashion_vae_manifold": ("fashion_vae", "low-level-manifold"),
    "fashion_vae_latent": ("fashion_vae", "low-level-latent"),
    "sparse_ae": ("sparse_ae", "k_sparse-keras-reconstructions"),
    "contractive_ae": ("contractive_ae", "contractive-keras-filters"),
    "latent_space": ("latent_space", "planes"),
}


def fill(runs: Sequence[Path]) -> list[Path]:
    """Copies the pictures of runs into data/gallery and returns their new paths.

    A lesson without a run among them keeps its pictures.

    Raises:
        InputError: if a run is not as the article says.
        FileNotFoundError: if a run lacks one of the figures.
    """
    notes = FOLDER / SOURCES
    sources = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    copied = []
    for folder in runs:
        lesson = load(records.read_record(folder)["lesson"])
        (record,) = reproduced.read_runs(lesson, [folder])
        kind = reproduced.title(lesson, record)
        if kind != lesson.name:
            raise InputError(f"{folder}: this run is of {kind}, which the READMEs do not show.")
        for picture, (name, figure) in PICTURES.items():
            if name != lesson.name:
                continue
            with Image.open(folder / "figures" / f"{figure}.png") as image:
                small = image.convert("RGB")
            small.thumbnail(LARGEST)
            copied.append(FOLDER / f"{picture}.png")
            small.quantize().save(copied[-1], optimize=True)
            sources[picture] = {**about(record), "figure": figure}
    records.write_json(notes, dict(sorted(sources.items())))
    return copied


def about(record: Mapping[str, Any]) -> dict[str, Any]:
    """Says which run a picture is from."""
    named = {name: record[name] for name in ("lesson", "started", "device", "versions")}
    return {**named, "seed": record["settings"]["seed"]}
