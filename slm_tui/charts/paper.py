"""Charts for files and pages, where a line is finer than a cell: where curves run, and what stands at the axes (pure).

Ranges and ticks are those of the dashboard's charts, so that a file shows what was seen on the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from slm_tui.charts.chart import Curve, Picture, View, render
from slm_tui.charts.raster import Points, thin
from slm_tui.charts.scale import Floats, Scale
from slm_tui.charts.ticks import Fits, Kind, Tick, rows_apart, ticks, unit_of_time

Polyline = tuple[Floats, Floats]  # x and y of points that a line joins

_ROWS = 34  # pixels from one label of the y axis to the next, at least
_CHARACTER = 7  # pixels a character of a label, about
_GAP = 20  # pixels between two labels of the x axis
_MARKS = 14  # pixels from one mark to the next
_FINE = 4  # points that a pixel column needs: the first, lowest, highest and last


@dataclass(frozen=True)
class Frame:
    """The axes of a chart whose curves have `width` x `height` pixels; a tick is a value and what stands at it."""

    width: int
    height: int
    x: Scale
    y: Scale
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    x_title: str
    picture: Picture  # the same curves in cells


def frame_of(curves: Sequence[Curve], view: View, width: int, height: int) -> Frame | None:
    """Axes that show all of the curves; None where there is nothing to show."""
    picture = render(curves, view, 80, 24)  # the ranges are the same however many cells there are
    x, y = picture.x_scale, picture.y_scale
    if x is None or y is None:
        return None
    x_ticks = _ticks(x, width, view.x_kind, _labels_apart)
    y_ticks = _ticks(y, height, view.y_kind, rows_apart(_ROWS))
    title = f"{unit_of_time(x.high)} of training" if view.x_kind == "seconds" else view.x_unit
    return Frame(width, height, x, y, x_ticks, y_ticks, title, picture)


def _labels_apart(found: Sequence[Tick]) -> bool:
    return all(
        after.cell - before.cell >= _GAP + _CHARACTER * (len(before.label) + len(after.label)) / 2
        for before, after in pairwise(found)
    )


def _ticks(scale: Scale, pixels: int, kind: Kind, fits: Fits) -> list[tuple[float, str]]:
    found = ticks(scale, pixels, 1, kind, fits)
    return [(scale.value_at(tick.cell / (pixels - 1)), tick.label) for tick in found]


def pieces(curve: Curve, frame: Frame) -> list[Polyline]:
    """The curve as lines, one from gap to gap, with no more points than the frame's pixels show; spikes survive."""
    points = Points.of(curve.x, curve.y, frame.x.log, frame.y.log)
    if len(points.x) <= _FINE * frame.width:
        x, y, starts = points.x, points.y, points.breaks
    else:
        thinned = thin(points, frame.x, frame.width)
        x = np.repeat(frame.x.at(thinned.column / (frame.width - 1)), _FINE)
        y = np.stack((thinned.first, thinned.low, thinned.high, thinned.last), axis=1).ravel()
        starts = _FINE * np.flatnonzero(~thinned.joined)[1:]
    return [piece for piece in zip(np.split(x, starts), np.split(y, starts), strict=True) if len(piece[0])]


def marks(curve: Curve, frame: Frame) -> list[tuple[float, float]]:
    """The points of the curve to mark: as many as stand apart, the newest first."""
    points = Points.of(curve.x, curve.y, frame.x.log, frame.y.log)
    chosen: list[tuple[float, float]] = []
    free = np.inf
    across = frame.x.share(points.x) * (frame.width - 1)
    for place in range(len(across) - 1, -1, -1):
        if across[place] <= free and points.y[place] <= frame.y.high:
            chosen.append((float(points.x[place]), float(points.y[place])))
            free = float(across[place]) - _MARKS
    return chosen
