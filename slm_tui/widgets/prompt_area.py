"""Where a prompt is typed: enter takes it, up and down go through earlier ones; and how right-to-left ones read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Key
from textual.message import Message
from textual.widgets import Static, TextArea
from textual.widgets.text_area import Edit, EditResult

from slm_tui.text_direction import has_right_to_left
from slm_tui.widgets.story_text import StoryText

_MOST_LINES = 3  # of a prompt as it is read
_BESIDE = 14  # columns of its label and of what is around it


class PromptArea(TextArea):
    """A text of a few lines. Enter submits it; shift+enter, or ctrl+j where a terminal cannot tell, breaks the line.

    What would make it longer than `limit` characters is left out.
    """

    DEFAULT_CSS = """
    PromptArea { height: auto; min-height: 3; max-height: 8; }
    """

    @dataclass
    class Submitted(Message):
        """A person wants a story that begins so."""

        text: str

    def __init__(self, text: str = "", history: Sequence[str] = (), *, limit: int | None = None) -> None:
        super().__init__(
            text, tab_behavior="focus", show_line_numbers=False, soft_wrap=True, id="prompt", classes="pane"
        )
        self._limit = limit
        self.remember_all(history)

    def edit(self, edit: Edit) -> EditResult:
        if self._limit is not None:
            room = self._limit - len(self.text) + len(self.get_text_range(edit.top, edit.bottom))
            edit = replace(edit, text=edit.text[: max(0, room)])
        return super().edit(edit)

    def remember_all(self, history: Sequence[str]) -> None:
        """Earlier prompts, the latest last."""
        self._history = list(dict.fromkeys(text for text in reversed(history) if text))[::-1]
        self._place = len(self._history)
        self._draft = ""

    async def _on_key(self, event: Key) -> None:
        if event.key == "enter":
            self._take(event)
            self.remember_all([*self._history, self.text])
            self.post_message(self.Submitted(self.text))
        elif event.key in ("shift+enter", "ctrl+j"):
            self._take(event)
            self.insert("\n")
        elif event.key == "up" and self.navigator.is_first_wrapped_line(self.cursor_location):
            self._take(event)
            self._go(-1)
        elif event.key == "down" and self.navigator.is_last_wrapped_line(self.cursor_location):
            self._take(event)
            self._go(1)
        else:
            await super()._on_key(event)

    @staticmethod
    def _take(event: Key) -> None:
        event.stop()
        event.prevent_default()

    def _go(self, by: int) -> None:
        """To an earlier prompt, or back to what was being typed."""
        place = self._place + by
        if not 0 <= place <= len(self._history):
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._place = place
        self._show(self._draft if place == len(self._history) else self._history[place])

    def set_text(self, text: str) -> None:
        """This text, with the cursor at its end; the earlier prompts are above it."""
        self._place = len(self._history)
        self._show(text)

    def _show(self, text: str) -> None:
        self.text = text
        self.move_cursor(self.document.end)

    @property
    def cursor_place(self) -> int:
        """Where the cursor is in the text."""
        return len(self.get_text_range((0, 0), self.cursor_location))


class AsRead(Horizontal):
    """A right-to-left prompt as it is read, with the letter at the cursor marked: a field has its letters unjoined, in
    the order of typing. Of other prompts nothing is shown."""

    DEFAULT_CSS = """
    AsRead {
        display: none;
        height: auto;
        padding: 0 1;
        &.-needed { display: block; }
        & > Static { width: auto; padding: 0 1; color: $text-muted; }
        & > StoryText { width: 1fr; max-width: 100%; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static("as read")
        yield StoryText()

    def on_mount(self) -> None:
        self.query_one(StoryText).can_focus = False

    def show(self, text: str, cursor: int) -> bool:
        """This is typed now, the cursor before its character number `cursor`; whether there is something to show."""
        needed = has_right_to_left(text)
        self.set_class(needed, "-needed")
        if needed:
            story = self.query_one(StoryText)
            width = max(20, self.screen.size.width - _BESIDE)  # nothing has a width of its own while it is hidden
            story.styles.height = min(_MOST_LINES, text.count("\n") + 1 + len(text) // width)
            if story.text != text:
                story.set_text(text, follow=True)
            story.mark((cursor, cursor + 1) if cursor < len(text) else None)
        return needed
