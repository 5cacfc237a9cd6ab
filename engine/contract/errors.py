"""The exception for a user's mistake, printed once without a traceback, and the nearest valid name for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can fix; the message says where it is and what is needed.

    Commands print it and exit with 2; a run that had already started ends as `failed`.
    """


class NotYet(UserError):
    """The name refers to something that will exist once an experiment has run."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name in `known` that `name` probably means: a misspelt one, or one that starts with it."""
    names = sorted(known)
    begun = [candidate for candidate in names if len(name) >= 4 and candidate.startswith(name)]
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.7) or begun), None)
