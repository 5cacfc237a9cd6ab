"""Cuts a text into pieces that a translation model can take, sentence by sentence, and loses nothing of it.

Translation models learn from single sentences: given several at once they leave some out.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator

ENDS = ".!?…؟۔"  # what a sentence ends with, English or Arabic
# How far a cut is searched, in characters a token; no vocabulary in use has tokens as long on average.
_CHARACTERS_A_TOKEN = 32
_GAP = re.compile(r"\s+")
_CLOSING = r"\"'”’»)\]"  # what may follow that
_LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
_BREAKS = frozenset(_LINE_BREAKS)
_ENDED = re.compile(rf"[{ENDS}][{_CLOSING}]*$")
# Where a sentence may end: most gaps between words are passed over without a look at the words before them. A gap is
# tried from its beginning only, so that a long one is read once.
_POSSIBLE_END = re.compile(rf"(?<=[{ENDS}{_CLOSING}])\s+|(?<!\s)[^\S{_LINE_BREAKS}]*[{_LINE_BREAKS}]\s*")
_NOT_ENDED = re.compile(r"(?:^|[\s\"'“‘«(\[])(?:Mr|Mrs|Ms|Dr|St|Prof|[A-Z])\.$")  # a title or an initial
_TAIL = 12  # characters before a gap that tell whether a sentence has ended
_CLAUSE_GAP = re.compile(r"(?<=[,;:،؛—–])\s+")

Piece = tuple[str, str]  # a piece, and the white space that follows it; the first piece of a text may be empty


def pieces(text: str, count: Callable[[str], int], limit: int) -> Iterator[Piece]:
    """The sentences of `text`, each at most `limit` tokens as `count` counts them; joined they are `text` again.

    A longer sentence is cut after a clause, or between words, or, where a word is too long, in it. Only a single
    character may be longer than `limit`.
    """
    window = max(1, limit) * _CHARACTERS_A_TOKEN

    def fits(part: str) -> bool:
        return len(part) <= window and count(part) <= limit

    for sentence, gap in sentences(text):
        while len(sentence) > 1 and not fits(sentence):
            end, start = _cut(sentence[:window], fits)
            yield sentence[:end], sentence[end:start]
            sentence = sentence[start:]
        yield sentence, gap


def sentences(text: str) -> Iterator[Piece]:
    """The sentences of `text` and the white space after each. A line break ends a sentence, too."""
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if start:
        yield "", text[:start]
    for gap in _POSSIBLE_END.finditer(text, start, end):
        if _parts(text, start, gap):
            yield text[start : gap.start()], gap.group()
            start = gap.end()
    if start < end:
        yield text[start:end], text[end:]


def _parts(text: str, start: int, gap: re.Match[str]) -> bool:
    """Whether a sentence, begun at `start`, ends before `gap`: not so in `"Is it?" she asked`."""
    if not _BREAKS.isdisjoint(gap.group()):
        return True
    tail = text[max(start, gap.start() - _TAIL) : gap.start()]
    return bool(_ENDED.search(tail)) and not _NOT_ENDED.search(tail) and not text[gap.end()].islower()


def _cut(sentence: str, fits: Callable[[str], bool]) -> tuple[int, int]:
    """Where the first piece of a sentence that does not fit ends, and where the next begins."""
    for gaps in (_CLAUSE_GAP, _GAP):
        spans = [gap.span() for gap in gaps.finditer(sentence)]
        # a longer text has more tokens, give or take one; what is taken has been counted itself
        taken = bisect.bisect_left(spans, True, key=lambda span: not fits(sentence[: span[0]]))
        if taken and fits(sentence[: spans[taken - 1][0]]):
            return spans[taken - 1]
    end = bisect.bisect_left(range(2, len(sentence)), True, key=lambda end: not fits(sentence[:end])) + 1
    while end > 1 and not fits(sentence[:end]):
        end -= 1
    return end, end
