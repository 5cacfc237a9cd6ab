"""The line of keys: what it has room for, and that it can be clicked."""

from __future__ import annotations

from dashboards import dashboard, screen_text, until
from textual.pilot import Pilot

from engine.runs.workspace import Workspace
from slm_tui.screens.help import HelpScreen
from slm_tui.widgets.key_bar import KeyBar


def line(pilot: Pilot[None]) -> str:
    """As it stands on the screen."""
    return screen_text(pilot).splitlines()[-1]


async def test_a_key_is_pressed_by_a_click_on_it(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await until(pilot, lambda: "help" in line(pilot))
        await pilot.click(KeyBar, offset=(line(pilot).index("help"), 0))
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))


async def test_where_there_is_little_room_help_and_quit_stay(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await until(pilot, lambda: "edit" in line(pilot))
        await pilot.resize_terminal(26, 24)
        await until(pilot, lambda: "edit" not in line(pilot))
        assert "open" in line(pilot) and line(pilot).endswith("? help  q quit")


async def test_more_room_is_used_at_once(workspace: Workspace) -> None:
    async with dashboard(workspace, (100, 30)) as pilot:
        await until(pilot, lambda: "filter" in line(pilot))
        whole = line(pilot)
        for size in ((20, 6), (100, 30), (60, 20)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: line(pilot).endswith("? help  q quit"))
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: line(pilot) == whole)
