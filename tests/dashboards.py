"""The dashboard on a real workspace, driven by a pilot."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from engine.runs.workspace import Workspace
from slm_tui.app import SlmTui

_PATIENCE_SECONDS = 20.0  # with other work on the same cores, an engine starts slowly


@asynccontextmanager
async def dashboard(workspace: Workspace, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[None]]:
    """The dashboard after its first look at the workspace."""
    app = SlmTui(workspace)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.catalog is not None)
        await pilot.pause()
        yield pilot


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; one that never does fails with what is on the screen."""
    over = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < over, f"in vain:\n{screen_text(pilot)}\n{told(pilot)}"
        await pilot.pause(0.01)


def app_of(pilot: Pilot[None]) -> SlmTui:
    assert isinstance(pilot.app, SlmTui)
    return pilot.app


def told(pilot: Pilot[None]) -> str:
    """All that notifications have said."""
    return "\n".join(notification.message for notification in pilot.app._notifications)


def screen_text(pilot: Pilot[None]) -> str:
    """The words on the screen, as a person sees them."""
    return "\n".join(strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())


async def sees(pilot: Pilot[None], *words: str) -> None:
    """Wait until the screen shows all of `words`."""
    await until(pilot, lambda: all(word in screen_text(pilot) for word in words))
