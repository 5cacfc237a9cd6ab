"""The engine's log: follows it, finds words in it."""

from __future__ import annotations

from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from slm_tui.formats import shown_path
from slm_tui.keys import bindings
from slm_tui.log_tail import LogTail

_POLL_SECONDS = 0.5


class LogView(Vertical):
    """`show` says which file; it is read while this is on the screen."""

    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        & > #log-standing { height: 1; color: $text-muted; padding: 0 1; }
        & > Input { height: 1; border: none; padding: 0 1; background: $panel; }
    }
    """

    def compose(self) -> ComposeResult:
        yield LogLines()
        yield Static(id="log-standing")
        yield Input(placeholder="words to find; enter for the next place, esc to go back", compact=True)

    def on_mount(self) -> None:
        self._tail: LogTail | None = None
        self.query_one(Input).display = False
        self.set_interval(_POLL_SECONDS, self._look)

    def show(self, path: Path) -> None:
        """Show this log from now on."""
        self._tail = LogTail(path)
        self._look()

    def _look(self) -> None:
        if self._tail is not None and self.screen.is_current and self.region.area:
            self._read(self._tail)

    def on_show(self) -> None:
        self._look()

    @work(thread=True, exclusive=True)
    def _read(self, tail: LogTail) -> None:
        changed = False
        while tail.read():
            changed = True
        if changed:
            self.app.call_from_thread(self.query_one(LogLines).show, list(tail.lines), tail)
        self.app.call_from_thread(self.tell)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(LogLines).search(event.value)
        self.tell()

    @on(Input.Submitted)
    def _next(self) -> None:
        self.query_one(LogLines).action_next_match()
        self.query_one(LogLines).focus()

    def key_escape(self) -> None:
        """Out of the search."""
        field = self.query_one(Input)
        if field.display:
            field.value = ""
            field.display = False
            self.query_one(LogLines).focus()
        else:
            self.screen.app.pop_screen()

    def start_search(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def tell(self) -> None:
        """Where one stands, in the line below."""
        if self._tail is None:
            return
        lines = self.query_one(LogLines)
        said = [shown_path(self._tail.path), "following" if lines.follows else "paused: G follows again"]
        if self._tail.skipped:
            said.append("earlier lines are in the file")
        if not self._tail.lines:
            said[1] = "the engine has said nothing yet"
        if lines.words:
            said.append(lines.found())
        self.query_one("#log-standing", Static).update(Text("  ·  ".join(said), no_wrap=True, overflow="ellipsis"))


class LogLines(ScrollView, can_focus=True):
    """The lines, drawn one by one as they come into sight."""

    BINDINGS = bindings("log")
    COMPONENT_CLASSES = {"log--match", "log--current"}
    DEFAULT_CSS = """
    LogLines {
        height: 1fr;
        padding: 0 1;
        scrollbar-size: 1 1;
        & > .log--match { background: $warning 40%; }
        & > .log--current { background: $accent; color: $background; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.follows = True
        self._lines: list[str] = []
        self._matches: list[int] = []
        self._current = -1

    def show(self, lines: list[str], tail: LogTail) -> None:
        """These lines, in place of those before."""
        self._lines = lines
        self.virtual_size = Size(max(map(len, lines), default=0), len(lines))
        self._match()
        if self.follows:
            self.scroll_end(animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        row = y + scroll_y
        if row >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[row]
        segments, place = [], 0
        wanted = self.words.casefold()
        style = self.get_component_rich_style("log--current" if self._is_current(row) else "log--match")
        while wanted and (found := line.casefold().find(wanted, place)) >= 0 and len(line) == len(line.casefold()):
            segments += [Segment(line[place:found], self.rich_style), Segment(line[found : found + len(wanted)], style)]
            place = found + len(wanted)
        segments.append(Segment(line[place:], self.rich_style + Style()))
        strip = Strip(segments)
        return strip.crop_extend(scroll_x, scroll_x + self.size.width, self.rich_style)

    def search(self, words: str) -> None:
        """Mark every place with these words, and go to the last one."""
        self.words = words
        self._match()
        self._current = len(self._matches) - 1
        self._go()

    def found(self) -> str:
        """How many places there are: '3 of 17'."""
        return f"{self._current + 1} of {len(self._matches)}" if self._matches else "nowhere"

    def _match(self) -> None:
        wanted = self.words.casefold()
        self._matches = [row for row, line in enumerate(self._lines) if wanted in line.casefold()] if wanted else []
        self._current = min(self._current, len(self._matches) - 1)

    def _is_current(self, row: int) -> bool:
        return 0 <= self._current < len(self._matches) and self._matches[self._current] == row

    def _go(self) -> None:
        if self._matches:
            self.follows = False
            self.scroll_to(y=max(0, self._matches[self._current] - self.size.height // 2), animate=False)
        self.refresh()

    def _moved(self) -> None:
        self.follows = self.scroll_offset.y >= self.max_scroll_y
        self._view.tell()

    @property
    def _view(self) -> LogView:
        view = self.parent
        assert isinstance(view, LogView)
        return view

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        if new < old or new >= self.max_scroll_y:
            self.follows = new >= self.max_scroll_y
            self._view.tell()

    def action_search(self) -> None:
        self._view.start_search()

    def action_next_match(self) -> None:
        self._step(1)

    def action_previous_match(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        if self._matches:
            self._current = (self._current + by) % len(self._matches)
            self._go()
            self._view.tell()

    def action_follow(self) -> None:
        self.follows = True
        self.scroll_end(animate=False)
        self._view.tell()

    def action_top(self) -> None:
        self.scroll_home(animate=False)
