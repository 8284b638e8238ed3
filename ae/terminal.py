"""What a person sees while a command works: bars, clocks, lines and colors.

Bars and clocks appear on standard error, if it is a terminal, and leave no trace. A file or a pipe
gets plain lines.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tqdm.auto import tqdm

PATIENCE = 2  # seconds that something may take before there is a sign of life
COLORS = {"red": 31, "green": 32, "yellow": 33, "bold": 1}


def bar(label: str, total: int | None = None, unit: str = "step", **options: Any) -> tqdm:
    """Makes a progress bar."""
    options = {"disable": None, "leave": False, "dynamic_ncols": True, **options}
    return tqdm(desc=label, total=total, unit=unit, **options)


def say(text: object) -> None:
    """Prints a line, above the bars if there are any."""
    tqdm.write(str(text), file=sys.stdout)


def warn(text: object) -> None:
    """Prints a line to standard error, above the bars if there are any."""
    tqdm.write(str(text), file=sys.stderr)


@contextmanager
def working(label: str) -> Iterator[None]:
    """Shows, after two seconds, that something goes on whose parts cannot be counted.

    A terminal gets a clock, anything else one line.
    """
    over = threading.Event()
    clock = threading.Thread(target=_tick, args=(label, over), name="clock", daemon=True)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join()


def _tick(label: str, over: threading.Event) -> None:
    if hasattr(signal, "pthread_sigmask"):  # see `ae.training.interrupts`
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    if over.wait(PATIENCE):
        return
    with suppress(OSError, ValueError):  # the reader has gone; the main thread notices, too
        if not sys.stderr.isatty():
            say(f"{label} ...")
            return
        with bar(label, initial=PATIENCE, bar_format="{desc} ... {n:.0f} s") as clock:
            while not over.wait(1):
                clock.update()


def colored(text: str, color: str, stream: Any = None) -> str:
    """Colors a text if it is for a terminal, and NO_COLOR is not set (https://no-color.org)."""
    stream = sys.stdout if stream is None else stream
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or not stream.isatty() else f"\033[{COLORS[color]}m{text}\033[0m"


def duration(seconds: float) -> str:
    """Writes how long something took: "0.4 s", "12 s", "1 min 12 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, noun: str) -> str:
    """Writes a number of things: "1 epoch", "20 epochs"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
