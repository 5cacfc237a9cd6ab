"""Curves as cells: axes, ticks, marks, the lines themselves, and what stands under a cross-hair (pure).

    picture = render([Curve(x, y, "train", colour=0)], View(y_log=True), width=80, height=20)
    print("\\n".join("".join(text for text, _ in line) for line in picture.lines()))

A cell's colour is a number: one of the roles below, or `CURVES` and up for the curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from slm_tui.charts.raster import Points, Thinned, draw, pack, thin
from slm_tui.charts.scale import Floats, Scale
from slm_tui.charts.ticks import Kind, Tick, columns_apart, rows_apart, start_of, ticks, unit_of_time

PLAIN, LABEL, TITLE, AXIS, GRID, MARK, CROSSHAIR, CURVES = range(8)

Cells = NDArray[np.uint32]  # code points
Colours = NDArray[np.int16]

_BRAILLE = 0x2800
_DASHES = ("1", "111110", "110", "1111011010", "1111111100")  # by pixel column; what tells curves apart without colour
_GRID, _POINT, _CROSSED = "┈", "•", "●"
_APART = 4  # cells from one point's mark to the next, at least
_TINY = (18, 5)  # columns and rows; with less, there are no axes


def colour_of(number: int, faded: bool = False) -> int:
    """The cell colour of the palette's `number`; faded for what stands behind."""
    return CURVES + 2 * number + faded


@dataclass(frozen=True)
class Curve:
    """x never falls; y is NaN where there is a gap. A curve without a label is drawn, but not read off or named."""

    x: Floats
    y: Floats
    label: str = ""
    colour: int = 0  # of the palette
    faded: bool = False
    dash: int = 0
    points: bool = False  # marks at its points, in front of all curves; not at each where they lie close
    letter: str = ""  # at its end


@dataclass(frozen=True)
class View:
    """How to look at the curves. A range, low < high, of None covers the data."""

    x_log: bool = False
    y_log: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    y_ceiling: float | None = None  # a range that covers the data ends here, unless all of them are higher
    x_kind: Kind = "number"
    y_kind: Kind = "number"
    x_unit: str = ""  # of seconds, the axis tells in what it writes them
    shown: tuple[float, ...] = ()  # values that a linear y axis covers as well
    marks: tuple[tuple[float, str], ...] = ()  # x and a character on the x axis, such as a checkpoint's
    empty: str = "no data yet"


@dataclass(frozen=True)
class Reading:
    """The point of a curve nearest to a cross-hair."""

    label: str
    colour: int
    x: float
    y: float


@dataclass(frozen=True)
class Plot:
    """Where in the picture the curves are, in cells."""

    left: int
    width: int
    height: int


@dataclass(frozen=True)
class Picture:
    """What to show, and how cells and values belong together; the scales are None where there is nothing to show."""

    characters: Cells  # (height, width)
    colours: Colours
    plot: Plot
    x_scale: Scale | None = None
    y_scale: Scale | None = None
    dropped: int = 0  # points that a logarithmic y axis cannot show

    def lines(self) -> list[list[tuple[str, int]]]:
        """Each line as pieces of one colour."""
        return [
            [
                ("".join(chr(code) for code, _ in piece), int(colour))
                for colour, piece in groupby(
                    zip(codes.tolist(), colours.tolist(), strict=True), key=lambda cell: cell[1]
                )
            ]
            for codes, colours in zip(self.characters, self.colours, strict=True)
        ]

    def share_at(self, column: float) -> float:
        """The share of the x axis at a column of the picture; below 0 or above 1 outside the plot."""
        return 2 * (column - self.plot.left) / max(1, 2 * self.plot.width - 1)

    def moved(self, x: float, pixels: int) -> float:
        """`x` moved by so many pixel columns, two a cell, within the plot."""
        if self.x_scale is None:
            return x
        return self.x_scale.value_at(self.x_scale.share_of(x) + pixels / max(1, 2 * self.plot.width - 1))

    def crossed(self, x: float, readings: Sequence[Reading]) -> Picture:
        """The picture with a vertical line at `x` and a dot on each reading."""
        if self.x_scale is None or self.y_scale is None:
            return self
        characters, colours = self.characters.copy(), self.colours.copy()
        pixel = _pixel(self.x_scale, x, 2 * self.plot.width)
        if pixel is not None:
            column = self.plot.left + pixel // 2
            free = colours[: self.plot.height, column] < CURVES
            characters[: self.plot.height, column][free] = _BRAILLE + (0x47 if pixel % 2 == 0 else 0xB8)
            colours[: self.plot.height, column][free] = CROSSHAIR
        for reading in readings:
            across = _pixel(self.x_scale, reading.x, 2 * self.plot.width)
            up = _pixel(self.y_scale, reading.y, 4 * self.plot.height)
            if across is not None and up is not None:
                cell = self.plot.height - 1 - up // 4, self.plot.left + across // 2
                characters[cell], colours[cell] = ord(_CROSSED), reading.colour
        return replace(self, characters=characters, colours=colours)


