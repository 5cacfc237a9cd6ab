"""A chart as inline SVG, coloured by its page's style sheet, so that it follows a dark or a light scheme (pure).

What is drawn, and over which ranges, is what the dashboard's charts show (`slm_tui.charts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from slm_tui.charts.chart import Curve
from slm_tui.charts.overlay import ChartOptions, Source, curves_of, notes_of, place_text, view_of
from slm_tui.charts.palette import DARK
from slm_tui.charts.paper import Frame, Polyline, frame_of, marks, pieces
from slm_tui.charts.scale import Floats, Scale
from slm_tui.charts.series import Metric
from slm_tui.report.markup import Markup, joined, tag

COLOURS = len(DARK)  # classes c0, c1, …
DASHES = 5  # classes d0, d1, …
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 10, 42  # pixels around the curves
_FAR = 10_000  # pixels; what lies farther outside is drawn as if it lay here


@dataclass(frozen=True)
class Size:
    """Of a chart, for windows of a kind; `cls` is its class."""

    cls: str
    width: int
    height: int


SIZES = (Size("wide", 940, 340), Size("narrow", 400, 300))


def figure(sources: Sequence[Source], metric: Metric, options: ChartOptions) -> Markup:
    """The metric's chart with its title and legend, once for wide windows and once for narrow ones."""
    curves = curves_of(sources, metric, options)
    view = view_of(sources, metric, options, curves)
    notes: list[str] = []
    charts = []
    for size in SIZES:
        frame = frame_of(curves, view, size.width - _LEFT - _RIGHT, size.height - _TOP - _BOTTOM)
        if frame is None:
            charts = [tag("p", view.empty, cls="empty")]
            break
        notes = notes_of(view, frame.picture, metric, options, curves)
        charts.append(_svg(curves, frame, size, metric, options))
    heading = tag("h3", metric.title, " ", tag("small", " · ".join(notes)))
    return tag("figure", tag("figcaption", heading, _legend(curves)), charts)


def _legend(curves: Sequence[Curve]) -> Markup:
    named = sorted((curve for curve in curves if curve.label), key=lambda curve: (curve.letter, curve.points))
    if len(named) < 2:
        return Markup()
    return tag("ul", (tag("li", _sample(curve), f" {curve.letter} {curve.label}") for curve in named), cls="legend")


def _sample(curve: Curve) -> Markup:
    line = tag("path", d="M2 6h30", cls=_classes(curve, "line"))
    mark = tag("circle", cx=17, cy=6, r=3, cls=_classes(curve, "mark")) if curve.points else ""
    return tag("svg", line, mark, width=34, height=12, viewBox="0 0 34 12", aria_hidden="true")


def _classes(curve: Curve, kind: str) -> str:
    return f"{kind} c{curve.colour % COLOURS} d{curve.dash % DASHES}"


def _svg(curves: Sequence[Curve], frame: Frame, size: Size, metric: Metric, options: ChartOptions) -> Markup:
    clip = f"{metric.key}-{size.cls}"
    lines = [
        tag("path", d=_path(pieces(curve, frame), frame), cls=_classes(curve, "line faded" if curve.faded else "line"))
        for curve in curves
    ]
    spots = [
        _spot(curve, x, y, frame, metric, options) for curve in curves if _marked(curve) for x, y in marks(curve, frame)
    ]
    inner = tag("rect", width=frame.width, height=frame.height)
    return tag(
        "svg",
        tag("clipPath", inner, id=clip),
        tag(
            "g",
            _axes(frame),
            tag("g", lines, clip_path=f"url(#{clip})"),
            spots,
            transform=f"translate({_LEFT} {_TOP})",
        ),
        cls=f"chart {size.cls}",
        viewBox=f"0 0 {size.width} {size.height}",
        role="img",
        aria_label=f"{metric.title} by {frame.x_title}",
    )


def _marked(curve: Curve) -> bool:
    return curve.points and not curve.faded


def _spot(curve: Curve, x: float, y: float, frame: Frame, metric: Metric, options: ChartOptions) -> Markup:
    """A mark that says its value where the pointer rests on it."""
    whose = f"{curve.letter} {curve.label}".strip()
    said = tag("title", f"{whose}, {place_text(x, options.axis)}: {metric.format(y)}")
    (across,), (down,) = _across(np.array([x]), frame), _down(np.array([y]), frame)
    return tag("circle", said, cx=f"{across:.1f}", cy=f"{down:.1f}", r=3.5, cls=_classes(curve, "mark"))


def _axes(frame: Frame) -> Markup:
    rows = [(_pixel(frame.y, value, frame.height), label) for value, label in frame.y_ticks]
    columns = [(_pixel(frame.x, value, frame.width), label) for value, label in frame.x_ticks]
    base = frame.height
    grid = "".join(f"M0 {base - up:.1f}h{frame.width}" for up, _ in rows)
    feet = "".join(f"M{across:.1f} {base}v4" for across, _ in columns)
    return joined(
        tag("path", d=grid, cls="grid"),
        tag("path", d=f"M0 0V{base}H{frame.width}{feet}", cls="axis"),
        (tag("text", label, x=-8, y=f"{base - up + 4:.1f}", cls="tick end") for up, label in rows),
        (tag("text", label, x=f"{across:.1f}", y=base + 18, cls="tick middle") for across, label in columns),
        tag("text", frame.x_title, x=frame.width, y=base + 36, cls="tick end quiet"),
    )


def _pixel(scale: Scale, value: float, pixels: int) -> float:
    return scale.share_of(value) * (pixels - 1)


def _across(x: Floats, frame: Frame) -> Floats:
    return frame.x.share(x) * (frame.width - 1)


def _down(y: Floats, frame: Frame) -> Floats:
    return np.clip((1 - frame.y.share(y)) * (frame.height - 1), -_FAR, _FAR)


def _path(lines: Sequence[Polyline], frame: Frame) -> str:
    """SVG's path data; a point alone is a line of no length, of which the round ends are seen."""
    written = []
    for x, y in lines:
        points = [f"{across:.1f} {down:.1f}" for across, down in zip(_across(x, frame), _down(y, frame), strict=True)]
        kept = [point for place, point in enumerate(points) if place == 0 or point != points[place - 1]]
        written.append(f"M{'L'.join(kept)}" if len(kept) > 1 else f"M{kept[0]}h0")
    return "".join(written)
