"""The exception that a person's mistake raises: printed once, without a traceback. And what was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that its user can mend; the message says where it is and what is wanted.

    Commands print it and exit with 2; a run that had already started ends as `failed`.
    """


class NotYet(UserError):
    """What is named is not there yet, but will be once an experiment has run."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` was probably meant to be: a misspelt one, or one that it is the beginning of."""
    names = sorted(known)
    begun = [candidate for candidate in names if len(name) >= 4 and candidate.startswith(name)]
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.7) or begun), None)
