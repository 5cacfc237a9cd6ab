"""Runs side by side: their curves in one chart, their results, and the keys in which they differ."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.timer import Timer
from textual.widgets import Static

from engine.runs.run import Run
from slm_tui.catalog import Catalog, RunEntry
from slm_tui.charts.overlay import ChartOptions, Source
from slm_tui.charts.palette import letter
from slm_tui.charts.series import METRICS, RunSeries
from slm_tui.compare import Comparison, compare, difference_columns, result_columns
from slm_tui.feed import Feed
from slm_tui.formats import counted
from slm_tui.keys import bindings
from slm_tui.reference import ReferenceTable, reference_columns, reference_notes, reference_table
from slm_tui.screens.operations import Operations
from slm_tui.widgets.chart_view import ChartView
from slm_tui.widgets.fact_table import FactTable
from slm_tui.widgets.following import Following
from slm_tui.widgets.key_bar import KeyBar

_PANES = {1: "chart", 2: "results", 3: "differences", 4: "reference"}
_REDRAW_SECONDS = 0.5
_REREAD_SECONDS = 3.0


class CompareScreen(Operations):
    """The marked runs. Each has a letter and a colour, the same everywhere on the screen."""

    BINDINGS = bindings("compare")

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__()
        self._runs = list(runs)
        self._places = {run: place for place, run in enumerate(runs)}  # of its colour, also after others are dropped
        self._feeds: dict[Run, Feed] = {}
        self._stale = False
        self._compared = 0.0
        self._comparing: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        yield _Feeds()
        with Vertical(id="compare-panes"):
            with Vertical(id="chart-pane", classes="pane"):
                yield ChartView(METRICS["loss"], id="compare-chart")
            with Vertical(id="results-pane", classes="pane"):
                yield FactTable(id="results")
                yield Static(id="remarks")
            with Vertical(id="differences-pane", classes="pane"):
                yield FactTable(id="differences")
            with Vertical(id="reference-pane", classes="pane -empty"):
                yield FactTable(id="reference")
                with VerticalScroll():
                    yield Static(id="reference-notes")
        yield KeyBar()

    def on_mount(self) -> None:
        for number, name in _PANES.items():
            self.query_one(f"#{name}-pane").border_title = f"{number} {name}"
        settings = self.app.settings
        self.chart.options = ChartOptions(axis=settings.axis, x_log=settings.log_x, smoothing=settings.smoothing)
        self.set_interval(_REDRAW_SECONDS, self._draw_chart)
        self._show_runs()
        self.action_pane(1)

    @property
    def chart(self) -> ChartView:
        return self.query_one(ChartView)

    @property
    def chosen_experiment(self) -> str | None:
        return None

    @property
    def chosen_run(self) -> RunEntry | None:
        run = self._run_under_cursor
        return self.app.catalog.find(run) if run and self.app.catalog else None

    @property
    def _run_under_cursor(self) -> Run | None:
        key = self.query_one("#results", FactTable).cursor_key
        return next((run for run in self._runs if str(run) == key), None)

    def _show_runs(self) -> None:
        self.query_one(_Feeds).follow(self._runs)
        heading = Text.assemble((" compare ", "bold reverse"), f"  {counted(len(self._runs), 'run')}")
        self.query_one("#heading", Static).update(heading)
        self._stale = True
        self._compare(list(self._runs))

    @work(thread=True, exclusive=True)
    def _compare(self, runs: list[Run]) -> None:
        comparison = compare([run for run in runs if run.path.is_dir()])
        references = reference_table(self.app.workspace, runs)
        self.app.call_from_thread(self._show_comparison, comparison, references)

    def _show_comparison(self, comparison: Comparison, references: ReferenceTable) -> None:
        self._compared, self._comparing = time.monotonic(), None
        letters = [letter(place) for place in range(len(comparison.runs))]
        keys = [facts.run for facts in comparison.runs]
        self.query_one("#results", FactTable).show(keys, result_columns(comparison, letters))
        differing = [difference.key for difference in comparison.differences]
        self.query_one("#differences", FactTable).show(differing, difference_columns(comparison, letters))
        self.query_one("#remarks", Static).update(Text("\n".join(comparison.remarks)))
        title = "3 differences" if differing else "3 differences: none"
        self.query_one("#differences-pane").border_title = title
        self._show_references(references)

    def _show_references(self, table: ReferenceTable) -> None:
        """Where some of the runs are of the reference's experiments."""
        self.query_one("#reference-pane").set_class(not table.rows, "-empty")
        keys = [f"{row.experiment} {whose}" for row in table.rows for whose in ("reference", "ours")]
        self.query_one("#reference", FactTable).show(keys, reference_columns(table))
        self.query_one("#reference-notes", Static).update(Text("\n".join(reference_notes(table))))

    def show_catalog(self, catalog: Catalog) -> None:
        """The workspace has changed: so may have the results, which are read again, but not all the time."""
        if self._comparing is None:
            waits = max(0.01, self._compared + _REREAD_SECONDS - time.monotonic())
            self._comparing = self.set_timer(waits, lambda: self._compare(list(self._runs)))

    def on_following_opened(self, message: Following.Opened) -> None:
        self._feeds[message.feed.run] = message.feed
        self._stale = True

    def on_following_said(self, message: Following.Said) -> None:
        if self._feeds.get(message.feed.run) is message.feed and message.events:
            message.feed.apply(message.events)
            self._stale = True

    def _draw_chart(self) -> None:
        if self._stale:
            self._stale = False
            series = [self._feeds[run].series if run in self._feeds else RunSeries() for run in self._runs]
            runs = zip(self._runs, series, strict=True)
            self.chart.show([Source(str(run), points, self._places[run]) for run, points in runs])

    def action_metric(self) -> None:
        keys = list(METRICS)
        self.chart.metric = METRICS[keys[(keys.index(self.chart.metric.key) + 1) % len(keys)]]

    def action_unmark(self) -> None:
        run = self._run_under_cursor
        if run is None:
            return
        self.app.marked.pop(run, None)
        self._runs.remove(run)
        if self._runs:
            self._show_runs()
        else:
            self.dismiss()

    def action_pane(self, number: int) -> None:
        if self.query_one(f"#{_PANES[number]}-pane").has_class("-empty"):
            self.notify("none of these runs is of an experiment that the reference has", markup=False)
            return
        for other, name in _PANES.items():
            self.set_class(other == number, f"-pane-{other}")
            if other == number:
                pane = self.query_one(f"#{name}-pane")
                next(widget for widget in pane.query("*") if widget.focusable).focus()

    @on(ChartView.OptionsChanged)
    def _remember(self, message: ChartView.OptionsChanged) -> None:
        options = message.options
        self.app.remember(axis=options.axis, log_x=options.x_log, smoothing=options.smoothing)

    @on(ChartView.FullScreenToggled)
    def _toggle_full_screen(self) -> None:
        self.toggle_class("-full")

    @on(FactTable.Opened, "#results")
    def action_open(self) -> None:
        from slm_tui.screens.run import RunScreen

        if entry := self.chosen_run:
            self.app.push_screen(RunScreen(entry.run))


class _Feeds(Following):
    """Follows the runs; draws nothing."""

    DEFAULT_CSS = "_Feeds { display: none; }"
