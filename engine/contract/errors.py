"""The one exception that a person's mistake raises: printed once, without a traceback."""


class UserError(Exception):
    """A mistake that its user can mend; the message says where it is and what is wanted.

    Commands print it and exit with 2; a run that had already started ends as `failed`.
    """
