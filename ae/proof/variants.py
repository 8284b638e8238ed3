"""Draws what a network makes of test digits as published, beside what the corrected one makes."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

from ae import figures
from ae.errors import NotFiniteError
from ae.lesson import VARIANTS, Settings
from ae.lessons import load
from ae.networks import Network, codec, style_of
from ae.proof.digits import test_error
from ae.runs import saved
from ae.runs.drawing import Report
from ae.runs.records import trained
from ae.training import interrupts, precision
from ae.training.faster_layers import faster_layers
from ae.training.run import Run

import numpy as np

SHOWN = 10  # test digits


def draw(
    name: str,
    networks: Callable[[], dict[str, Network]],
    network_name: str,
    data: Any,
    settings: Settings,
    report: Report,
    why: str,
) -> None:
    """Draws test digits over what one of a run's networks and its other variant make of them.

    The other variant is trained for this figure. A run that is drawn again takes what it made from
    the run's record.

    Args:
        name: the lesson's.
        networks: returns the run's networks by their names.
        network_name: of the network to draw.
        data: the run's, with digits (n, 784); both variants train on them.
        settings: the run's.
        report: gets the figure.
        why: a sentence that explains the difference; it stands below the digits.
    """
    network = networks()[network_name]
    style = style_of(network)
    (other,) = {*VARIANTS} - {settings.variant}

    def measure() -> dict[str, Any] | None:
        changed = dataclasses.replace(settings, variant=other)
        twin = train(name, network_name, style, data, changed)
        if twin is None:
            return None
        greys = np.rint(255 * codec(twin).reconstruct(data.x_test[:SHOWN])).astype("uint8")
        return {"error": test_error(twin, data, changed), "digits": greys.tobytes().hex()}

    kept = report.kept(f"{network_name}_{other}", measure)
    if kept is None:
        return
    x = data.x_test[:SHOWN]
    greys = np.frombuffer(bytes.fromhex(kept["digits"]), "uint8").reshape(x.shape)
    made = {
        settings.variant: (test_error(network, data, settings), codec(network).reconstruct(x)),
        other: (kept["error"], greys / 255),
    }
    rows = {"original": x}
    for variant in VARIANTS:
        error, x_hat = made[variant]
        rows[f"{variant}\nerror {error:.4f}"] = x_hat
    strip = figures.strip({k: v.reshape(-1, 28, 28) for k, v in rows.items()}, below=why)
    shows = (
        "Ten test digits over what the network makes of them as published and corrected, with the "
        f"mean squared error on all test digits. {why}"
    )
    of = trained(network_name, style, settings.num_epochs)
    report.figure("published-and-corrected", strip, shows, of)


@interrupts.postponed()
def train(
    name: str, network_name: str, style: str, data: Any, settings: Settings
) -> Network | None:
    """Trains a network of a lesson as a run does; returns None if its loss becomes infinite."""
    lesson = load(name)
    network = saved.build(lesson, network_name, style, settings)
    run = Run(f"{name} {settings.variant}", settings.num_epochs, settings.steps_per_call)
    try:
        with precision.chosen(settings, style), faster_layers(network):
            lesson.networks[network_name][style].train(network, data, settings, run)
    except NotFiniteError as error:
        print(f"{error} So no figure shows both variants.", file=sys.stderr)
        return None
    finally:
        run.close()
    return network