def readings(curves: Sequence[Curve], x: float, y_log: bool = False) -> list[Reading]:
    """For each named curve with a value, its point nearest to `x`."""
    found = []
    for curve in curves:
        points = Points.of(curve.x, curve.y, False, y_log)
        if curve.label and len(points.x):
            after = int(np.searchsorted(points.x, x))
            near = [index for index in (after - 1, after) if 0 <= index < len(points.x)]
            index = min(near, key=lambda index: abs(float(points.x[index]) - x))
            place, value = float(points.x[index]), float(points.y[index])
            found.append(Reading(curve.label, colour_of(curve.colour), place, value))
    return found


def full_scale(curves: Sequence[Curve], view: View) -> Scale | None:
    """What the x axis covers where nothing is zoomed; None where there is nothing to draw."""
    return _covering([Points.of(curve.x, curve.y, view.x_log, view.y_log) for curve in curves], view.x_log)


def render(curves: Sequence[Curve], view: View, width: int, height: int) -> Picture:
    """The curves, the last one in front, in `width` x `height` cells."""
    width, height = max(1, width), max(1, height)
    characters = np.full((height, width), ord(" "), dtype=np.uint32)
    colours = np.full((height, width), PLAIN, dtype=np.int16)
    points = [Points.of(curve.x, curve.y, view.x_log, view.y_log) for curve in curves]
    x_scale = _covering(points, view.x_log)
    if x_scale is None:
        return _empty(characters, colours, view.empty)
    if view.x_range and (view.x_range[0] > 0 or not view.x_log):
        x_scale = Scale(*view.x_range, log=view.x_log)
    axes = width >= _TINY[0] and height >= _TINY[1]
    rows = height - 2 if axes else height
    # columns to thin by, before the y labels' width is known: only the range of y comes from it
    y_scale = _y_scale([thin(each, x_scale, 2 * width) for each in points], view)
    y_ticks = ticks(y_scale, rows, 4, view.y_kind, rows_apart(4 if rows > 12 else 3 if rows > 8 else 2)) if axes else []
    left = (max((len(tick.label) for tick in y_ticks), default=0) + 2) if axes else 0
    if left > width // 2:  # numbers of many digits, on a narrow chart
        y_ticks, left = [], 2
    right = 2 if any(curve.letter for curve in curves) and width > 2 * _TINY[0] else 0
    plot = Plot(left, max(1, width - left - right), rows)
    inner = (slice(0, rows), slice(left, left + plot.width))
    for tick in y_ticks:
        characters[rows - 1 - tick.cell, inner[1]] = ord(_GRID)
        colours[rows - 1 - tick.cell, inner[1]] = GRID
    for curve, each in zip(curves, points, strict=True):
        _draw(curve, each, characters[inner], colours[inner], x_scale, y_scale)
    for curve, each in zip(curves, points, strict=True):
        if curve.points:
            _mark_points(curve, each, characters[inner], colours[inner], x_scale, y_scale)
    if axes:
        _axes(characters, colours, plot, y_ticks, x_scale, view)
    if right:
        _letters(curves, points, characters, colours, plot, x_scale, y_scale)
    dropped = sum(int(np.count_nonzero(curve.y <= 0)) for curve in curves) if view.y_log else 0
    return Picture(characters, colours, plot, x_scale, y_scale, dropped)


