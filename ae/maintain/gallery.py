"""Copies the READMEs' pictures from runs, and notes which runs they are from."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import Lesson
from ae.paths import DATA
from ae.proof import published, reproduced
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
}


def fill(lessons: Sequence[Lesson], runs: Sequence[Path]) -> list[Path]:
    """Copies the pictures of runs into data/gallery, and notes where they are from.

    Args:
        runs: folders of finished runs at the article's settings; a lesson whose run is not among
            them keeps its pictures.

    Returns:
        The pictures that were written.

    Raises:
        InputError: if a folder is no such run, or a picture is missing.
    """
    by_name = {lesson.name: lesson for lesson in lessons}
    figures: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    shown: dict[str, Path] = {}
    for folder in runs:
        name = records.read_record(folder)["lesson"]
        if name not in by_name:
            raise InputError(f"{folder}: this is a run of {name}, which is no lesson.")
        lesson = by_name[name]
        if (earlier := shown.setdefault(name, folder)) is not folder:
            raise InputError(f"{folder}: {earlier} is a run of {name} too; name one of them.")
        record = reproduced.read_finished(lesson, folder)
        kind = reproduced.title(lesson, record["settings"], record["data"]["notice"])
        if kind != lesson.name or published.departures(lesson, record):
            found = [kind, *published.departures(lesson, record)]
            raise InputError(
                f"{folder}: only runs at the article's settings are shown, and this one is of "
                f"{', '.join(found)}."
            )
        if all(training["style"] == "keras" for training in record["trainings"]):
            raise InputError(f"{folder}: this run has no low-level style, which is shown.")
        for picture, (of, figure) in PICTURES.items():
            if of == name:
                figures[picture] = (folder / "figures" / f"{figure}.png", record)
    for path, _ in figures.values():
        if not path.is_file():
            raise InputError(f"{path}: this figure is missing; draw it again with --from.")
    notes = FOLDER / SOURCES
    sources = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    for picture, (path, record) in figures.items():
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail(LARGEST)
            small.quantize().save(FOLDER / f"{picture}.png", optimize=True)
        about = {name: record[name] for name in ("lesson", "started", "device", "versions")}
        sources[picture] = {**about, "figure": path.stem, "seed": record["settings"]["seed"]}
    records.write_json(notes, dict(sorted(sources.items())))
    return [FOLDER / f"{picture}.png" for picture in figures]
