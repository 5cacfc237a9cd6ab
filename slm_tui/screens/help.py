"""The keys that work here, drawn from the table of keys and from what has the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from slm_tui.formats import home_path
from slm_tui.keys import KEYS, TITLES, Key, bindings, key_id
from slm_tui.settings import settings_file
from slm_tui.widgets.dialogs import Dialog

if TYPE_CHECKING:
    from slm_tui.base_app import BaseApp

_ROOM_FOR_NAMES = 110  # columns


def keys_of(screen: Screen[object]) -> Iterator[tuple[str, Key, Binding]]:
    """Every key that works on `screen` now, as its group, the key and the binding, a person's remapping included."""
    by_id = {(key_id(group, key), key.help): (group, key) for group, keys in KEYS.items() for key in keys}
    told: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        named = (binding.id or "", binding.tooltip)
        if named in by_id and named[0] not in told and active.enabled:
            told.add(named[0])
            yield (*by_id[named], binding)


def commands_of(screen: Screen[object]) -> Iterator[tuple[Key, Callable[[], object]]]:
    """Every action of `screen` now, with what carries it out."""
    nodes = {active.binding.id: active.node for active in screen.active_bindings.values()}
    for _, key, binding in keys_of(screen):
        yield key, partial(screen.app.run_action, binding.action, nodes[binding.id])


class HelpScreen(Dialog[None]):
    """A page over the screen that it explains."""

    app: BaseApp
    BINDINGS = [Binding("question_mark,f1,escape,q", "dismiss", "close"), *bindings("table")]

    def __init__(self, explained: Screen[object]) -> None:
        super().__init__()
        self._groups: dict[str, list[tuple[str, str, str]]] = {}
        for group, key, _ in keys_of(explained):
            shown = " ".join(self._shown(name) for name in key.keys.split(","))
            words = key.for_strangers if self.app.is_public and key.for_strangers else key.help
            self._groups.setdefault(group, []).append((shown, words, key_id(group, key)))

    @staticmethod
    def _shown(key: str) -> str:
        from textual.keys import format_key

        return format_key(key)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as page:
            page.border_title = "keys that work here"
            page.border_subtitle = "esc: back"
            for group in (group for group in TITLES if group in self._groups):
                yield Static(TITLES[group], classes="help-group")
                named = self.app.size.width >= _ROOM_FOR_NAMES and not self.app.is_public
                yield Static(_table(self._groups[group], named))
            if not self.app.is_public:
                yield Static(Text(f"Keys are changed in [keys] of {home_path(settings_file())}", "dim"))

    def action_cursor_down(self) -> None:
        self.query_one("#help", VerticalScroll).scroll_down()

    def action_cursor_up(self) -> None:
        self.query_one("#help", VerticalScroll).scroll_up()


def _table(rows: list[tuple[str, str, str]], named: bool) -> Table:
    """Keys and what they do; `named`, also the names by which a person remaps them."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold", no_wrap=True, min_width=12)
    grid.add_column()
    grid.add_column(style="dim", no_wrap=True)
    for keys, words, name in rows:
        grid.add_row(Text(keys), Text(words), Text(name if named else ""))
    return grid
