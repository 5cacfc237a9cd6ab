"""The line above a chart: what it shows and what the values are, in as many words as there is room for (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slm_tui.charts.chart import LABEL, PLAIN, TITLE

Pieces = list[tuple[str, int]]  # text and its colour, as in chart.py

_GAP = 3  # columns between a curve's entry and the next


@dataclass(frozen=True)
class Entry:
    """A curve: its mark, such as its letter, its name and its value."""

    mark: str
    label: str
    value: str
    colour: int


def legend(width: int, title: str, notes: Sequence[str], entries: Sequence[Entry]) -> Pieces:
    """Exactly `width` columns: the title at the left, the curves at the right.

    Where they do not fit, first the last notes go, then the curves' names, then the last curves. Labels are
    taken to be one column a character, as names of runs are.
    """
    for left, right in _choices(title, notes, entries):
        room = width - _length(left) - _length(right)
        if room >= (2 if right else 0):
            return [*left, (" " * room, PLAIN), *right]
    return [(title[:width].ljust(width), TITLE)]


def _choices(title: str, notes: Sequence[str], entries: Sequence[Entry]) -> Iterator[tuple[Pieces, Pieces]]:
    """From all that can be said to the title alone."""
    for kept in range(len(notes), -1, -1):
        yield _left(title, notes[:kept]), _right(entries, named=True)
    for kept in range(len(entries), -1, -1):
        yield _left(title, ()), _right(entries[:kept], named=False)


def _left(title: str, notes: Sequence[str]) -> Pieces:
    return [(title, TITLE), *((("  " if place == 0 else " · ") + note, LABEL) for place, note in enumerate(notes))]


def _right(entries: Sequence[Entry], named: bool) -> Pieces:
    pieces: Pieces = []
    for place, entry in enumerate(entries):
        pieces.append((" " * (_GAP if place else 0) + entry.mark, entry.colour))
        if named and entry.label:
            pieces.append((f" {entry.label}", LABEL))
        pieces.append((f" {entry.value}", PLAIN))
    return pieces


def _length(pieces: Pieces) -> int:
    return sum(len(text) for text, _ in pieces)
