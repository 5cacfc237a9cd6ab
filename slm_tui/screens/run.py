"""One run: its header, and the tabs Charts, Log, Samples, Config and System."""

from __future__ import annotations

from contextlib import suppress

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Static, TabbedContent, TabPane

from engine.runs.run import Run
from slm_tui.catalog import Catalog, RunEntry
from slm_tui.charts.overlay import Source
from slm_tui.charts.series import RunSeries
from slm_tui.feed import Feed
from slm_tui.formats import one_line
from slm_tui.keys import bindings
from slm_tui.screens.chosen import OneRun
from slm_tui.screens.home import MARK
from slm_tui.screens.operations import Operations
from slm_tui.widgets.config_view import ConfigView
from slm_tui.widgets.key_bar import KeyBar
from slm_tui.widgets.log_view import LogView
from slm_tui.widgets.run_view import RunView
from slm_tui.widgets.samples_view import SamplesView
from slm_tui.widgets.system_view import SystemView

_TABS = ("charts", "log", "samples", "config", "system")
_OVERLAID = 7  # other runs at most: more lines are a tangle


class RunScreen(OneRun, Operations):
    """A run, live or ended."""

    BINDINGS = bindings("run")

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._view = RunView(id="run-view")
        self._overlaid = False
        self._behind: list[Run] = []

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        with TabbedContent(id="tabs"):
            for number, name in enumerate(_TABS, 1):
                yield TabPane(f"{number} {name}", id=name)
        yield KeyBar()

    async def on_mount(self) -> None:
        self._view.show(self.run)
        self.show_heading()
        await self.action_tab("charts")

    def on_screen_resume(self) -> None:
        self._view.seen_again()

    def show_heading(self) -> None:
        """Which run this is, and what a person has said of it."""
        entry = self.chosen_run
        mark = f" {MARK}" if self.run in self.app.marked else ""
        heading = Text.assemble((f" {self.run.name} ", "bold reverse"), f"  {self.run.id}{mark}")
        if entry is not None and (entry.notes.tags or entry.notes.notes):
            heading.append(f"   {' '.join(entry.notes.tags)}   {one_line(entry.notes.notes)}", "dim")
        self.query_one("#heading", Static).update(heading)

    @property
    def chosen_run(self) -> RunEntry | None:
        entry = super().chosen_run
        if entry is None or self._view.feed is None:
            return entry
        return entry.in_state(self._view.state)  # the view sees it before the next scan does

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Here only the run can be deleted: where it is gone, the experiment's file is not what is meant."""
        if action == "delete":
            return self.chosen_run is not None
        return super().check_action(action, parameters)

    def show_catalog(self, catalog: Catalog) -> None:
        """The workspace is like this now."""
        self.show_heading()
        if catalog.find(self.run) is None and not self.run.path.exists():  # else the scan is older than the run
            self._view.show_gone()
        self._draw_overlay()

    @on(RunView.Changed)
    def _run_changed(self, message: RunView.Changed) -> None:
        self._tell_tabs(message.feed)
        self.refresh_bindings()

    # tabs

    async def action_tab(self, name: str) -> None:
        tabs = self.query_one("#tabs", TabbedContent)
        pane = tabs.get_pane(name)
        await self._fill(pane)  # while it is hidden
        tabs.active = name
        focusable = next((widget for widget in pane.query("*") if widget.focusable), None)
        (focusable or self).focus()

    @on(TabbedContent.TabActivated)
    async def _tab_clicked(self, message: TabbedContent.TabActivated) -> None:
        await self._fill(message.pane)
        for config in message.pane.query(ConfigView):
            config.read()

    async def _fill(self, pane: TabPane) -> None:
        """Make what a tab shows when it is first seen: a run opens sooner without what is hidden."""
        if not pane.children:
            await pane.mount(self._made(pane.id))
            if self._view.feed is not None:
                self._tell_tabs(self._view.feed)

    def _made(self, tab: str | None) -> Widget:
        if tab == "log":
            return LogView(self.run.log)
        if tab == "samples":
            return SamplesView()
        if tab == "config":
            return ConfigView(self.run, self.app.workspace)
        return SystemView() if tab == "system" else self._view

    def _tell_tabs(self, feed: Feed) -> None:
        for samples in self.query(SamplesView):
            samples.show(feed.samples)
        for system in self.query(SystemView):
            system.show(feed.run, feed.status, feed.system)

    # other runs

    def action_overlay(self) -> None:
        """Draw the experiment's other runs behind this one, or no longer."""
        self._overlaid = not self._overlaid
        self._draw_overlay()

    def _draw_overlay(self) -> None:
        if not self._overlaid and not self._behind:
            return
        catalog = self.app.catalog
        others = [entry.run for entry in catalog.runs() if entry.run.name == self.run.name] if catalog else []
        wanted = [run for run in others if run != self.run][:_OVERLAID] if self._overlaid else []
        if wanted != self._behind:
            self._behind = wanted
            self._read_behind(wanted)

    @work(thread=True, exclusive=True, group="overlay")
    def _read_behind(self, runs: list[Run]) -> None:
        sources = []
        for place, run in enumerate(runs):
            with suppress(OSError):  # deleted meanwhile, or not for us to read
                sources.append(Source(run.id, RunSeries.load(run.metrics), place + 1))
        self.app.call_from_thread(self._view.draw_behind, sources)

    def started(self, run: Run) -> None:
        if self.is_current:
            self.app.switch_screen(RunScreen(run))
        else:
            super().started(run)

    def after_delete(self) -> None:
        self.dismiss()

    def marks_changed(self) -> None:
        super().marks_changed()
        self.show_heading()

    def action_compare(self) -> None:
        if self.run not in self.app.marked:
            self.app.toggle_mark(self.run)
        super().action_compare()
