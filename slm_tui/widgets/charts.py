"""The charts of a run, or of several runs over each other: as many side by side as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from slm_tui.charts.overlay import ChartOptions, Source
from slm_tui.charts.series import METRICS, Metric
from slm_tui.widgets.chart_view import ChartView

_LEAST_WIDTH, _LEAST_HEIGHT = 36, 9  # cells of a chart that can be read
_MANY, _PAUSE_SECONDS = 100_000, 0.03  # points; between charts of as many, to draw one of which takes a while
_ALWAYS = ("loss", "perplexity", "lr", "grad_norm", "tokens_per_second")  # also before they have a point


class Charts(VerticalScroll, can_focus=False):
    """All charts share one x axis, one smoothing and one cross-hair; the logarithm is each one's own."""

    DEFAULT_CSS = """
    Charts {
        layout: grid;
        grid-gutter: 0 2;
        height: 1fr;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;  /* charts are not drawn a second time, narrower, because the bar has come */
    }
    """

    def compose(self) -> ComposeResult:
        for metric in METRICS.values():
            yield ChartView(metric, id=f"chart-{metric.key}")

    def on_mount(self) -> None:
        settings = self.app.settings  # type: ignore[attr-defined]
        options = ChartOptions(axis=settings.axis, x_log=settings.log_x, smoothing=settings.smoothing)
        self._alone: ChartView | None = None
        for chart in self.charts:
            chart.options = options
        self._choose(())

    @property
    def charts(self) -> list[ChartView]:
        return list(self.query(ChartView))

    def show(self, sources: Sequence[Source]) -> None:
        """Draw these runs, as far as they have got."""
        pause = _PAUSE_SECONDS if sum(len(source.series) for source in sources) > _MANY else 0.0
        for place, chart in enumerate(self.charts):
            if pause and place:  # one after the other, so that a key is answered in between
                self.set_timer(place * pause, partial(chart.show, sources))
            else:
                chart.show(sources)
        self._choose(sources)

    def focus_first(self) -> None:
        self.charts[0].focus()

    def _choose(self, sources: Sequence[Source]) -> None:
        """Show only charts that have something to show, or will have; alone the one that fills the screen."""
        for chart in self.charts:
            known = chart.metric.key in _ALWAYS or any(_has_points(source, chart.metric) for source in sources)
            chart.display = chart is self._alone if self._alone else known
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def _lay_out(self) -> None:
        shown = 1 if self._alone else max(1, sum(chart.display for chart in self.charts))
        columns = 1 if self._alone or self.size.width < 2 * _LEAST_WIDTH else 2
        rows = 1 if self._alone else min(max(1, self.size.height // _LEAST_HEIGHT), -(-shown // columns))
        self.styles.grid_size_columns = columns
        height, left = divmod(self.size.height, rows)
        self.styles.grid_rows = [height + (row < left) for row in range(rows)]  # whole charts fill the height

    # what one chart does and the others follow

    @on(ChartView.OptionsChanged)
    def _follow_options(self, message: ChartView.OptionsChanged) -> None:
        message.stop()
        changed = message.options
        for chart in self.charts:
            if chart is not message.chart:
                chart.options = chart.options.adopting(changed)
        self.app.remember(axis=changed.axis, log_x=changed.x_log, smoothing=changed.smoothing)  # type: ignore[attr-defined]

    @on(ChartView.CrosshairMoved)
    def _follow_crosshair(self, message: ChartView.CrosshairMoved) -> None:
        message.stop()
        for chart in self.charts:
            chart.set_crosshair(message.x)

    @on(ChartView.FullScreenToggled)
    def _toggle_alone(self, message: ChartView.FullScreenToggled) -> None:
        message.stop()
        self._alone = None if self._alone else message.chart
        for chart in self.charts:
            chart.display = self._alone in (None, chart)
        self._lay_out()
        message.chart.focus()


def _has_points(source: Source, metric: Metric) -> bool:
    return any(not np.isnan(source.series.curve(part.name)[1]).all() for part in metric.curves)
