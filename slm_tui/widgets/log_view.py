"""The engine's log: follows it, finds words in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.segment import Segment
from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from slm_tui.formats import shown_path
from slm_tui.keys import bindings
from slm_tui.log_tail import LogTail

_POLL_SECONDS = 0.5
_SYMBOL = re.compile("[\u2400-\u2421\ufffd]+")  # what stands for a control character


class LogView(Vertical):
    """The file at a path, read while this is on the screen."""

    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        & > #log-standing { height: 1; color: $text-muted; padding: 0 1; }
        & > Input { height: 1; border: none; padding: 0 1; background: $panel; }
    }
    """

    @dataclass
    class Read(Message):
        """What stands in a log, or None where nothing has changed."""

        lines: Sequence[str] | None
        widest: int  # of the lines, in cells

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._tail = LogTail(path)
        self._reads = False

    def compose(self) -> ComposeResult:
        yield LogLines()
        yield Static(id="log-standing")
        yield Input(placeholder="words to find; enter for the next place, esc to go back", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self.set_interval(_POLL_SECONDS, self._look)

    def _look(self) -> None:
        if not self._reads and self.screen.is_current and self.region.area:
            self._reads = True  # one thread at a time: a disk may take longer than a poll
            self._read()

    def on_show(self) -> None:
        self._look()

    @work(thread=True)
    def _read(self) -> None:
        tail, changed = self._tail, False
        while tail.read():
            changed = True
        self.post_message(self.Read(list(tail.lines) if changed else None, tail.widest))

    def on_log_view_read(self, message: Read) -> None:
        self._reads = False
        tail, shown, remark = self._tail, self.query_one(LogLines), self._remark()
        if message.lines is not None or (not tail.lines and remark != shown.remark):
            shown.show(message.lines or (), tail.first, remark, message.widest)
            self.tell()

    def _remark(self) -> str:
        """What there is to say before the first line."""
        tail, path = self._tail, shown_path(self._tail.path)
        if tail.problem:
            return f"{path} cannot be read: {tail.problem}"
        if tail.skipped:
            return f"Earlier lines are in {path}"
        return "" if tail.lines else "The engine has printed nothing."

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(LogLines).search(event.value)

    @on(Input.Submitted)
    def _next(self) -> None:
        self.query_one(LogLines).action_next_match()
        self.query_one(Input).display = False
        self.query_one(LogLines).focus()

    def key_escape(self, event: events.Key) -> bool:
        """Out of the search, where there is one; else the key is for whoever comes next."""
        field, lines = self.query_one(Input), self.query_one(LogLines)
        if not field.display and not lines.words:
            return False
        event.stop()
        field.value = ""
        field.display = False
        lines.search("")
        lines.focus()
        return True

    def start_search(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def tell(self) -> None:
        """Where one stands, in the line below."""
        lines = self.query_one(LogLines)
        said = ["following" if lines.follows else "paused: G follows again"]
        if lines.words:
            said.append(lines.found())
        said.append(shown_path(self._tail.path))
        self.query_one("#log-standing", Static).update(Text("  ·  ".join(said), no_wrap=True, overflow="ellipsis"))


class LogLines(ScrollView, can_focus=True):
    """The lines, drawn one by one as they come into sight. A match is known by its line's number, which stays the
    same while lines come and go."""

    BINDINGS = bindings("log")
    COMPONENT_CLASSES = {"log--match", "log--current", "log--quiet"}
    DEFAULT_CSS = """
    LogLines {
        height: 1fr;
        padding: 0 1;
        scrollbar-size: 0 1;
        & > .log--match { background: $warning 40%; }
        & > .log--current { background: $accent; color: $background; }
        & > .log--quiet { color: $text-muted; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.words = ""
        self.follows = True
        self._lines: Sequence[str] = ()
        self.remark = ""
        self._top = 0  # the number of what is in the first row
        self._matches: list[int] = []  # line numbers, ascending
        self._current = -1  # the number of the line that one stands at
        self._pattern: re.Pattern[str] | None = None

    def show(self, lines: Sequence[str], first: int, remark: str, widest: int) -> None:
        """These lines, in place of those before; `first` is the number of the first one, `remark` stands above it,
        and the widest has `widest` cells."""
        rows = [remark, *lines] if remark else lines
        top = first - bool(remark)
        moved = 0 if self.follows else top - self._top
        self._lines, self.remark, self._top = rows, remark, top
        self.virtual_size = Size(max(widest, cell_len(remark)) + self.gutter.width, len(rows))
        self._match()
        if self.follows:
            self.scroll_end(animate=False)
        elif moved:
            self.scroll_to(y=max(0, self.scroll_offset.y - moved), animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        row, width = y + scroll_y, self.size.width
        if row >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = Strip(self._segments(row))
        if strip.cell_length - scroll_x <= width:
            return strip.crop_extend(scroll_x, scroll_x + width, self.rich_style)
        end = Strip([Segment("…", self.get_component_rich_style("log--quiet"))])
        return Strip.join([strip.crop_extend(scroll_x, scroll_x + width - 1, self.rich_style), end])

    def _segments(self, row: int) -> list[Segment]:
        line = self._lines[row]
        quiet = self.get_component_rich_style("log--quiet")
        if self.remark and row == 0:
            return [Segment(line, quiet)]
        text = Text(line, self.rich_style, end="")
        text.highlight_regex(_SYMBOL, quiet)
        if self._pattern is not None:
            is_current = self._top + row == self._current
            text.highlight_regex(
                self._pattern, self.get_component_rich_style("log--current" if is_current else "log--match")
            )
        return list(Segment.apply_style(text.render(self.app.console), self.rich_style))

    def search(self, words: str) -> None:
        """Mark every line with these words, and go to the last one."""
        self.words = words
        self._pattern = re.compile(re.escape(words), re.IGNORECASE) if words else None
        self._match()
        self._current = self._matches[-1] if self._matches else -1
        self._go()

    def found(self) -> str:
        """Which of the places, of how many: '3 of 17'."""
        return f"{self._place() + 1} of {len(self._matches)}" if self._matches else "nowhere"

    def _match(self) -> None:
        found = self._pattern.search if self._pattern else None
        lines = enumerate(self._lines, self._top)
        self._matches = [number for number, line in lines if found(line)] if found else []
        if self.remark and self._matches and self._matches[0] == self._top:
            del self._matches[0]
        if self._matches:
            self._current = self._matches[self._place()]

    def _place(self) -> int:
        """Which of the matches one stands at; the next one where that line is gone."""
        return min(bisect_left(self._matches, self._current), len(self._matches) - 1)

    def _go(self) -> None:
        if self._matches:
            self.follows = False
            row = self._current - self._top
            self.scroll_to(y=max(0, row - self.size.height // 2), animate=False)
        self.refresh()
        self._view.tell()

    @property
    def _view(self) -> LogView:
        view = self.parent
        assert isinstance(view, LogView)
        return view

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        at_end = new >= self.max_scroll_y
        if (new < old or at_end) and at_end != self.follows:
            self.follows = at_end
            self._view.tell()

    def on_resize(self) -> None:
        if self.follows:
            self.scroll_end(animate=False)

    def action_search(self) -> None:
        self._view.start_search()

    def action_next_match(self) -> None:
        self._step(1)

    def action_previous_match(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        if self._matches:
            self._current = self._matches[(self._place() + by) % len(self._matches)]
            self._go()

    def action_follow(self) -> None:
        self.follows = True
        self.scroll_end(animate=False)
        self._view.tell()

    def action_top(self) -> None:
        self.follows = False
        self.scroll_home(animate=False)
        self._view.tell()
