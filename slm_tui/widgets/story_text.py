"""A text that is read, and may still be written: scrolls, wraps, turns right-to-left text, colours its pieces."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from slm_tui.settings import Settings
from slm_tui.terminals import app_orders
from slm_tui.text_direction import Layout, Line

_REDRAW_SECONDS = 1 / 12  # between redraws of a text that is being written, however fast it comes

Span = tuple[int, int, Style]  # the logical text [start, end) in a style


class StoryText(ScrollView, can_focus=True):
    """Text goes in and is kept in logical order; all places are indices into that. Nothing in it is markup, and
    control characters are drawn as symbols.

    `set_text` replaces it, `append` adds a piece as it comes, `colour` changes the styles, `mark` puts a cursor on a
    span, `order` says who orders right-to-left text. While `follows`, the end stays in sight; scrolling up ends
    that, scrolling to the end begins it again.
    """

    ALLOW_SELECT = False  # it would copy what is drawn, not what is written
    COMPONENT_CLASSES = {"story--mark"}
    DEFAULT_CSS = """
    StoryText {
        height: 1fr;
        max-width: 100;
        padding: 0 1;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        scrollbar-size: 0 1;
        & > .story--mark { background: $accent; color: $background; }
    }
    """

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.follows = False
        self.waits = False  # something that was appended is not drawn yet
        self._drawn = 0.0  # when something was
        self._text = text
        self._spans: list[Span] = []
        self._mark: tuple[int, int] | None = None
        self._orders = True
        self._laid: Layout | None = None  # until there is a width
        self._plain: Style | None = None  # kept, for it takes longer to find than to draw a line

    @property
    def _width(self) -> int:
        """Cells of a line: the scroll bar takes one beside them, whether it is there or not."""
        return self.scrollable_content_region.width

    @property
    def text(self) -> str:
        """All of it, in logical order: what to copy and to save."""
        return self._text

    @property
    def top(self) -> int:
        """The place in the text where the first line in sight begins."""
        row = self.scroll_offset.y
        return self._laid.lines[row].start if self._laid is not None and row < len(self._laid.lines) else 0

    def set_text(self, text: str, spans: Sequence[Span] = (), *, follow: bool = False) -> None:
        """Show this from now on, from its beginning; or keep its end in sight, where more is to come."""
        self._text, self._mark = text, None
        self._spans = sorted(spans, key=lambda span: span[0])
        self.follows = follow
        self._lay_out()
        if not follow:
            self.go_to(0)

    def append(self, text: str, style: Style | None = None) -> None:
        """Add to the end, where it is drawn at once or, while much comes, a moment later. Only the lines that it
        changes are laid out and drawn again."""
        if style is not None:
            self._spans.append((len(self._text), len(self._text) + len(text), style))
        self._text += text
        if self._laid is None or self.waits:
            return
        self.waits = True
        waited = time.monotonic() - self._drawn
        if waited >= _REDRAW_SECONDS:
            self._catch_up()
        else:
            self.set_timer(_REDRAW_SECONDS - waited, self._catch_up)

    def _catch_up(self) -> None:
        """Draw what was appended."""
        if self._laid is not None and self.waits:
            before = len(self._laid.lines)
            first = self._laid.append(self._text[len(self._laid.text) :])
            self._fit()
            self.refresh_lines(first, max(before, len(self._laid.lines)) - first)
        self.waits = False
        self._drawn = time.monotonic()

    def colour(self, spans: Sequence[Span]) -> None:
        """Draw these spans, which do not overlap, in their styles, and the rest plain."""
        self._spans = sorted(spans, key=lambda span: span[0])
        self.refresh()

    def go_to(self, place: int) -> None:
        """Scroll so that the line with this place in the text is the first one in sight."""
        if self._laid is not None:
            self.scroll_to(y=self._laid.line_of(place), animate=False, force=True)  # before there is a scroll bar, too

    def mark(self, span: tuple[int, int] | None) -> None:
        """Put the cursor on the logical text [start, end) and bring it into sight; None takes it away."""
        self._mark = span
        self._catch_up()
        if span is not None and self._laid is not None:
            above = self._laid.line_of(span[0]) - self.scroll_offset.y
            below = above + 1 - self.size.height
            if above < 0 or below > 0:
                self.scroll_to(y=self.scroll_offset.y + (above if above < 0 else below), animate=False, force=True)
        self.refresh()

    def order(self, here: bool) -> None:
        """Who shapes and orders right-to-left text: this program, or the terminal."""
        if here != self._orders:
            self._orders = here
            self._lay_out()

    def place_at(self, x: int, y: int) -> int | None:
        """The place in the text of what is drawn at these cells of the widget's content, such as a click's."""
        row = y + self.scroll_offset.y
        if self._laid is None or not 0 <= row < len(self._laid.lines):
            return None
        line = self._laid.lines[row]
        left = self._indent(line)
        for drawn, places in line.units():
            if left <= x < (left := left + cell_len(drawn)):
                return places[0]
        return None

    def on_mount(self) -> None:
        settings = getattr(self.app, "settings", None) or Settings()
        self.order(app_orders(settings.bidi))

    def on_resize(self, event: events.Resize) -> None:
        if self._laid is None or self._laid.width != self._width:
            self._lay_out()
        else:
            self._fit()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._plain = None

    def _lay_out(self) -> None:
        """Lay out everything, and stay at the line that is read."""
        if not self._width:
            return
        top = self.top
        self._laid, self.waits = Layout(self._width, app_orders=self._orders, text=self._text), False
        self._fit()
        if not self.follows:
            self.go_to(top)
        self.refresh()

    def _fit(self) -> None:
        """As many rows as there are lines, and the last one in sight."""
        if self._laid is not None:
            # what fits has the size of the widget: each change of it has the whole screen laid out again
            self.virtual_size = Size(self.size.width, max(self.size.height, len(self._laid.lines)))
        if self.follows:
            self.scroll_end(animate=False)

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        at_end = new >= self.max_scroll_y
        if new < old or at_end:
            self.follows = at_end

    def render_line(self, y: int) -> Strip:
        row, width, plain = y + self.scroll_offset.y, self.size.width, self._plain or self.rich_style
        self._plain = plain
        if self._laid is None or row >= len(self._laid.lines):
            return Strip.blank(width, plain)
        line = self._laid.lines[row]
        segments = [Segment(" " * self._indent(line), plain), *self._segments(line, plain)]
        return Strip(segments).crop_extend(0, width, plain)

    def _indent(self, line: Line) -> int:
        return max(0, self._width - line.cells) if line.rtl else 0

    def _segments(self, line: Line, plain: Style) -> list[Segment]:
        if not self._spans and self._mark is None:
            return [Segment(line.text, plain)]
        runs = groupby(line.units(), key=lambda unit: self._style(unit[1], plain))
        return [Segment("".join(drawn for drawn, _ in run), style) for style, run in runs]

    def _style(self, places: Sequence[int], plain: Style) -> Style:
        """The style of a letter and its marks: that of the letter, and the cursor's where it is on any of them."""
        style = plain
        number = bisect_right(self._spans, places[0], key=lambda span: span[0]) - 1
        if number >= 0 and places[0] < self._spans[number][1]:
            style += self._spans[number][2]
        if self._mark is not None and any(self._mark[0] <= place < self._mark[1] for place in places):
            style += self.get_component_rich_style("story--mark")
        return style
