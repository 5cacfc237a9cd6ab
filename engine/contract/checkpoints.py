"""Which of a run's checkpoints is meant, by name: `best`, `last`, or `step-N` for one that was kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from engine.contract.errors import UserError, nearest

_PATTERN = r"^(best|last|step-[0-9]{1,18})\Z"
_LISTED = 6  # names in a message

CheckpointName = Annotated[str, msgspec.Meta(pattern=_PATTERN)]


def is_checkpoint_name(text: str) -> bool:
    return re.search(_PATTERN, text) is not None


def checkpoint_name(text: str) -> CheckpointName:
    """The value of `--checkpoint`.

    Raises:
        UserError: no checkpoint can have this name; suggests the nearest.
    """
    if not is_checkpoint_name(text):
        near = nearest(text, ("best", "last"))
        hint = f"; did you mean {near}?" if near else ""
        raise UserError(f"--checkpoint {text}: must be best, last or step-N{hint}")
    return text


def other_checkpoints(names: Sequence[CheckpointName]) -> str:
    """The end of a message about a checkpoint that is not there: '; use --checkpoint best or last'; '' for no names."""
    if not names:
        return ""
    shown = [*names[:_LISTED], "…"] if len(names) > _LISTED else list(names)
    *first, last = shown
    return f"; use --checkpoint {', '.join(first)} or {last}" if first else f"; use --checkpoint {last}"
