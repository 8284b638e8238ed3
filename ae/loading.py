"""Trained networks for other programs: `ae.load`."""

from collections.abc import Iterable
from pathlib import Path

from ae import lessons
from ae.errors import InputError, did_you_mean
from ae.networks import Codec, codec
from ae.paths import run_folder
from ae.runs.records import UNFINISHED, read_record, read_run
from ae.runs.saved import load_network, load_newest


def load(run: str | Path, network: str | None = None, style: str | None = None) -> Codec:
    """Loads a trained network of a run; see `ae.load`."""
    folder = run_folder(run)
    unfinished = folder if folder.name == UNFINISHED else folder / UNFINISHED
    begun = unfinished if (unfinished / "record.json").is_file() else folder
    record = read_record(folder if (folder / "record.json").is_file() else begun)
    lesson = lessons.load(record["lesson"])
    name = network or next(iter(lesson.networks))
    _require(folder, "network", name, lesson.networks)
    if newest := load_newest(lesson, folder, name, style):
        return codec(newest)
    record, settings = read_run(lesson, folder)
    trained = {t["style"]: t for t in record["trainings"] if t["network"] == name}
    _require(folder, "style", style or next(iter(trained), ""), trained)
    style = style or ("keras" if "keras" in trained else next(iter(trained)))
    return codec(load_network(lesson, folder, trained[style], settings))


def _require(folder: Path, what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"{folder}: this run has no {what} '{name}'{did_you_mean(name, known)}")
