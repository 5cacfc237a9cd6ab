"""What a chart shows of one run or of several: their curves, names and readings (pure).

One run is drawn in full: its raw curve, faded, behind the smoothed one, its evaluations in a colour of their own
and with a mark at each. Their line stands behind a smoothed curve, which it follows closely, and in front of a raw
one, which would cover it.
Of several runs, each has one colour and a letter: its evaluations in front, training faded behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slm_tui.charts.chart import Curve, Picture, Reading, View, colour_of
from slm_tui.charts.legend import Entry
from slm_tui.charts.palette import letter
from slm_tui.charts.series import Axis, Metric, MetricCurve, RunSeries
from slm_tui.formats import count, duration, quantity

_MARKS = {"best": "◆", "last": "◇"}
_UNITS = {"step": "steps", "tokens": "tokens"}


@dataclass(frozen=True)
class Source:
    """A run in a chart; `colour` is a number in the palette, and the run's in every chart."""

    label: str
    series: RunSeries
    colour: int = 0


@dataclass(frozen=True)
class ChartOptions:
    """How a person wants charts drawn. `y_log` of None leaves it to the metric: loss is logarithmic, GPU use is not."""

    axis: Axis = "step"
    x_log: bool = False
    y_log: bool | None = None
    smoothing: float = 0.0

    def adopting(self, other: ChartOptions) -> ChartOptions:
        """`other`, set on another chart, but with this chart's own y axis."""
        return replace(other, y_log=self.y_log)


def curves_of(sources: Sequence[Source], metric: Metric, options: ChartOptions) -> list[Curve]:
    """What to draw, back to front. Of each source, one labelled curve where there are several sources."""
    if len(sources) == 1:
        return _in_full(sources[0], metric, options)
    behind, front = [], []
    for place, source in enumerate(sources):
        found = [curve for part in metric.curves if (curve := _curve(source, part, options)) is not None]
        behind += [replace(curve, faded=True, label="") for curve in found[:-1]]
        name = replace(found[-1], label=source.label) if found else Curve(np.empty(0), np.empty(0), source.label)
        front.append(replace(name, colour=source.colour, letter=letter(place), dash=place))
    return behind + front[::-1]  # the first one is the one that a person is looking at


def _in_full(source: Source, metric: Metric, options: ChartOptions) -> list[Curve]:
    curves, front = [], []
    for place, part in enumerate(metric.curves):
        x, y = source.series.curve(part.name, options.axis)
        raw = Curve(x, y, part.label or metric.title, source.colour + place, points=part.points)
        if options.smoothing and part.smooth:
            curves.append(replace(raw, faded=True))
            smoothed = source.series.curve(part.name, options.axis, options.smoothing)[1]
            front.append(replace(raw, y=smoothed, label=""))  # what is read off is what was measured
        else:
            curves.append(raw)
    return curves + front


def _curve(source: Source, part: MetricCurve, options: ChartOptions) -> Curve | None:
    """None where the run has no such values."""
    x, y = source.series.curve(part.name, options.axis, options.smoothing if part.smooth else 0.0)
    known = len(y) and not np.isnan(y).all()
    return Curve(x, y, colour=source.colour, points=part.points) if known else None


def view_of(sources: Sequence[Source], metric: Metric, options: ChartOptions, curves: Sequence[Curve]) -> View:
    """How to look at `curves`: axes, ticks, words, and the checkpoints of a single run."""
    marks: tuple[tuple[float, str], ...] = ()
    if len(sources) == 1:
        series = sources[0].series
        steps = [(kind, series.checkpoints[kind]) for kind in ("last", "best") if kind in series.checkpoints]
        marks = tuple((series.position(step, options.axis), _MARKS[kind]) for kind, step in steps)
    return View(
        x_log=options.x_log,
        y_log=metric.log_y if options.y_log is None else options.y_log,
        x_kind="seconds" if options.axis == "time" else "number",
        y_kind=metric.kind,
        x_unit=_UNITS.get(options.axis, ""),
        shown=metric.shown,
        y_ceiling=metric.ceiling,
        marks=marks,
        empty=metric.empty,
    )


def entries_of(curves: Sequence[Curve], metric: Metric, readings: Sequence[Reading] | None) -> list[Entry]:
    """The labelled curves, each with its reading, or its last value without a cross-hair."""
    named = [curve for curve in curves if curve.label]
    named.sort(key=lambda curve: (curve.letter, curve.points))
    entries = []
    for curve in named:
        if readings is None:
            known = (float(value) for value in curve.y[::-1] if not np.isnan(value))  # looks at the last one or two
            value = next(map(metric.format, known), "")
        else:
            value = next((metric.format(each.y) for each in readings if each.label == curve.label), "")
        mark = curve.letter or ("•" if curve.points else "─")
        label = curve.label if curve.letter or len(named) > 1 else ""
        entries.append(Entry(mark, label, value or "none yet", colour_of(curve.colour)))
    return entries


def notes_of(view: View, picture: Picture, metric: Metric, options: ChartOptions, curves: Sequence[Curve]) -> list[str]:
    """What to say behind the title, the most important first."""
    if picture.x_scale is None:
        return [metric.unit] if metric.unit else []
    overlaid = any(curve.letter and curve.points for curve in curves) and any(curve.faded for curve in curves)
    notes = [
        f"{picture.dropped:,} values of 0 or less left out" if picture.dropped else "",
        metric.unit,
        "log" if view.y_log else "",
        "validation, training faded" if overlaid else "",
        f"smoothed {options.smoothing:g}" if options.smoothing and any(part.smooth for part in metric.curves) else "",
    ]
    return [note for note in notes if note]


def place_text(x: float, axis: Axis) -> str:
    """A place on the x axis: 'step 10,200', '1.2M tokens', '12 min 30 s'."""
    if axis == "step":
        return f"step {count(round(x))}"
    return f"{quantity(x)} tokens" if axis == "tokens" else duration(x)
