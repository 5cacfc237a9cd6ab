"""Where a prompt is typed: enter takes it, up and down go through earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.events import Key
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult


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
        super().__init__(text, tab_behavior="focus", show_line_numbers=False, soft_wrap=True, id="prompt")
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
