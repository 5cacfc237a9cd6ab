"""A screen knows how much room there is before it is drawn, and when that changes."""

from __future__ import annotations

import pytest
from textual.app import App

from slm_tui.screens.sized import Sized


class Seen(Sized[None]):
    at_first: frozenset[str]

    def on_mount(self) -> None:
        self.at_first = self.classes


class Own(Seen):
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (120, "-huge")]


class Shown(App[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-very-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]


@pytest.mark.parametrize(
    ("size", "classes", "own"),
    [
        ((80, 24), {"-narrow", "-low"}, {"-tiny", "-low"}),
        ((110, 31), {"-wide", "-low"}, {"-tiny", "-low"}),
        ((160, 48), {"-very-wide", "-tall"}, {"-huge", "-tall"}),
    ],
)
async def test_the_classes_of_its_size_are_there_before_it_is_drawn(
    size: tuple[int, int], classes: set[str], own: set[str]
) -> None:
    app = Shown()
    async with app.run_test(size=size) as pilot:
        for screen, wanted in ((Seen(), classes), (Own(), own)):
            await app.push_screen(screen)
            await pilot.pause()
            assert screen.at_first == screen.classes == wanted


async def test_they_change_with_the_size() -> None:
    app = Shown()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = Seen()
        await app.push_screen(screen)
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        assert screen.classes == {"-very-wide", "-tall"}


async def test_without_breakpoints_there_are_no_classes() -> None:
    app = App[None]()
    async with app.run_test():
        screen = Seen()
        await app.push_screen(screen)
        assert screen.at_first == frozenset()
