"""Who puts right-to-left text in order: this program, or the terminal (pure).

Most terminals draw cells in the order in which they come; some reorder lines, and join letters, by themselves. Text
ordered twice reads backwards, so one of the two has to leave it. Nothing tells over SSH which terminal is at the
other end, hence the setting `bidi`. It is about terminals: a web page (`slm-tui serve`) draws cells as they come.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple

Bidi = Literal["auto", "app", "terminal"]

EXPLICIT_ORDER = "\x1b[8l"  # ECMA-48 BDSM: draw cells as they come; a terminal that does not know it skips it
IMPLICIT_ORDER = "\x1b[8h"  # what such terminals start with, and what a shell wants again

_WEB_DRIVER = "textual.drivers.web_driver"  # as textual-serve tells the processes that it starts
_FIRST_VTE_THAT_ORDERS = 5800  # 0.58, as VTE_VERSION has it


class Terminal(NamedTuple):
    """A terminal, and a variable by which it is known: one that begins with `value`."""

    name: str
    variable: str
    value: str
    orders: bool  # whatever it is told
    why: str


_TERMINALS = (
    Terminal("Konsole", "KONSOLE_VERSION", "", True, "it orders lines, and no sequence stops it"),
    Terminal("mlterm", "MLTERM", "", True, "it orders lines by its own setting"),
    Terminal("mlterm", "TERM_PROGRAM", "mlterm", True, "it orders lines by its own setting"),
    Terminal("mlterm", "TERM", "mlterm", True, "it orders lines by its own setting"),
    Terminal("Terminal.app", "TERM_PROGRAM", "Apple_Terminal", True, "it orders lines, and no sequence stops it"),
    Terminal("Terminal.app", "__CFBundleIdentifier", "com.apple.Terminal", True, "as above; this one outlives tmux"),
    Terminal("PuTTY", "TERM", "putty", True, "it orders lines, unless its settings say otherwise"),
    Terminal("kitty", "KITTY_WINDOW_ID", "", False, "it turns words round, unless kitty.conf has force_ltr yes"),
    Terminal("a VTE terminal", "VTE_VERSION", "", False, "it orders lines until CSI 8 l tells it not to"),
    Terminal("mintty", "TERM_PROGRAM", "mintty", False, "it orders lines until CSI 8 l tells it not to"),
)


def known_terminal(environment: Mapping[str, str]) -> Terminal | None:
    """The terminal that this process draws on, where it says so and orders text in a way of its own."""
    for terminal in _TERMINALS:
        value = environment.get(terminal.variable)
        if value and value.startswith(terminal.value):
            return _in_multiplexer(terminal, environment)
    return None


def app_orders(bidi: Bidi, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether right-to-left text is shaped and ordered here. `auto` leaves it to the terminals that always do it, and
    does it for all others. For a web page it is always done, whatever terminal the server was started in."""
    if environment.get("TEXTUAL_DRIVER", "").startswith(_WEB_DRIVER):
        return True
    if bidi != "auto":
        return bidi == "app"
    terminal = known_terminal(environment)
    return terminal is None or not terminal.orders


def _in_multiplexer(terminal: Terminal, environment: Mapping[str, str]) -> Terminal:
    """tmux and screen keep CSI 8 l to themselves, so that VTE goes on ordering what they draw."""
    inside = "TMUX" in environment or "STY" in environment or environment.get("TERM", "").startswith(("tmux", "screen"))
    if not inside or terminal.variable != "VTE_VERSION":
        return terminal
    version = environment["VTE_VERSION"]
    if version.isdecimal() and int(version) < _FIRST_VTE_THAT_ORDERS:
        return terminal
    return terminal._replace(orders=True, why="it orders lines, and tmux or screen keeps CSI 8 l from it")
