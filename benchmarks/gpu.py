"""Every network in both styles on one machine, short enough for a GPU that is lent for minutes.

One process does it all. What matters most comes first: parity, then speed without XLA, with it and
in bfloat16. When the time is up, the rest is listed as left out.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from ae import lessons
from ae.errors import InputError
from ae.lesson import STYLES, Lesson, Settings, with_network
from ae.proof import parity
from ae.runs.saved import build
from ae.training import precision
from ae.training.run import Run

SECONDS = 420  # after which nothing new begins; the whole stays below eight minutes
EPOCHS = 3  # the first one compiles
EXAMPLES = {"document_cleaner": 16}
EXAMPLES_OF_OTHERS = 4096
PARITY_STEPS = 20
MODES: dict[str, dict[str, Any]] = {
    "float32": {"jit_compile": False},
    "XLA": {"jit_compile": True},
    "bfloat16": {"jit_compile": False, "mixed_precision": True},
}


def measure(
    keep: Callable[[dict], None],
    chosen: Sequence[Lesson] | None = None,
    seconds: float = SECONDS,
) -> dict:
    """Measures parity and speed.

    Args:
        keep: gets the result after each measurement.
        chosen: default: all lessons.
        seconds: after which no measurement begins.

    Returns:
        "parity" and "speed", a row for each measurement, and what was "left_out".
    """
    started = time.perf_counter()
    chosen = lessons.load_all() if chosen is None else chosen
    networks = [(lesson, network) for lesson in chosen for network in lesson.networks]
    loaded = {lesson.name: lesson.load(_settings(lesson), None) for lesson in chosen}
    result: dict[str, list] = {"parity": [], "speed": [], "left_out": []}
    planned = [("parity", one, ()) for one in networks]
    for mode in MODES:
        planned += [("speed", one, (mode, style)) for one in networks for style in STYLES]
    for kind, (lesson, network), how in planned:
        row = {"network": with_network(lesson.name, network)}
        row |= dict(zip(("mode", "style"), how, strict=False))
        if time.perf_counter() - started > seconds:
            result["left_out"].append(" ".join([kind, *row.values()]))
            continue
        measured = _parity if kind == "parity" else _speed
        try:
            row |= measured(lesson, network, loaded[lesson.name], *how)
        except InputError as error:  # this machine cannot
            row["left_out"] = str(error)
        except Exception as error:  # an operation that the device lacks; the others go on
            row["failed"] = f"{type(error).__name__}: {error}"[:500]
        result[kind].append(row)
        keep(result)
    return result


def table(result: dict) -> str:
    """Lays out what was measured: a line for each network, mode and style."""
    lines = [f"{'network':28}{'parity of losses':>18}"]
    for row in result["parity"]:
        found = row.get("failed") or f"{row['loss_difference']:.1e}"
        lines.append(f"{row['network']:28}{found:>18}{'' if row.get('agrees') else '  DIFFERS'}")
    lines.append(f"\n{'network':28}{'mode':10}{'style':11}{'examples/s':>11}{'first epoch':>13}")
    for row in result["speed"]:
        found = row.get("failed") or row.get("left_out")
        if not found:
            found = f"{row['examples_per_second']:11,.0f}{row['first_epoch_seconds']:11.1f} s"
        lines.append(f"{row['network']:28}{row['mode']:10}{row['style']:11}{found}")
    if result["left_out"]:
        lines.append(f"\nno time was left for {len(result['left_out'])} measurements")
    return "\n".join(lines)


def _settings(lesson: Lesson, **changes: Any) -> Settings:
    changes = {"num_train": EXAMPLES.get(lesson.name, EXAMPLES_OF_OTHERS), **changes}
    return dataclasses.replace(lesson.presets["article"], num_epochs=EPOCHS, **changes)


def _parity(lesson: Lesson, network: str, data: Any) -> dict:
    found = parity.compare(lesson, network, PARITY_STEPS)
    differences = ("loss_difference", "weight_difference", "forward_difference")
    return {name: getattr(found, name) for name in differences} | {"agrees": bool(found.agrees)}


def _speed(lesson: Lesson, network: str, data: Any, mode: str, style: str) -> dict:
    settings = _settings(lesson, **MODES[mode])
    precision.require(settings, style)
    built = build(lesson, network, style, settings)
    run = Run(f"{lesson.name} {network} {style} {mode}", EPOCHS, settings.steps_per_call)
    rewritten = settings.mixed_precision and style == "low-level"
    with precision.compiled_steps() if rewritten else nullcontext():
        lesson.networks[network][style].train(built, data, settings, run)
    seconds = [logs["seconds"] for logs in run.history]
    return {
        "examples_per_second": len(data.x_train) / min(seconds[1:]),
        "first_epoch_seconds": seconds[0],
        "losses": [logs["loss"] for logs in run.history],
    }