def _empty(characters: Cells, colours: Colours, words: str) -> Picture:
    height, width = characters.shape
    _write(characters, colours, (height - 1) // 2, max(0, (width - len(words)) // 2), words, LABEL)
    return Picture(characters, colours, Plot(0, width, height))


def _covering(points: Sequence[Points], log: bool) -> Scale | None:
    drawn = [each for each in points if len(each.x)]
    if not drawn:
        return None
    low, high = min(float(each.x[0]) for each in drawn), max(float(each.x[-1]) for each in drawn)
    return Scale.over(0.0 if not log and 0 < low <= high * 0.05 else low, high, log)  # from 0 where they begin near it


def _y_scale(thinned: Sequence[Thinned], view: View) -> Scale:
    if view.y_range and (view.y_range[0] > 0 or not view.y_log):
        return Scale(*view.y_range, log=view.y_log)
    ranges = [found for each in thinned if (found := each.range())]
    lows, highs = [low for low, _ in ranges] or [1.0], [high for _, high in ranges] or [1.0]
    shown = view.shown if not view.y_log else ()
    low, high = min((*lows, *shown)), max((*highs, *shown))
    if view.y_ceiling is not None and low < view.y_ceiling:
        high = min(high, view.y_ceiling)
    return Scale.over(low, high, view.y_log, margin=0.03)


def _draw(curve: Curve, points: Points, characters: Cells, colours: Colours, x_scale: Scale, y_scale: Scale) -> None:
    rows, columns = characters.shape
    thinned = thin(points, x_scale, 2 * columns)
    dots = draw(thinned, y_scale, 2 * columns, 4 * rows)
    dash = _DASHES[curve.dash % len(_DASHES)]
    dots &= np.array([mark == "1" for mark in dash])[np.arange(2 * columns) % len(dash)]
    packed = pack(dots)
    drawn = packed > 0
    characters[drawn] = _BRAILLE + packed[drawn].astype(np.uint32)
    colours[drawn] = colour_of(curve.colour, curve.faded)


def _mark_points(
    curve: Curve, points: Points, characters: Cells, colours: Colours, x_scale: Scale, y_scale: Scale
) -> None:
    rows, columns = characters.shape
    start, end = np.searchsorted(points.x, [x_scale.low, np.nextafter(x_scale.high, np.inf)])
    stride = max(1, -(-int(end - start) * _APART // columns))
    for index in range(int(end) - 1, int(start) - 1, -stride):  # from the newest on
        across = _pixel(x_scale, float(points.x[index]), 2 * columns)
        up = _pixel(y_scale, float(points.y[index]), 4 * rows)
        if across is not None and up is not None:
            characters[rows - 1 - up // 4, across // 2] = ord(_POINT)
            colours[rows - 1 - up // 4, across // 2] = colour_of(curve.colour, curve.faded)


def _axes(characters: Cells, colours: Colours, plot: Plot, y_ticks: Sequence[Tick], x_scale: Scale, view: View) -> None:
    left, rows, width = plot.left, plot.height, plot.width
    for row in range(rows):
        _write(characters, colours, row, left - 1, "│", AXIS)
    for tick in y_ticks:
        row = rows - 1 - tick.cell
        _write(characters, colours, row, left - 2 - len(tick.label), tick.label, LABEL)
        _write(characters, colours, row, left - 1, "┤", AXIS)
    _write(characters, colours, rows, left - 1, "└" + "─" * width, AXIS)
    end = characters.shape[1]
    unit = unit_of_time(x_scale.high) if view.x_kind == "seconds" else view.x_unit
    if unit and len(unit) + 12 <= width:
        end -= len(unit) + 1
        _write(characters, colours, rows + 1, end + 1, unit, LABEL)
    for tick in ticks(x_scale, width, 2, view.x_kind, columns_apart(5 if width > 60 else 3)):
        start = left + start_of(tick)
        if start >= 0 and start + len(tick.label) <= end:
            _write(characters, colours, rows, left + tick.cell, "┬", AXIS)
            _write(characters, colours, rows + 1, start, tick.label, LABEL)
    for x, mark in view.marks:
        pixel = _pixel(x_scale, x, 2 * width)
        if pixel is not None:
            _write(characters, colours, rows, left + pixel // 2, mark, MARK)


def _letters(
    curves: Sequence[Curve],
    points: Sequence[Points],
    characters: Cells,
    colours: Colours,
    plot: Plot,
    x_scale: Scale,
    y_scale: Scale,
) -> None:
    """Each curve's letter behind its last visible point; letters in one column stand in the order of their curves."""
    wanted: dict[int, list[tuple[float, int, Curve]]] = {}  # by column: how far down, which row, whose letter
    for curve, each in zip(curves, points, strict=True):
        end = int(np.searchsorted(each.x, x_scale.high, side="right"))
        if not curve.letter or not end or each.x[end - 1] < x_scale.low:
            continue
        across = _pixel(x_scale, float(each.x[end - 1]), 2 * plot.width) or 0
        share = min(1.0, max(0.0, y_scale.share_of(float(each.y[end - 1]))))
        row = plot.height - 1 - round(share * (4 * plot.height - 1)) // 4
        wanted.setdefault(plot.left + across // 2 + 1, []).append((1 - share, row, curve))
    for column, letters in wanted.items():
        free = 0
        letters.sort(key=lambda letter: letter[0])
        for place, (_, row, curve) in enumerate(letters):
            below = len(letters) - 1 - place  # letters that want a row, too
            row = max(free, min(row, plot.height - 1 - below))
            free = row + 1
            _write(characters, colours, min(row, plot.height - 1), column, curve.letter, colour_of(curve.colour))


def _pixel(scale: Scale, value: float, pixels: int) -> int | None:
    """The pixel of `value`, from the low end; None where it is outside."""
    share = scale.share_of(value)
    half = 0.5 / max(1, pixels - 1)
    return min(pixels - 1, max(0, round(share * (pixels - 1)))) if -half <= share <= 1 + half else None


def _write(characters: Cells, colours: Colours, row: int, column: int, text: str, colour: int) -> None:
    height, width = characters.shape
    text = text[: max(0, width - column)]
    if 0 <= row < height and column >= 0 and text:
        characters[row, column : column + len(text)] = [ord(letter) for letter in text]
        colours[row, column : column + len(text)] = colour
