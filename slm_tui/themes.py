"""The dashboard's own themes. Any of Textual's may be chosen instead, from the palette."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.theme import Theme

DARK = Theme(
    name="slm-dark",
    primary="#7aa2f7",
    secondary="#9aa5ce",
    accent="#e0af68",
    success="#8fce8b",
    warning="#e0af68",
    error="#f7768e",
    foreground="#d5d9e6",
    background="#14161e",
    surface="#191c26",
    panel="#242836",
    dark=True,
    variables={"border": "#3a4056", "border-blurred": "#2b3042", "footer-key-foreground": "#e0af68"},
)
LIGHT = Theme(
    name="slm-light",
    primary="#2f5fc4",
    secondary="#5a6480",
    accent="#9a5b00",
    success="#2b7a3b",
    warning="#8a5a00",
    error="#c02648",
    foreground="#23283a",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e6e3db",
    dark=False,
    variables={"border": "#b9b4a6", "border-blurred": "#d5d1c6", "footer-key-foreground": "#9a5b00"},
)
THEMES = (DARK, LIGHT)

_STATE_COLOURS = {
    "queued": "secondary",
    "preparing": "secondary",
    "training": "primary",
    "finished": "success",
    "early_stopped": "success",
    "imported": "success",
    "stopped": "warning",
    "failed": "error",
    "diverged": "error",
    "lost": "error",
    "broken": "error",
    "no file": "warning",
}


def state_style(app: App[Any], state: str) -> str:
    """The colour of a run's or a file's state in the current theme; the state itself is always written, too."""
    variable = _STATE_COLOURS.get(state)
    return app.theme_variables[variable] if variable else ""
