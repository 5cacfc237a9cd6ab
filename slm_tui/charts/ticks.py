"""Where an axis has its ticks, and what stands at them (pure).

Of all round subdivisions (1-2-5, minutes and hours, decades) the finest is taken whose labels keep their distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from slm_tui.charts.scale import Scale

Kind = Literal["number", "bytes", "seconds"]

_SUFFIXES = {
    "number": ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")),
    "bytes": ((1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB")),
}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "days": 86400}
_CLOCK = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)  # seconds
_MULTIPLES = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))  # of a decade, finest first
_MOST = 60


@dataclass(frozen=True)
class Tick:
    """A label at a cell of the axis, counted from its low end."""

    cell: int
    label: str


Fits = Callable[[Sequence[Tick]], bool]


def rows_apart(rows: int) -> Fits:
    """Holds for labels that stand at least so many rows from each other."""
    return lambda ticks: all(after.cell - before.cell >= rows for before, after in pairwise(ticks))


def columns_apart(columns: int) -> Fits:
    """Holds for labels, centred below their cells, with at least so many empty columns between them."""

    def gap(before: Tick, after: Tick) -> int:
        return start_of(after) - start_of(before) - len(before.label)

    return lambda ticks: all(gap(before, after) >= columns for before, after in pairwise(ticks))


def start_of(tick: Tick) -> int:
    """The column in which a label begins that is centred on its cell."""
    return tick.cell - (len(tick.label) - 1) // 2


def ticks(scale: Scale, cells: int, dots: int, kind: Kind, fits: Fits) -> list[Tick]:
    """The finest ticks that fit an axis of so many cells of `dots` dots; [] where not even a coarse one does."""
    if scale.log and kind == "seconds":  # decades of the unit: a thousand seconds are no round number of hours
        unit = _SECONDS[unit_of_time(scale.high)]
        return ticks(Scale(scale.low / unit, scale.high / unit, log=True), cells, dots, "number", fits)
    for values, steps in _choices(scale, kind):
        if not 0 < len(values) <= min(cells, _MOST):
            continue
        where = np.rint(scale.share(np.array(values)) * (cells * dots - 1)).astype(int) // dots
        written = labels(values, steps, kind, scale.high)
        chosen = [Tick(int(cell), label) for cell, label in zip(where, written, strict=True)]
        if fits(chosen):
            return chosen
    return []


def unit_of_time(high: float) -> str:
    """The unit in which labels up to so many seconds are written."""
    return "s" if high < 120 else "min" if high < 7200 else "h" if high < 4 * 86400 else "days"


def labels(values: Sequence[float], steps: Sequence[float], kind: Kind, high: float | None = None) -> list[str]:
    """`values` in as many digits as tell them from neighbours a step away; seconds in `unit_of_time` of `high`, the
    end of their axis, or of the last."""
    top = max(map(abs, values))
    if top >= 1e15 or (kind == "number" and top < 0.01):
        return [scientific(value, step) for value, step in zip(values, steps, strict=True)]
    if kind == "seconds":
        return [_clock(value, unit_of_time(top if high is None else high), min(steps)) for value in values]
    return [
        scientific(value, step) if 0 < abs(value) < min(1e-3, top / 1000) else _number(value, step, kind)
        for value, step in zip(values, steps, strict=True)
    ]


def scientific(value: float, step: float | None = None) -> str:
    """3e-4, 2.85e-4: three digits at most, or as many as a step needs."""
    if value == 0:
        return "0"
    digits = 2 if step is None else max(0, math.floor(math.log10(abs(value))) - math.floor(math.log10(step) + 1e-9))
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def _number(value: float, step: float, kind: Literal["number", "bytes"]) -> str:
    for factor, suffix in _SUFFIXES[kind]:
        if abs(value) >= factor * (1 - 1e-12):
            places = _places(step / factor)
            if places > 2 and factor == 1e3:
                break  # 12,345 says more than 12.345K
            text = f"{value / factor:.{places}f}"
            return text.removesuffix(".0") + suffix
    text = f"{value:,.{_places(step)}f}"
    return "0" if float(text.replace(",", "")) == 0 else text


def _places(step: float) -> int:
    return min(12, max(0, math.ceil(-math.log10(step) - 1e-9)))


def _clock(value: float, unit: str, step: float) -> str:
    if unit == "s":
        return f"{value:.{_places(step)}f}"
    if unit == "days":
        return f"{value / 86400:.{_places(step / 86400)}f}".removesuffix(".0")
    larger, smaller = (3600, 60) if unit == "h" else (60, 1)
    if step % larger == 0 or value == 0:
        return f"{value / larger:.0f}"
    if step < smaller:
        return f"{value / larger:.{_places(step / larger)}f}"
    whole = round(value / smaller)
    return f"{whole // 60}:{whole % 60:02d}"


def _choices(scale: Scale, kind: Kind) -> Iterator[tuple[list[float], list[float]]]:
    """Values and the step that each is told by, from fine to coarse."""
    if scale.log and scale.high / scale.low >= 5:
        yield from _decades(scale)
        return
    span = scale.high - scale.low
    smallest = max(span / _MOST, max(abs(scale.low), abs(scale.high)) * 1e-12)
    for step in _steps(smallest, span, kind):
        first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
        values = [index * step for index in range(first, last + 1)]
        yield values, [step] * len(values)


def _steps(smallest: float, largest: float, kind: Kind) -> Iterator[float]:
    if kind == "seconds" and largest > 10:
        days = (factor * 86400 for factor in (2, 5, *(m * 10**k for k in range(1, 9) for m in (1, 2, 5))))
        yield from (step for step in (*_CLOCK, *days) if smallest <= step <= largest)
        return
    exponent = math.floor(math.log10(smallest))
    while True:
        for factor in (1, 2, 5):
            # a quotient is the nearest number to 0.5, where a product may not be
            step = factor * 10.0**exponent if exponent >= 0 else factor / 10.0**-exponent
            if step > largest:
                return
            if step >= smallest:
                yield step
        exponent += 1


def _decades(scale: Scale) -> Iterator[tuple[list[float], list[float]]]:
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    low, high = scale.low * (1 - 1e-9), scale.high * (1 + 1e-9)
    if last - first <= _MOST:
        for multiples in _MULTIPLES:
            pairs = [(multiple, 10.0**exponent) for exponent in range(first, last + 1) for multiple in multiples]
            inside = [(multiple, decade) for multiple, decade in pairs if low <= multiple * decade <= high]
            values = [multiple * decade for multiple, decade in inside]
            yield values, [decade if multiple == int(multiple) else decade / 2 for multiple, decade in inside]
    for stride in (2, 3, 5, 10, 20, 50, 100, 200):
        values = [10.0**k for k in range(-(-first // stride) * stride, last + 1, stride) if low <= 10.0**k <= high]
        yield values, values
