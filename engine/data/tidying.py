"""Repairs the text of stories, where an experiment asks for it, before anything else sees it.

Each text by itself, so that a story is the same in any corpus: mojibake line by line, then Unicode's normal form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from engine.contract.experiment import Data


def tidier(data: Data) -> Callable[[str], str]:
    """What `[data]` wants done to each text; ASCII passes as it is."""
    form = data.normalization
    repair = _repair() if data.repair_mojibake else None

    def tidy(text: str) -> str:
        if text.isascii():
            return text
        repaired = repair(text) if repair else text
        return unicodedata.normalize(form, repaired) if form else repaired

    return tidy if repair or form else str


def _repair() -> Callable[[str], str]:
    import ftfy  # only where it is asked for

    def repair(text: str) -> str:
        """A line with a real curly quote would keep ftfy from repairing the wrong ones in the others."""
        return "".join(line if line.isascii() else ftfy.fix_encoding(line) for line in text.splitlines(keepends=True))

    return repair
