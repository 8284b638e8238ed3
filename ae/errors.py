"""The exceptions that a user, not a programmer, is meant to read."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave or lacks: one sentence that says what is wrong and what to do.

    `ae.console.guard` prints the sentence and returns exit code 2, without a traceback.
    """


class MissingDataError(InputError):
    """No file of a data set was found; damaged files are a plain `InputError`."""


class NotFiniteError(InputError):
    """A training whose loss or weights became infinite or NaN."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted: one sentence that says how to resume it."""


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Returns "; did you mean ...?" for the known word that is nearest to a mistyped one.

    If none is near, it returns `otherwise`, by default a list of the known words.
    """
    known = list(known)
    if nearest := difflib.get_close_matches(word, known, n=1):
        return f"; did you mean '{nearest[0]}'?"
    return f"; there are {', '.join(known)}." if otherwise is None else otherwise
