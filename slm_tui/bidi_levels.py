"""The Unicode bidirectional algorithm (UAX #9) on one paragraph without embeddings: levels, order, mirrored forms.

python-bidi does the work, and is loaded at the first call.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

_TAGS = [chr(code) for code in range(0xE0040, 0xE0080)]  # which the algorithm skips: digits of a number, base 64
_FIRST_TAG = ord(_TAGS[0])
_ONE_WAY = re.compile(  # Arabic letters, and what has no direction of its own
    "[ !\"'(),.:;?\\[\\]\u00a0\u00ab\u00bb\u060c\u061b\u061f-\u064a\u0671-\u06d3"
    "\u2013\u2014\u2018-\u201f\u2026\ufffd-]*"
)


def levels_of(classes: str, rtl: bool) -> list[int]:
    """The embedding level of each character of a paragraph.

    python-bidi gives only the order that follows from the levels. So each character is sent through it with its
    number, in tags: they come before it where the level is odd. A last letter, in the direction of the paragraph,
    keeps blanks at the end from being treated as a line's.
    """
    if rtl and _ONE_WAY.fullmatch(classes):
        return [1] * len(classes)
    from bidi import get_display

    levels: list[int] = []
    for begin in range(0, len(classes), 1 << 18):  # so far three tags count; no paragraph of a story is as long
        part = classes[begin : begin + (1 << 18)]
        numbered = [c + _TAGS[n >> 12] + _TAGS[n >> 6 & 63] + _TAGS[n & 63] for n, c in enumerate(part)]
        shown = str(get_display("".join(numbered) + ("\u05d0" if rtl else "a"), base_dir="R" if rtl else "L"))
        levels += _read_levels(shown[1:] if rtl else shown[:-1], rtl)
    return levels


def _read_levels(shown: str, rtl: bool) -> list[int]:
    """Levels from the order: without embeddings they are 1 and 2 from right to left, else 0, 1 and 2. Level 0 is
    where everything before has stayed before."""
    codes = array("I", shown.encode(f"utf-32-{sys.byteorder[0]}e"))
    levels, order = [2] * (len(codes) // 4), []
    for first, second, third, fourth in zip(codes[0::4], codes[1::4], codes[2::4], codes[3::4], strict=True):
        odd = _FIRST_TAG <= first < _FIRST_TAG + 64
        high, middle, low = (third, second, first) if odd else (second, third, fourth)
        number = (high & 63) << 12 | (middle & 63) << 6 | low & 63
        order.append(number)
        if odd:
            levels[number] = 1
    if not rtl:
        for place, furthest in enumerate(accumulate(order, max)):
            if order[place] == place == furthest and levels[place] == 2:
                levels[place] = 0
    return levels


def visual_order(levels: Sequence[int], span: range) -> list[int]:
    """The units of `span` from left to right: runs are reversed from the highest level down (rule L2)."""
    order = list(span)
    if 1 == min(levels[span.start : span.stop], default=1) == max(levels[span.start : span.stop], default=1):
        return order[::-1]
    for level in (2, 1):
        place = 0
        while place < len(order):
            run = place
            while run < len(order) and levels[span[run]] >= level:
                run += 1
            order[place:run] = order[place:run][::-1]
            place = run + 1
    return order


@lru_cache(4096)
def mirrored(drawn: str) -> str:
    """`drawn` where text runs from right to left: brackets and their like turned round. Marks follow the first
    character."""
    from bidi.mirror import MIRRORED

    return str(MIRRORED.get(drawn[:1], drawn[:1])) + drawn[1:]
