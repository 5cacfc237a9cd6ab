"""A run as it goes: header, what went wrong, charts; of one that was imported, words in their place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from engine.runs.run import Run, State
from slm_tui.catalog import LIVE
from slm_tui.charts.overlay import Source
from slm_tui.feed import Feed
from slm_tui.formats import excerpt, shown_path
from slm_tui.summary import last_lines
from slm_tui.themes import state_style
from slm_tui.widgets.charts import Charts
from slm_tui.widgets.following import Following
from slm_tui.widgets.run_header import RunHeader

_REDRAW_SECONDS = 0.5  # between redraws of the charts of a live run
_LINE_CHARACTERS = 400  # of a log's line, where only its last few lines are shown
_IMPORTED = (
    "These weights were trained elsewhere. Of their training nothing is known here: no loss, no evaluation, no curve."
)


class RunView(Vertical, Following):
    """One run at a time; `show` says which."""

    @dataclass
    class Changed(Message):
        """What is shown has changed; for the other tabs of a screen."""

        feed: Feed
        state: State

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.run: Run | None = None
        self.feed: Feed | None = None
        self.state: State = "lost"
        self.behind: Sequence[Source] = ()
        self._drawn = 0.0
        self._redraw_waits = False
        self._is_stale = False  # something has come while its screen was not to be seen
        self._ready = False

    def compose(self) -> ComposeResult:
        yield RunHeader()
        yield Static(classes="notice")
        yield Static(classes="imported")
        yield Charts()

    def on_mount(self) -> None:
        self.query_one(".notice").display = False
        self.query_one(".imported").display = False
        self._ready = True
        wanted, self.run = self.run, None
        self.show(wanted)

    def show(self, run: Run | None) -> None:
        """Follow `run` from now on; None follows nothing."""
        if run == self.run:
            return
        self.run, self.feed, self.behind = run, None, ()
        if not self._ready:  # `on_mount` follows it
            return
        self.query_one(".notice").display = False
        self.follow([run] if run else [])
        if run is not None:
            self.query_one(RunHeader).update(Text(f"reading {run} …", "dim"))

    def on_following_opened(self, message: Following.Opened) -> None:
        if message.feed.run == self.run:
            self.feed, self.state = message.feed, message.state
            self._draw()

    def on_following_said(self, message: Following.Said) -> None:
        if message.feed is not self.feed:
            return
        self.feed.apply(message.events)
        state = self.feed.state()
        changed = bool(message.events) or state != self.state
        self.state = state
        if changed:
            self._draw_soon()
        elif state in LIVE and self.is_seen:
            self.query_one(RunHeader).show(self.feed, state)  # the time left runs on between events

    def on_following_unreadable(self, message: Following.Unreadable) -> None:
        if message.run == self.run:
            self.query_one(RunHeader).update(Text(str(message.run), "bold"))
            self._notice(Text(message.why))

    def show_gone(self) -> None:
        """The run's directory is no more; what was read of it stays on the screen."""
        self._notice(Text("This run's directory is gone: it was deleted. What was read of it is still shown."))

    def seen_again(self) -> None:
        """What lay over its screen is gone: draw what has come meanwhile."""
        if self._is_stale:
            self._draw()

    def _draw_soon(self) -> None:
        waited = time.monotonic() - self._drawn
        if waited >= _REDRAW_SECONDS:
            self._draw()
        elif not self._redraw_waits:
            self._redraw_waits = True
            self.set_timer(_REDRAW_SECONDS - waited, self._draw)

    def _draw(self) -> None:
        self._redraw_waits = False
        self._is_stale = not self.is_seen
        if self.feed is None or self._is_stale:
            return
        self._drawn = time.monotonic()
        self.query_one(RunHeader).show(self.feed, self.state)
        self._draw_charts(self.feed)
        self._notice(self._what_went_wrong())
        self.post_message(self.Changed(self.feed, self.state))

    def _draw_charts(self, feed: Feed) -> None:
        """The charts; they are empty where a run was imported, unless others are drawn behind it."""
        charts, words = self.query_one(Charts), self.query_one(".imported", Static)
        words.display = feed.status.imported and not self.behind
        charts.display = not words.display
        charts.disabled = words.display  # or their keys would be offered still
        if words.display:
            words.update(_imported_words(feed.run))
        else:
            charts.show([Source(feed.run.id, feed.series), *self.behind])

    def draw_behind(self, others: Sequence[Source]) -> None:
        """Draw these runs behind the one that is shown."""
        self.behind = others
        self._draw()

    def _notice(self, text: Text | None) -> None:
        notice = self.query_one(".notice", Static)
        notice.display = text is not None
        if text is not None:
            notice.update(text)

    def _what_went_wrong(self) -> Text | None:
        """The error of a run that failed, or the end of its log where it could not say one."""
        feed = self.feed
        if feed is None or self.state not in ("failed", "diverged", "lost"):
            return None
        if feed.status.error:
            return Text(excerpt(feed.status.error))
        if self.state == "diverged":
            return Text("The loss was no longer a number. The best checkpoint is kept; try a lower learning rate.")
        lines = last_lines(feed.run.log)[-4:]
        text = Text("The engine stopped without an error message.", style=state_style(self.app, "lost"))
        text.append(f" The end of {shown_path(feed.run.log)}:" if lines else f" {shown_path(feed.run.log)} is empty.")
        for line in lines:
            text.append(f"\n{excerpt(line, _LINE_CHARACTERS)}", "dim")
        return text


def _imported_words(run: Run) -> Group:
    """What an imported run is, and what can be done with it."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, words in (
        ("g", "stories that they write"),
        ("R", f"with train.init_from={run.id} trains them further (fine-tuning); r begins with random weights"),
        ("", ""),
    ):
        grid.add_row(key, Text(words))
    for command, words in (
        (f"slm-tui evaluate {run.id}", "their loss on the validation texts of [data]"),
        (f"slm-tui export {run.id} --format huggingface -o DIR", "takes them elsewhere"),
    ):
        grid.add_row("", Text.assemble(command, "\n", (f"  {words}", "dim")))
    return Group(Text(_IMPORTED), "", grid)
