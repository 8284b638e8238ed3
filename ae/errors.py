"""The exceptions that a user, not a programmer, is meant to read."""


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
