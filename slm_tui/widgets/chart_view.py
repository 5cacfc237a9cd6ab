"""A chart that a person can walk through: cross-hair, zoom, pan, axes and smoothing, by keyboard and mouse."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.actions import SkipAction
from textual.color import Color
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from slm_tui.charts.chart import (
    AXIS,
    CROSSHAIR,
    CURVES,
    GRID,
    LABEL,
    MARK,
    PLAIN,
    TITLE,
    Curve,
    Picture,
    View,
    full_scale,
    readings,
    render,
)  # fmt: skip
from slm_tui.charts.legend import legend
from slm_tui.charts.overlay import ChartOptions, Source, curves_of, entries_of, notes_of, place_text, view_of
from slm_tui.charts.palette import FADED, palette
from slm_tui.charts.scale import Scale
from slm_tui.charts.series import AXES, Metric
from slm_tui.charts.smoothing import LEVELS
from slm_tui.charts.zoom import panned, zoomed
from slm_tui.keys import bindings

_ZOOM = 0.5  # the share of the axis that is left after zooming in once
_PAN = 0.25  # of what is shown
_PARTS = {  # theme colour, how much of it, what else; component classes take a third of a screen's start
    LABEL: ("foreground", 0.65, Style()),
    TITLE: ("foreground", 1.0, Style(bold=True)),
    AXIS: ("foreground", 0.35, Style()),
    GRID: ("foreground", 0.14, Style()),
    MARK: ("accent", 1.0, Style()),
    CROSSHAIR: ("foreground", 0.55, Style()),
}
_FOCUSED_TITLE = ("primary", 1.0, Style(bold=True, underline=True))


class ChartView(Widget, can_focus=True):
    """One metric of one run or several. `show` again whenever the runs have grown: nothing is drawn unless seen."""

    BINDINGS = [*bindings("chart")]
    DEFAULT_CSS = "ChartView { height: 1fr; min-height: 3; }"

    @dataclass
    class OptionsChanged(Message):
        """A key has changed how this chart is drawn."""

        chart: ChartView
        options: ChartOptions

        @property
        def control(self) -> ChartView:
            return self.chart

    @dataclass
    class CrosshairMoved(Message):
        """A person has moved the cross-hair, or put it away (None); for charts of the same x axis."""

        chart: ChartView
        x: float | None

        @property
        def control(self) -> ChartView:
            return self.chart

    @dataclass
    class FullScreenToggled(Message):
        """This chart alone, or all of them again."""

        chart: ChartView

        @property
        def control(self) -> ChartView:
            return self.chart

    def __init__(self, metric: Metric, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._metric = metric
        self._options = ChartOptions()
        self._sources: tuple[Source, ...] = ()
        self._zoom: Scale | None = None
        self._crosshair: float | None = None
        self._hovered = False
        self._dragged_from: int | None = None
        self._curves_key: Hashable = None
        self._picture_key: Hashable = None
        self._lines_key: Hashable = None
        self._built: list[Curve] = []
        self._view = View()
        self._drawn: Picture
        self._strips: list[Strip] = []

    # what is shown

    def show(self, sources: Sequence[Source]) -> None:
        """Draw these runs from now on, as they are when they are next drawn."""
        self._sources = tuple(sources)
        self.refresh()

    @property
    def metric(self) -> Metric:
        return self._metric

    @metric.setter
    def metric(self, metric: Metric) -> None:
        self._metric = metric
        self._options = replace(self._options, y_log=None)
        self.refresh()

    @property
    def options(self) -> ChartOptions:
        return self._options

    @options.setter
    def options(self, options: ChartOptions) -> None:
        if options.axis != self._options.axis:
            self._zoom = self._crosshair = None
        self._options = options
        self.refresh()

    @property
    def crosshair(self) -> float | None:
        """Where it is, in the x axis' unit."""
        return self._crosshair

    def set_crosshair(self, x: float | None) -> None:
        """Put the cross-hair at `x`, because another chart's is there; None puts it away."""
        if x != self._crosshair:
            self._crosshair = x
            self.refresh()

    # drawing; each step is kept until something that it depends on has changed

    def render_line(self, y: int) -> Strip:
        lines = self._lines() if self._sources else []  # empty axes are work too
        return lines[y] if y < len(lines) else Strip.blank(self.size.width, self.rich_style)

    def _curves(self) -> list[Curve]:
        """Built anew where a run has grown or the options are others."""
        key = (self._metric.key, self._options, *((each, each.series.revision) for each in self._sources))
        if key != self._curves_key:
            self._curves_key = key
            self._built = curves_of(self._sources, self._metric, self._options)
            self._picture_key = None
        return self._built

    def _view_now(self, curves: Sequence[Curve]) -> View:
        view = view_of(self._sources, self._metric, self._options, curves)
        return replace(view, x_range=(self._zoom.low, self._zoom.high)) if self._zoom else view

    def _picture(self) -> Picture:
        curves = self._curves()
        key = (self.size, self._zoom)
        if key != self._picture_key:
            self._picture_key = key
            self._view = self._view_now(curves)
            self._drawn = render(curves, self._view, self.size.width, self.size.height - 1)
            self._lines_key = None
        return self._drawn

    def _lines(self) -> list[Strip]:
        picture, view = self._picture(), self._view
        key = (self._crosshair, self.has_focus, self.app.theme, self.app.ansi_color)
        if key != self._lines_key:
            self._lines_key = key
            curves, found = self._curves(), None
            notes = notes_of(view, picture, self._metric, self._options, curves)
            if self._crosshair is not None and picture.x_scale is not None:
                found = readings(curves, self._crosshair, view.y_log)
                notes = [place_text(self._crosshair, self._options.axis)]
                picture = picture.crossed(self._crosshair, found)
            entries = entries_of(curves, self._metric, found) if picture.x_scale else []
            header = legend(self.size.width, self._metric.title, notes, entries)
            style = cache(self._style)  # a few styles are worn by many segments
            self._strips = [self._strip(line, style) for line in (header, *picture.lines())][: self.size.height]
        return self._strips

    def _strip(self, line: Sequence[tuple[str, int]], style: Callable[[int], Style]) -> Strip:
        return Strip([Segment(text, style(colour)) for text, colour in line], self.size.width)

    def _style(self, colour: int) -> Style:
        if colour == PLAIN:
            return self.rich_style
        if colour < CURVES:
            part = _FOCUSED_TITLE if colour == TITLE and self.has_focus else _PARTS[colour]
            own, share, more = Color.parse(self.app.theme_variables[part[0]]), *part[1:]
        else:
            number, faded = divmod(colour - CURVES, 2)
            colours = palette(self.app.current_theme.dark)
            own, share, more = Color.parse(colours[number % len(colours)]), FADED if faded else 1.0, Style()
        background = self.background_colors[1]
        if background.ansi is not None:  # the terminal's own colours, of which nobody here knows the values
            return self.rich_style + Style(color=own.rich_color, dim=share < 1) + more
        return self.rich_style + Style(color=background.blend(own, share).rich_color) + more

    # keys

    def action_log_y(self) -> None:
        self._change(replace(self._options, y_log=not self._view_now(()).y_log))

    def action_log_x(self) -> None:
        self._zoom = None
        self._change(replace(self._options, x_log=not self._options.x_log))

    def action_next_axis(self) -> None:
        axis = AXES[(AXES.index(self._options.axis) + 1) % len(AXES)]
        self._change(replace(self._options, axis=axis))

    def action_smoothing(self) -> None:
        stronger = (level for level in LEVELS if level > self._options.smoothing)
        self._change(replace(self._options, smoothing=next(stronger, LEVELS[0])))

    def action_crosshair(self, pixels: int) -> None:
        """Move the cross-hair by so many pixel columns; bring it out at the newest point."""
        picture = self._picture()
        if picture.x_scale is not None:
            start = self._crosshair
            self._move_crosshair(picture.x_scale.high if start is None else picture.moved(start, pixels))

    def action_crosshair_end(self, side: int) -> None:
        scale = self._picture().x_scale
        if scale is not None:
            self._move_crosshair(scale.low if side < 0 else scale.high)

    def action_zoom(self, direction: int) -> None:
        """Twice as near, or back, around the cross-hair or the middle."""
        scale = self._picture().x_scale
        if scale is not None:
            around = 0.5 if self._crosshair is None else scale.share_of(self._crosshair)
            self._zoom_around(min(1.0, max(0.0, around)), direction)

    def action_pan(self, direction: int) -> None:
        self._pan(direction * _PAN)

    def action_reset(self) -> None:
        self._zoom = None
        self.refresh()

    def action_full_screen(self) -> None:
        self.post_message(self.FullScreenToggled(self))

    def action_leave(self) -> None:
        """Put away the cross-hair, then the zoom; else the key is the screen's."""
        if self._crosshair is not None:
            self._move_crosshair(None)
        elif self._zoom is not None:
            self.action_reset()
        else:
            raise SkipAction()

    def _change(self, options: ChartOptions) -> None:
        self.options = options
        self.post_message(self.OptionsChanged(self, options))

    def _move_crosshair(self, x: float | None) -> None:
        if x != self._crosshair:
            self.set_crosshair(x)
            self.post_message(self.CrosshairMoved(self, x))

    def _zoom_around(self, around: float, direction: int) -> None:
        shown = self._picture().x_scale
        full = full_scale(self._curves(), self._view)
        if shown is None or full is None:
            return
        wanted = zoomed(full, shown, around, _ZOOM if direction > 0 else 1 / _ZOOM)
        if direction < 0 or (wanted is not None and self._has_points(wanted)):
            self._zoom = wanted
            self.refresh()

    def _has_points(self, scale: Scale) -> bool:
        """Whether a line is left to see."""
        ends = np.array([scale.low, scale.high])
        return any(np.diff(np.searchsorted(curve.x, ends))[0] >= 2 for curve in self._curves())

    def _pan(self, share: float) -> None:
        full = full_scale(self._curves(), self._view)
        if self._zoom is not None and full is not None:
            self._zoom = panned(full, self._zoom, share)
            self.refresh()

    # mouse

    def on_mouse_move(self, event: events.MouseMove) -> None:
        picture = self._picture()
        if picture.x_scale is None:
            return
        if self._dragged_from is not None:
            self._pan((self._dragged_from - event.x) / picture.plot.width)
            self._dragged_from = event.x
        share = picture.share_at(event.x + 0.5)
        if 0 <= share <= 1:
            self._hovered = True
            self._move_crosshair(picture.x_scale.value_at(share))

    def on_leave(self) -> None:
        if self._hovered:
            self._hovered = False
            self._move_crosshair(None)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if self._zoom is not None:
            self._dragged_from = event.x
            self.capture_mouse()

    def on_mouse_up(self) -> None:
        if self._dragged_from is not None:
            self._dragged_from = None
            self.release_mouse()

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_reset()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, direction: int) -> None:
        """Zoom where the chart has the focus; elsewhere the wheel scrolls what the chart lies in."""
        if self.has_focus:
            event.stop()
            self._zoom_around(min(1.0, max(0.0, self._picture().share_at(event.x + 0.5))), direction)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
