"""The figures that a run draws, and the values that it measures with them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ae.errors import InputError
from ae.lesson import ONLY_NETWORK, Lesson, Settings, label_of
from ae.networks import Network
from ae.paths import replacing
from ae.runs.records import number, trained
from ae.terminal import say
from ae.training import interrupts

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


@dataclasses.dataclass
class Report:
    """Collects the figures and the measured values of one trained network."""

    folder: Path  # where the figures go
    prefix: str  # what their file names begin with, such as "keras-"
    title: str = ""  # what every figure is headed with
    network_name: str = ONLY_NETWORK  # what the lesson calls the network
    notice: str = ""  # a line to print under every figure
    show: bool = False  # whether to keep figures open, so that `plt.show()` shows them
    figures: list[Path] = dataclasses.field(default_factory=list)  # the saved ones
    results: dict[str, Any] = dataclasses.field(default_factory=dict)  # measured values by name

    def figure(self, name: str, figure: Figure, shows: str = "", of: str = "") -> None:
        """Saves a figure under a title, and in its file what it shows, in words; names the file.

        `of` is added to the title: whose figure it is, where that is not one trained network.
        """
        path = self.folder / f"{self.prefix}{name}.png"
        if path in self.figures or not isinstance(figure, Figure):
            found = "two figures" if path in self.figures else "no Matplotlib figure but something"
            raise InputError(f"{path.name}: `draw` gives {found} of this name; correct it.")
        _frame(figure, ", ".join(filter(None, (self.title, of))), self.notice)
        about = {"Description": shows} if shows else None
        with replacing(path) as partial:
            figure.savefig(partial, format="png", dpi=100, bbox_inches="tight", metadata=about)
        self.figures.append(path)
        say(f"picture: {path}")
        if not self.show:
            plt.close(figure)
        interrupts.deliver()

    def result(self, name: str, value: Any) -> None:
        """Keeps a measured value for the record."""
        self.results[name] = value

    def kept(self, name: str, measure: Callable[[], Any]) -> Any:
        """Returns a result of the run that is drawn again, or else measures and keeps it."""
        if name not in self.results:
            self.result(name, measure())
        return self.results[name]

    def listed(self, run: Path) -> dict[str, Any]:
        """Returns results and figures, these relative to the run's folder, for its record."""
        figures = [path.relative_to(run) for path in self.figures]
        return {"results": self.results, "figures": figures}


def draw(
    lesson: Lesson,
    data: Any,
    settings: Settings,
    folder: Path,
    show: bool,
    network: Network,
    network_name: str,
    style: str,
    history: Sequence[Mapping[str, float]],
) -> dict[str, Any]:
    """Draws the figures of a trained network.

    Returns results and figures, as the record of the run in the folder lists them.
    """
    prefix = label_of(network_name, style).replace(" ", "-") + "-"
    corrected = ["corrected"] if settings.variant == "corrected" else []
    loss = f"loss {number(history[-1][lesson.printed_loss])}"
    title = ", ".join([lesson.name, *corrected, trained(network_name, style, len(history)), loss])
    report = Report(folder / "figures", prefix, title, network_name, data.provenance.notice, show)
    lesson.draw(network, data, settings, report)
    return report.listed(folder)


def draw_appendix(
    lesson: Lesson,
    data: Any,
    settings: Settings,
    folder: Path,
    show: bool,
    networks: Callable,
    results: Mapping[str, Any],
) -> dict[str, Any]:
    """Draws the figures of a whole run, as `draw`.

    `networks()` returns networks by their names; `results` are what the run's appendix measured, if
    it is drawn again.
    """
    report = Report(
        *(folder / "figures", "", lesson.name),
        notice=data.provenance.notice,
        show=show,
        results=dict(results),
    )
    if lesson.appendix is not None:
        lesson.appendix(data, settings, report, networks)
    return report.listed(folder)


def _frame(figure: Figure, title: str, notice: str) -> None:
    """Writes a title over all that a figure shows, and a notice in red under it."""
    figure.draw_without_rendering()  # which lays it out
    shown, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    middle, top, bottom = (shown.x0 + shown.x1) / 2 / width, shown.y1 / height, shown.y0 / height
    gap = 0.12 / height
    if title:
        figure.text(middle, top + gap, title, ha="center", va="bottom", fontsize="large")
    if notice:
        figure.text(middle, bottom - gap, notice, ha="center", va="top", color="tab:red")
