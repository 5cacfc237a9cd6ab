"""The dashboard on a real workspace, driven by a pilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from engine.contract.workspace import Workspace
from slm_tui.app import SlmTui


@asynccontextmanager
async def dashboard(workspace: Workspace, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[None]]:
    """The dashboard after its first look at the workspace."""
    app = SlmTui(workspace)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.catalog is not None)
        await pilot.pause()
        yield pilot


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; the test's own time limit ends it."""
    while not condition():
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
