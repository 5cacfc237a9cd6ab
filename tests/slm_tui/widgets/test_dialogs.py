"""Questions with answers to choose from, and a line to fill in."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input, Static

from slm_tui.widgets.dialogs import Ask, Choice

CHOICES = [("keep", "keep editing", "k"), ("save", "save [it]", "s"), ("discard", "discard it", "d")]
BOTH = pytest.mark.parametrize("size", [(80, 24), (240, 70)], ids=["small", "large"])


def no_spaces(text: str) -> str | None:
    return f"{text!r} has a space" if " " in text else None


@BOTH
@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["enter"], "keep"),
        (["s"], "save"),
        (["down", "down", "enter"], "discard"),
        (["tab", "enter"], "save"),
        (["shift+tab", "enter"], "discard"),
        (["x", "escape"], None),
    ],
)
async def test_letters_arrows_and_tab_choose_and_the_first_answer_is_ready(
    size: tuple[int, int], keys: list[str], answer: str | None
) -> None:
    app: App[None] = App()
    async with app.run_test(size=size) as pilot:
        answers: list[str | None] = []
        await app.push_screen(Choice("Leave [now]?", "Something [is] lost.", CHOICES), answers.append)
        await pilot.press(*keys)
        await pilot.pause()
        assert answers == [answer]


@BOTH
async def test_a_line_is_taken_only_once_nothing_is_wrong_with_it(size: tuple[int, int]) -> None:
    app: App[None] = App()
    async with app.run_test(size=size) as pilot:
        answers: list[str | None] = []
        await app.push_screen(Ask("Name", "tiny", no_spaces), answers.append)
        await pilot.press("end", "space", "enter")
        await pilot.pause()
        assert str(app.screen.query_one(".problem", Static).content) == "'tiny ' has a space"
        assert answers == []
        await pilot.press("backspace", "2", "enter")
        await pilot.pause()
        assert answers == ["tiny2"]


async def test_the_first_text_can_be_taken_as_it_is_typed_over_or_left() -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        answers: list[str | None] = []
        for keys in (["enter"], ["x", "enter"], ["escape"]):
            await app.push_screen(Ask("Name", "tiny"), answers.append)
            assert isinstance(app.focused, Input)
            await pilot.press(*keys)
            await pilot.pause()
        assert answers == ["tiny", "x", None]


async def test_a_dialog_takes_one_answer_and_a_key_that_is_pressed_twice_closes_nothing_else() -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        answers: list[str | None] = []
        below: Screen[None] = Screen()
        await app.push_screen(below)
        await app.push_screen(Choice("Leave?", "", CHOICES), answers.append)
        for key in ("k", "k", "s", "escape"):
            app.simulate_key(key)
        await pilot.pause()
        assert answers == ["keep"]
        assert app.screen is below
