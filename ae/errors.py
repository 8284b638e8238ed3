"""The exceptions that a user, not a programmer, is meant to read."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave or lacks: one sentence that says what is wrong and what to do.

    `ae.cli` prints the sentence and exits with code 2, without a traceback.
    """


class MissingDataError(InputError):
    """Nothing of a data set was found, as opposed to damaged files of it."""


class NotFiniteError(InputError):
    """A training whose loss or weights became infinite or no number."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted: one sentence that says how to go on with it."""


def did_you_mean(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Returns "; did you mean ...?" for the known word that is nearest to a mistyped one.

    Args:
        word: what was typed.
        known: what there is.
        otherwise: what to return if nothing is near; by default a list of what there is.
    """
    known = list(known)
    if nearest := difflib.get_close_matches(word, known, n=1):
        return f"; did you mean '{nearest[0]}'?"
    return f"; there are {', '.join(known)}." if otherwise is None else otherwise
