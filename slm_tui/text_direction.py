"""Right-to-left text on a terminal: logical text -> the lines to draw, as a story grows (pure).

Text is kept, copied and saved in logical order, the order of reading; only what is drawn is turned. Per paragraph:
the first strong character gives the direction; Arabic letters take their joined forms (without ligatures, so that
a letter stays a cell); words are wrapped by their width in cells, in logical order; each line is ordered as the
Unicode bidirectional algorithm says (UAX #9), from levels that python-bidi resolves over the whole paragraph; marks
stay behind their letter, brackets are mirrored. Where the terminal does all this (`slm_tui.terminals`), lines are
only wrapped.

Embeddings, overrides and isolates are not obeyed, as control characters are not: a model's text must not rearrange
the screen. Text without right-to-left characters takes a short way, and loads neither of the libraries.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from typing import NamedTuple

from rich.cells import cell_len

from slm_tui.bidi_levels import levels_of, mirrored, visual_order

_BREAK = re.compile("\r\n|[\n\u2028\u2029]")  # between paragraphs
_RTL = re.compile("[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_PLAIN = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u2010-\u2027]*")  # a cell each, no marks
_SIMPLE = re.compile(  # a cell each, and nothing to note: Latin, Greek, Cyrillic, Arabic letters, punctuation
    "([ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u060c\u061b\u061f-\u064a\u0660-\u066f\u2010-\u2027]+)|.", re.DOTALL
)
_SPACES = " \u1680\u2000-\u2006\u2008-\u200b\u205f\u3000"  # where a line may break; a zero-width space is one too
_WORD = re.compile(f"([{_SPACES}]*)([^{_SPACES}]+)")
_BRACKET = re.compile(r"[()\[\]{}\u2045\u2046\u207d-\u208e\u2308-\u230b\u2329-\u29fd\u2e22-\u301b\ufe59-\uff63]")
_JOINING = re.compile("[\u0620-\u06ff\u0750-\u077f\u08a0-\u08ff\u200c\u200d\u2060]+")  # what is shaped together
_ZWJ, _ZWNJ, _NBSP = "\u200d", "\u200c", "\u00a0"
_UNSEEN = "\u2060"  # stands for what is not drawn and has no direction of its own
_SYMBOL = "\ufffd"  # drawn for what is not obeyed, as `formats.printable` does
_DOTTED_CIRCLE = "\u25cc"  # carries a mark that has no letter
_FOR_TERMINALS = "\u200c\u200e\u200f\u061c"  # not drawn, but a terminal that shapes and orders needs them


@dataclass(frozen=True)
class Line:
    """One line as it is drawn, without the blanks that align it."""

    text: str  # in the order of the cells, left to right
    sources: tuple[int, ...]  # for each character of `text`, the place in the logical text that it comes from
    cells: int  # how wide `text` is
    rtl: bool  # of a right-to-left paragraph: to be aligned to the right
    start: int  # with the blanks around it, this line is the logical text [start, end)
    end: int

    def units(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """What is never taken apart, a letter with its marks, and where it comes from; left to right."""
        first = 0
        for place in range(1, len(self.text) + 1):
            if place == len(self.text) or (cell_len(self.text[place]) and self.text[place - 1] != _ZWJ):
                yield self.text[first:place], self.sources[first:place]
                first = place


class _Units(NamedTuple):
    """What is never taken apart, in logical order: letters with their marks."""

    classes: str  # a character each, by which lines are broken and directions found
    drawn: Sequence[str]
    sources: Sequence[Sequence[int]] | None  # as in `Line`, for each unit; None: its place
    starts: Sequence[int]  # its place in the logical text
    offsets: Sequence[int]  # the cells before it; one more than there are units


def has_right_to_left(text: str) -> bool:
    """Whether some of `text` is read from right to left."""
    return _RTL.search(text) is not None


def lay_out(text: str, width: int, *, app_orders: bool) -> list[Line]:
    """`text` as lines of at most `width` cells. `app_orders`: see `Layout`."""
    return Layout(width, app_orders=app_orders, text=text).lines


class Layout:
    """A text that may grow, and its `lines`.

    What is appended is laid out with as much before it as it can still change: most often a line or two, at worst
    the last paragraph. The lines are the same as if the whole text had been laid out at once.
    """

    def __init__(self, width: int, *, app_orders: bool, text: str = "") -> None:
        """`width` in cells, at least 1. `app_orders`: shape and order here; otherwise the terminal will."""
        self.width = max(1, width)
        self.app_orders = app_orders
        self.text = ""
        self.lines: list[Line] = []
        self._begin(0)
        self.append(text)

    def append(self, text: str) -> int:
        """Add to the end; returns the number of the first line that may have changed."""
        self.text += text
        first = self._settled
        del self.lines[first:]
        for match in _BREAK.finditer(self.text, self._resume):
            self._lay_out(match.start(), match.end())
            self._begin(match.end())
        end = len(self.text)
        self._lay_out(end - self.text.endswith("\r"), end)  # which may be half a break
        return first

    def line_of(self, place: int) -> int:
        """The number of the line that the character at `place` of the logical text is on."""
        return max(0, bisect_right(self.lines, place, key=lambda line: line.start) - 1)

    def _begin(self, start: int) -> None:
        """A paragraph begins at `start`."""
        self._settled = len(self.lines)  # so many lines can no longer change
        self._resume = start  # where the others begin
        self._context = start  # or the last strong character before that
        self._rtl: bool | None = None  # None: no strong character yet

    def _lay_out(self, stop: int, end: int) -> None:
        """Lay out the rest of the paragraph, which goes to `stop`; with its break, to `end`."""
        text = self.text[self._context : stop]
        if self._rtl is None:
            self._rtl = _direction(text)
        units, rtl = _split(text, self._context, self.width, self.app_orders), bool(self._rtl)
        turns = self.app_orders and (rtl or _RTL.search(text) is not None)
        levels = levels_of(units.classes, rtl) if turns else None
        if turns:
            units = units._replace(drawn=_joined(units))
        spans = _wrap(units, bisect_left(units.starts, self._resume), self.width)
        starts = [self._resume, *(units.starts[first] for first, _ in spans[1:]), end]
        for number, (first, last) in enumerate(spans):
            where = range(starts[number], starts[number + 1])
            self.lines.append(_line(units, range(first, last), levels, rtl, where))
        self._settle(units.classes, [first for first, _ in spans], units.starts)

    def _settle(self, classes: str, firsts: Sequence[int], starts: Sequence[int]) -> None:
        """Find the line from which the next piece is laid out. What comes before it must not depend on what follows,
        nor the other way round: a strong character has come since, no pair of brackets is open there or begins
        before that character and waits, and none stands just before the line. The last strong character before it
        is laid out once more: neutrals take its direction, and a letter its form."""
        pairs, waiting = _brackets(classes, firsts[0])
        end = _last_strong(classes, waiting)
        settled = self._settled
        for number, first in enumerate(firsts[1:], 1):
            if first > end:
                break
            strong = max(0, _last_strong(classes, first))
            open_there = any(opening < first <= closing for opening, closing in pairs)
            if not open_there and not _BRACKET.search(classes, strong, first):
                self._settled, self._resume, self._context = settled + number, starts[first], starts[strong]


def _direction(text: str) -> bool | None:
    """Whether `text` runs from right to left, as its first strong character does; None where it has none."""
    for char in text:
        if (kind := unicodedata.bidirectional(char)) in ("L", "R", "AL"):
            return kind != "L"
    return None


def _last_strong(classes: str, end: int) -> int:
    """Where before `end` the last strong character is, or -1."""
    for place in range(end - 1, -1, -1):
        if unicodedata.bidirectional(classes[place]) in ("L", "R", "AL"):
            return place
    return -1


def _brackets(classes: str, begin: int) -> tuple[list[tuple[int, int]], int]:
    """The pairs of brackets from `begin` on (rule BD16), and where the first one is that waits for its other half.
    In Unicode the closing one of a pair follows the opening one at a distance of 1 or 2."""
    pairs: list[tuple[int, int]] = []
    waiting: list[int] = []
    for match in _BRACKET.finditer(classes, begin):
        place, bracket = match.start(), match.group()
        category = unicodedata.category(bracket) if unicodedata.mirrored(bracket) else ""
        if category == "Ps":
            waiting.append(place)
        elif category == "Pe":
            for depth in range(len(waiting) - 1, -1, -1):
                if 1 <= ord(bracket) - ord(classes[waiting[depth]]) <= 2:
                    pairs.append((waiting[depth], place))
                    del waiting[depth:]
                    break
    return pairs, waiting[0] if waiting else len(classes)


@lru_cache(4096)
def _seen(char: str, app_orders: bool) -> tuple[str, str, bool]:
    """The class and the drawn form of a character, and whether it is a mark on the one before it."""
    category = unicodedata.category(char)
    if char == "\t":
        return " ", " ", False
    if category in ("Cc", "Cs"):
        return _SYMBOL, _SYMBOL, False
    if cell_len(char) and char != "\u00ad":  # a soft hyphen shows only where a word is broken at it
        return char, char, False
    if category not in ("Cf", "Zs"):
        return char, char, True
    kept = char == _ZWJ or char == "\u200b" or char in _FOR_TERMINALS
    return char if kept else _UNSEEN, char if char in _FOR_TERMINALS and not app_orders else "", False


def _split(text: str, origin: int, width: int, app_orders: bool) -> _Units:
    """The units of `text`, which stands at `origin` in the logical text; none is wider than `width`."""
    if _PLAIN.fullmatch(text):
        return _Units(text, text, None, range(origin, origin + len(text)), range(len(text) + 1))
    classes: list[str] = []
    drawn: list[str] = []
    sources: list[tuple[int, ...]] = []
    starts: list[int] = []
    carrier = -1  # the unit that a mark belongs to
    for match in _SIMPLE.finditer(text):
        place, char = match.start() + origin, match.group()
        if match.group(1):
            classes += char
            drawn += char
            starts += range(place, place + len(char))
            sources += zip(range(place, place + len(char)))
            carrier = len(classes) - 1
            continue
        kind, form, is_mark = _seen(char, app_orders)
        if is_mark and carrier >= 0 and (classes[carrier] != " " or carrier == len(classes) - 1):
            drawn[carrier] += char
            sources[carrier] += (place,)
            if classes[carrier] == " ":
                classes[carrier] = _NBSP  # no break there: the mark would be lost with the blank
            continue
        if (
            carrier >= 0
            and carrier == len(classes) - 2
            and classes[-1] == _ZWJ
            and _is_picture(classes[carrier] + char)
        ):
            drawn[carrier] += _ZWJ + char
            sources[carrier] += (starts.pop(), place)
            del classes[-1], drawn[-1], sources[-1]
            continue
        if is_mark:
            kind, form = _DOTTED_CIRCLE, _DOTTED_CIRCLE + char
        if form and form not in _FOR_TERMINALS:
            carrier = len(classes)
        elif kind not in (_UNSEEN, _ZWJ, _ZWNJ):
            carrier = -1  # a line may end here, or the direction change
        classes.append(kind)
        drawn.append(form)
        sources.append((place,) * len(form))
        starts.append(place)
    cells = [1 if "\u0620" <= form <= "\u064a" else cell_len(form) for form in drawn]
    for number in [number for number, wide in enumerate(cells) if wide > width]:
        drawn[number], sources[number], cells[number] = _SYMBOL, sources[number][:1], 1
    return _Units("".join(classes), drawn, sources, starts, [0, *accumulate(cells)])


def _is_picture(chars: str) -> bool:
    """Whether these are symbols that a joiner makes into one, as it does with emoji."""
    return all(char >= "\u2000" and unicodedata.category(char) == "So" for char in chars)


def _joined(units: _Units) -> Sequence[str]:
    """What is drawn, with Arabic letters in the form that their neighbours ask for."""
    if units.sources is None:
        return units.drawn
    drawn = list(units.drawn)
    for match in _JOINING.finditer(units.classes):
        for number, form in enumerate(_forms(match.group()), match.start()):
            if drawn[number]:
                drawn[number] = form + drawn[number][1:]
    return drawn


@lru_cache(4096)
def _forms(word: str) -> tuple[str, ...]:
    """The joined form of each letter; the zero-width joiner has none."""
    shaped = iter(_shaper()(word.replace(_UNSEEN, "")))
    return tuple("" if char in (_ZWJ, _UNSEEN) else next(shaped) for char in word)


@lru_cache(1)
def _shaper() -> Callable[[str], str]:
    """arabic-reshaper such that every letter gives one letter. It never sees the marks of `_Units`."""
    from arabic_reshaper import ArabicReshaper

    wanted = {"delete_harakat": "no", "support_ligatures": "no", "delete_tatweel": "no", "support_zwj": "yes"}
    return ArabicReshaper({**wanted, "language": "Arabic", "use_unshaped_instead_of_isolated": "no"}).reshape


def _wrap(units: _Units, first: int, width: int) -> list[tuple[int, int]]:
    """The units of each line, from `first` on, as [start, end) without the blanks where lines break. A word that is
    wider than a line begins one, and is broken where that is full."""
    offsets, spans = units.offsets, []
    start = end = first
    for match in _WORD.finditer(units.classes, first):
        begin, stop = match.span(2)
        if offsets[stop] - offsets[start] > width and begin > start:
            if end > start:
                spans.append((start, end))
            start = begin
        while offsets[stop] - offsets[start] > width:
            full = bisect_right(offsets, offsets[start] + width, start + 1, stop) - 1
            spans.append((start, full))
            start = full
        end = stop
    return [*spans, (start, end)]


def _line(units: _Units, span: range, levels: Sequence[int] | None, rtl: bool, where: range) -> Line:
    """The units of `span`, in the order of the cells. `where`: the logical text of the line."""
    cells = units.offsets[span.stop] - units.offsets[span.start]
    order: Sequence[int] = span
    turned: Mapping[int, str] = {}
    if levels is not None:
        order = visual_order(levels, span)
        glyphs = [unit for unit in span if levels[unit] == 1 and unicodedata.mirrored(units.classes[unit])]
        turned = {unit: mirrored(units.drawn[unit]) for unit in glyphs}
    text = "".join([turned.get(unit, units.drawn[unit]) for unit in order])
    if units.sources is not None:
        sources = tuple(chain.from_iterable([units.sources[unit] for unit in order]))
    elif levels is not None:
        sources = tuple([units.starts[unit] for unit in order])
    else:
        sources = tuple(units.starts[span.start : span.stop])
    return Line(text, sources, cells, rtl, where.start, where.stop)
