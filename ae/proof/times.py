"""How long a training may take, by recorded ones."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from ae.lesson import STYLES, Lesson, Settings, own_folders
from ae.proof.reproduced import TIMES, duration, kept
from ae.runs.records import read_json

FREE = ("num_epochs", "num_test", "seed")  # they change little or nothing of an epoch's time


def expected(lesson: Lesson, settings: Settings, style: str) -> str:
    """Writes how long recorded trainings took: "about 31 s to 3 min of training on 2 cores".

    They had the same settings, on as many cores as the machine of data/times.json. If only the
    number of epochs differs, the time is scaled. What follows a training is left out: figures,
    other networks, measured claims. The result is "" if no record tells.

    Args:
        style: "low-level", "keras" or "both".
    """
    recorded = read_json(TIMES)
    cores = recorded["device"].partition(",")[0]
    quick = recorded["quick"].get(lesson.name, {})
    if own_folders(vars(settings)):  # how many examples they hold is not known yet
        return ""
    least = greatest = 0.0
    for one in STYLES if style == "both" else (style,):
        seconds = list(_of_kept(lesson, settings, one, cores))
        if one in quick and _alike(settings, dataclasses.asdict(lesson.presets["quick"])):
            epochs = lesson.presets["quick"].num_epochs
            seconds.append(quick[one] * settings.num_epochs / epochs)
        if not seconds:
            return ""
        least, greatest = least + min(seconds), greatest + max(seconds)
    span = dict.fromkeys(map(duration, (least, greatest)))
    return f"about {' to '.join(span)} of training on {cores}"


def _of_kept(lesson: Lesson, settings: Settings, style: str, cores: str) -> Iterator[float]:
    """Yields what the recorded runs of the article's settings took, scaled to these epochs."""
    by_seed = defaultdict(list)
    for training in kept(lesson.name):
        about = training.about
        here = about["device"].partition(",")[0] == cores
        if here and about["style"] == style and _alike(settings, about["settings"]):
            epoch = median([logs["seconds"] for logs in training.history])
            by_seed[about["seed"]].append(settings.num_epochs * epoch)
    return (sum(each) for each in by_seed.values() if len(each) == len(lesson.networks))


def _alike(settings: Settings, recorded: dict) -> bool:
    """Says whether epochs of both settings take the same time; older records lack new settings."""
    fields = [f for f in dataclasses.fields(settings) if f.metadata.get("retrains", True)]
    names = [f.name for f in fields if f.name not in FREE and f.name in recorded]
    chosen = dataclasses.asdict(settings)
    chosen, recorded = (json.loads(json.dumps(d)) for d in (chosen, recorded))  # no tuples
    return all(chosen[name] == recorded[name] for name in names)
