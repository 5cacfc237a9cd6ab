"""Curves as braille dots: thinned to what a pixel column can show, joined by lines, packed into cells (pure).

A cell has 2 x 4 dots. Thinning keeps the first, lowest, highest and last point of each pixel column (M4; Jugel et
al. 2014), so the picture is that of all points: a spike survives however many points there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slm_tui.charts.scale import HUGE, Floats, Scale

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Lines = tuple[Floats, Floats, Floats, Floats]  # x0, y0, x1, y1 in pixels, y downwards

_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's numbering
_FAR = 1e7  # pixels; what lies farther outside is drawn as if it lay here


@dataclass(frozen=True)
class Points:
    """A curve without its gaps: finite x and y, and before which points a gap stood."""

    x: Floats
    y: Floats
    breaks: Ints  # indices of points that are not joined to the one before

    @classmethod
    def of(cls, x: Floats, y: Floats, x_log: bool, y_log: bool) -> Points:
        """The points that can be drawn; on a logarithmic axis only those above 0. x never falls."""
        with np.errstate(invalid="ignore"):
            known = (y > 0) & (y < HUGE) if y_log else np.abs(y) < HUGE
            known &= (x > 0) & (x < HUGE) if x_log else np.abs(x) < HUGE
        if known.all():
            return cls(x, y, np.empty(0, dtype=np.intp))
        where = np.flatnonzero(known)
        return cls(x[where], y[where], np.flatnonzero(np.diff(where) > 1) + 1)


@dataclass(frozen=True)
class Thinned:
    """Groups of neighbouring points that fall into one pixel column: arrays of one length."""

    column: Floats  # in pixels; outside the picture for the two neighbours of what is visible
    inside: Bools
    first: Floats
    low: Floats
    high: Floats
    last: Floats
    joined: Bools  # to the group before

    def range(self) -> tuple[float, float] | None:
        """The lowest and highest value inside; of the line that crosses the picture where no point is inside."""
        shown = self.inside if self.inside.any() else self.joined | np.append(self.joined, False)[1:]
        return (float(self.low[shown].min()), float(self.high[shown].max())) if shown.any() else None


def thin(points: Points, scale: Scale, columns: int) -> Thinned:
    """What `columns` pixel columns over `scale` show of the points. Costs one pass over those inside."""
    x, y = points.x, points.y
    edges = scale.at((np.arange(columns + 1) - 0.5) / (columns - 1))
    bounds = np.searchsorted(x, edges)
    start, end = int(bounds[0]), int(bounds[-1])
    heads = bounds[:-1][bounds[:-1] < bounds[1:]]
    gaps = points.breaks[(points.breaks > start) & (points.breaks < end)]
    if len(gaps):
        heads = np.union1d(heads, gaps)
    tails = np.append(heads[1:], end)[: len(heads)] - 1
    column = (np.searchsorted(bounds, heads, side="right") - 1).astype(float)
    low = np.minimum.reduceat(y[start:end], heads - start) if len(heads) else y[:0]
    high = np.maximum.reduceat(y[start:end], heads - start) if len(heads) else y[:0]
    outer = np.array([index for index in (start - 1, end) if 0 <= index < len(x)], dtype=np.intp)
    far = np.clip(scale.share(x[outer]) * (columns - 1), -_FAR, _FAR)
    left = int(start > 0)  # how many of the outer ones come first

    def around(inner: Floats, outside: Floats) -> Floats:
        return np.concatenate((outside[:left], inner, outside[left:]))

    at = np.concatenate((outer[:left], heads, outer[left:]))
    joined = ~np.isin(at, points.breaks) if len(points.breaks) else np.ones(len(at), dtype=bool)
    joined[:1] = False
    inside = np.ones(len(at), dtype=bool)
    inside[:left] = False
    inside[left + len(heads) :] = False
    first, low, high, last = (around(inner, y[outer]) for inner in (y[heads], low, high, y[tails]))
    return Thinned(around(column, far), inside, first, low, high, last, joined)


def draw(thinned: Thinned, scale: Scale, columns: int, rows: int) -> Bools:
    """(rows, columns) dots of the curve, on a y axis over `scale`, upwards."""

    def row(values: Floats) -> Floats:
        return np.clip((1 - scale.share(values)) * (rows - 1), -_FAR, _FAR)

    inner, joined = thinned.inside, thinned.joined
    before = np.append(joined, False)[1:]
    spans = (thinned.column[inner], row(thinned.low[inner]), thinned.column[inner], row(thinned.high[inner]))
    joints = (thinned.column[before], row(thinned.last[before]), thinned.column[joined], row(thinned.first[joined]))
    x0, y0, x1, y1 = (np.concatenate(pair) for pair in zip(spans, joints, strict=True))
    dots = np.zeros((rows, columns), dtype=bool)
    _set(dots, _clipped((x0, y0, x1, y1), columns, rows))
    return dots


def pack(dots: Bools) -> NDArray[np.uint8]:
    """(rows / 4, columns / 2) braille patterns, to be added to U+2800."""
    rows, columns = dots.shape
    cells = dots.reshape(rows // 4, 4, columns // 2, 2)
    packed = np.zeros((rows // 4, columns // 2), dtype=np.uint8)
    for (y, x), bit in np.ndenumerate(_DOTS):
        packed |= cells[:, y, :, x] * np.uint8(bit)
    return packed


def _clipped(lines: Lines, columns: int, rows: int) -> Lines:
    """The parts of the lines inside the picture (Liang and Barsky 1984)."""
    x0, y0, x1, y1 = lines
    dx, dy = x1 - x0, y1 - y0
    enter, leave = np.zeros(len(x0)), np.ones(len(x0))
    seen = np.ones(len(x0), dtype=bool)
    for move, room in ((-dx, x0 + 0.5), (dx, columns - 0.5 - x0), (-dy, y0 + 0.5), (dy, rows - 0.5 - y0)):
        seen &= (move != 0) | (room >= 0)
        share = np.divide(room, move, out=np.zeros_like(room), where=move != 0)
        enter = np.where(move < 0, np.maximum(enter, share), enter)
        leave = np.where(move > 0, np.minimum(leave, share), leave)
    seen &= enter <= leave
    x0, y0, dx, dy, enter, leave = x0[seen], y0[seen], dx[seen], dy[seen], enter[seen], leave[seen]
    return x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy


def _set(dots: Bools, lines: Lines) -> None:
    """Set the dots along lines that lie inside."""
    rows, columns = dots.shape
    limits = (columns, rows, columns, rows)
    x0, y0, x1, y1 = (np.clip(np.rint(ends), 0, limit - 1) for ends, limit in zip(lines, limits, strict=True))
    moves = np.maximum(np.abs(x1 - x0), np.abs(y1 - y0)).astype(np.intp)
    count = moves + 1
    line = np.repeat(np.arange(len(count)), count)
    share = (np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)) / np.maximum(moves, 1)[line]
    x = np.rint(x0[line] + (x1 - x0)[line] * share).astype(np.intp)
    y = np.rint(y0[line] + (y1 - y0)[line] * share).astype(np.intp)
    dots[y, x] = True
