"""The last line of a screen: the keys that work here and now.

Textual's own footer is a row of widgets that is built anew at every change of focus, which takes longer than a key may.
This one is a line of text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual import events
from textual.app import App
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.widget import Widget


@dataclass(frozen=True)
class _Hint:
    """A key, and what it does."""

    key: str
    display: str
    label: str
    is_enabled: bool

    @property
    def width(self) -> int:
        return len(self.display) + len(self.label) + 3


class KeyBar(Widget):
    """The shown bindings of what has the focus, of the screen and of the app, each to be clicked as well.

    Where the line is too short for all of them, the app's own, with which a person finds help, are the last to go.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyBar {
        dock: bottom;
        height: 1;
        background: $panel;
        text-wrap: nowrap;
    }
    """

    pointed_at: reactive[str | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__()
        self._hints: list[_Hint] = []

    def on_mount(self) -> None:
        """Follow the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, _: Screen[object]) -> None:
        self.call_after_refresh(self._look)  # by then, the screen is made

    def _look(self) -> None:
        if not self.is_attached:  # or gone again
            return
        hints = self._found()
        if hints != self._hints:
            self._hints = hints
            self.refresh()

    def on_resize(self) -> None:
        """More room, or less."""
        if self._hints:  # else the screen is still being made
            self._look()

    def _found(self) -> list[_Hint]:
        """The keys that work now, as far as the line has room."""
        near: dict[str, _Hint] = {}  # by action, of which the first of several keys is shown
        everywhere: dict[str, _Hint] = {}
        for node, binding, is_enabled, _ in self.screen.active_bindings.values():
            if binding.show:
                hint = _Hint(binding.key, self.app.get_key_display(binding), binding.description, is_enabled)
                (everywhere if isinstance(node, App) else near).setdefault(binding.action, hint)
        room = self.size.width - sum(hint.width for hint in everywhere.values())
        return [*_that_fit(near.values(), room), *everywhere.values()]

    def render(self) -> Content:
        """The line."""
        parts = []
        for hint in self._hints:
            style = "" if hint.is_enabled else "dim "
            back = " on $block-hover-background" if hint.key == self.pointed_at else ""
            parts.append((f" {hint.display} ", f"{style}bold $footer-key-foreground{back}"))
            parts.append((f"{hint.label} ", f"{style}$footer-description-foreground{back}"))
        return Content.assemble(*parts)

    def _hint_at(self, x: int) -> _Hint | None:
        for hint in self._hints:
            if x < hint.width:
                return hint
            x -= hint.width
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark what a click would press."""
        hint = self._hint_at(event.x)
        self.pointed_at = hint.key if hint else None

    def on_leave(self) -> None:
        """Mark nothing any more."""
        self.pointed_at = None

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        if (hint := self._hint_at(event.x)) and hint.is_enabled:
            self.app.simulate_key(hint.key)


def _that_fit(hints: Iterable[_Hint], room: int) -> Iterable[_Hint]:
    for hint in hints:
        room -= hint.width
        if room < 0:
            return
        yield hint
