"""What every command shares: arguments that answer mistakes in one sentence, and exit codes."""

import argparse
import io
import os
import re
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from ae import STARTED
from ae.errors import InputError, did_you_mean
from ae.terminal import colored, duration
from ae.versions import running, warn_of_untested

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended
BROKEN_PIPE = 141  # and for one whose reader went away


class Parser(argparse.ArgumentParser):
    """An argument parser that answers a mistake with one sentence and takes no abbreviations."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)
        about = "print the versions of this project, TensorFlow, Keras and Python"
        self.add_argument("--version", action="version", version=running(), help=about)

    def add_out(self, about: str, default: Path | None = None) -> None:
        """Adds --out, and --overwrite, which each command with it has."""
        self.add_argument("--out", type=folder, default=default, help=about)
        self.add_argument("--overwrite", action="store_true", help="replace what is there already")

    def error(self, message: str) -> NoReturn:
        """Reports a mistake in the arguments, with the nearest option or choice if there is one."""
        option = re.match(r"unrecognized arguments: (--[^ =]+)", message)
        choice = re.match(r"argument [^:]*: invalid choice: '(.*)' \(choose from (.*)\)", message)
        if option:
            message += did_you_mean(option[1], self._option_string_actions, otherwise="")
        elif choice:
            message += did_you_mean(choice[1], choice[2].replace("'", "").split(", "), otherwise="")
        raise InputError(f"{self.prog}: {message} (--help lists the options).")


def _terminate(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def guard(command: Callable[[], int | None]) -> int:
    """Runs a command; turns what a user can correct, or did, into a sentence and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A locale may lack a letter, and a reader of a log should not wait for a full buffer.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    in_charge = threading.current_thread() is threading.main_thread()
    usual = signal.getsignal(signal.SIGTERM)
    if in_charge:
        signal.signal(signal.SIGTERM, _terminate)  # a run can resume after a scheduler's, too
    warn_of_untested()
    try:
        code = command() or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        _complain(str(error))
        return 2
    except BrokenPipeError:
        # The reader of our output has gone; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.filename is None:  # not of a name that somebody gave
            raise
        _complain(f"{error.filename}: {error.strerror}; give another place.")
        return 2
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "Interrupted.", file=sys.stderr)
        return INTERRUPTED
    finally:
        if in_charge:
            signal.signal(signal.SIGTERM, usual)


def _complain(text: str) -> None:
    print(colored(text, "red", sys.stderr), file=sys.stderr)


def print_time() -> None:
    """Prints how long this process has taken."""
    print(f"took {duration(time.perf_counter() - STARTED)}")


def print_wrapped(text: str, indent: str) -> None:
    """Prints a paragraph 96 columns wide, its first line after `indent`, the others as far in."""
    print(textwrap.fill(text, 96, initial_indent=indent, subsequent_indent=" " * len(indent)))


def folder(text: str) -> Path:
    """Parses the name of a folder."""
    if not text:
        raise argparse.ArgumentTypeError("must name a folder")
    return Path(text)


def existing_folder(text: str) -> str:
    """Parses the name of a folder that is there; returns its whole path."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder '{text}'")
    return str(Path(text).resolve())


def positive(kind: type) -> Callable[[str], Any]:
    """Makes a function that parses an `int` or a `float` above zero."""
    noun = "whole number" if kind is int else "number"
    return _number(kind, f"{noun} above zero", lambda value: 0 < value < float("inf"))


def between(least: float, most: float) -> Callable[[str], float]:
    """Makes a function that parses a number from `least` to `most`."""
    words = f"number from {least:g} to {most:g}"
    return _number(float, words, lambda value: least <= value <= most)


def number(kind: type, several: bool = False) -> Callable[[str], Any]:
    """Makes a function that parses a number from zero, or a tuple of `several` with commas."""
    noun = "whole number" if kind is int else "number"
    parse = _number(kind, f"{noun} not below zero", lambda value: 0 <= value < float("inf"))
    return (lambda text: tuple(map(parse, text.split(",")))) if several else parse


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    """Makes a function that parses a whole number from `least` to `most`."""
    return _number(int, f"whole number from {least} to {most}", range(least, most + 1).__contains__)


def _number(kind: type, words: str, accepts: Callable[[Any], bool]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        with suppress(ValueError):
            if accepts(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"must be a {words}, not '{text}'")

    return parse
