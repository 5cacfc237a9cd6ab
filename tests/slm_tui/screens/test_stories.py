"""The stories screen before a real generation process, with a real, tiny, briefly trained model."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import tomli
from dashboards import app_of, dashboard, screen_text, sees, told, until
from event_lines import tell_better
from textual.pilot import Pilot
from textual.widgets import Input

from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.stories import StoriesScreen
from slm_tui.story_book import kept_stories
from slm_tui.widgets.dialogs import Ask
from slm_tui.widgets.knobs import Knobs
from slm_tui.widgets.prompt_area import AsRead, PromptArea
from slm_tui.widgets.story_column import StoryColumn
from slm_tui.widgets.story_text import StoryText

pytestmark = pytest.mark.usefixtures("warm_generation")


@pytest.fixture
def workspace(trained_workspace: Workspace) -> Workspace:
    return trained_workspace


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return workspace.list_runs("tiny")[0]


@asynccontextmanager
async def opened(workspace: Workspace, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Pilot[None]]:
    """The stories of the run under the cursor, its checkpoint loaded."""
    async with dashboard(workspace, size) as pilot:
        await pilot.press("g")
        await until(pilot, lambda: isinstance(pilot.app.screen, StoriesScreen))
        await until(pilot, lambda: column(pilot).loaded is not None)
        yield pilot


def screen(pilot: Pilot[None]) -> StoriesScreen:
    assert isinstance(pilot.app.screen, StoriesScreen)
    return pilot.app.screen


def column(pilot: Pilot[None], number: int = 0) -> StoryColumn:
    return screen(pilot).columns[number]


async def set_knob(pilot: Pilot[None], name: str, value: str) -> None:
    screen(pilot).query_one(Knobs).query_one(f"#{name}", Input).value = value
    await pilot.pause()


async def written(pilot: Pilot[None]) -> str:
    """Wait for the end of what is being written; the text that is shown."""
    await until(pilot, lambda: bool(column(pilot).stories) and not any(each.writes for each in screen(pilot).columns))
    story = column(pilot).story
    assert story is not None and story.done is not None
    return story.text


async def test_a_prompt_becomes_a_story_that_is_kept_with_the_run(workspace: Workspace, run: Run) -> None:
    async with opened(workspace) as pilot:
        assert screen(pilot).query_one(PromptArea).text == "Once"
        await pilot.press(*"Once upon", "enter")  # what is there is selected, and gives way
        text = await written(pilot)
        assert text.startswith("Once upon") and len(text) > len("Once upon")
        assert isinstance(screen(pilot).focused, StoryText)
        await sees(pilot, "12 tokens", "tokens/s", "first after", "seed", "step 20", "cpu")
    (kept,) = kept_stories(run)
    assert (kept.text, kept.tokens, kept.checkpoint, kept.step) == (text, 12, "best", 20)


async def test_a_seed_repeats_a_story_and_a_temperature_of_0_needs_none(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await set_knob(pilot, "seed", "7")
        await pilot.press("enter")
        first = await written(pilot)
        await pilot.press("r")
        assert await written(pilot) == first
        await set_knob(pilot, "seed", "8")
        await pilot.press("r")
        assert await written(pilot) != first


async def test_a_wrong_setting_is_told_as_it_is_typed_and_nothing_is_written(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await set_knob(pilot, "top_p", "1.5")
        await sees(pilot, "top-p: must be")
        await pilot.press("enter")
        assert not column(pilot).stories and "top-p" in told(pilot)
        await set_knob(pilot, "top_p", "0.9")
        await until(pilot, lambda: "top-p: must be" not in screen_text(pilot))
        await pilot.press("enter")
        assert await written(pilot)


async def test_escape_stops_a_story_in_the_middle_and_then_leads_back(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await set_knob(pilot, "max_new_tokens", "100000")
        await set_knob(pilot, "temperature", "0")
        await pilot.press("enter")
        await until(pilot, lambda: bool(column(pilot).story and column(pilot).story.tokens > 3))  # type: ignore[union-attr]
        await pilot.press("escape")
        await written(pilot)
        await sees(pilot, "stopped")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_a_story_is_written_on_from_its_end_and_from_a_token(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await pilot.press("enter")
        first = await written(pilot)
        await pilot.press("c")
        second = await written(pilot)
        assert second.startswith(first) and len(second) > len(first)
        await pilot.press("left", "left", "left")
        await sees(pilot, "%")
        beginning = column(pilot).beginning
        assert second.startswith(beginning) and len(beginning) < len(second)
        await pilot.press("e")
        edited = screen(pilot).query_one(PromptArea).text
        assert edited.splitlines() == beginning.splitlines()  # a field knows only one kind of line end
        await pilot.press(*" x", "enter")
        assert (await written(pilot)).startswith(edited + " x")


async def test_the_token_under_the_cursor_tells_what_else_it_might_have_been(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await pilot.press("enter")
        await written(pilot)
        await pilot.press("p", "left")
        story = column(pilot).story
        assert story is not None and column(pilot).coloured
        token = story.pieces[-1].tokens[0]
        assert len(token.alternatives) == 5 and 0 <= token.probability <= 1
        await sees(pilot, f"token {token.id}:")
        await pilot.press("escape")
        await until(pilot, lambda: f"token {token.id}:" not in screen_text(pilot))
        assert isinstance(pilot.app.screen, StoriesScreen)


async def test_several_samples_are_leafed_through(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await set_knob(pilot, "num_samples", "3")
        await pilot.press("enter")
        await written(pilot)
        texts = [story.text for story in column(pilot).stories]
        assert len(set(texts)) == 3
        for number in (2, 3, 1):
            await pilot.press("right_square_bracket")
            await sees(pilot, f"sample {number} of 3")
            assert column(pilot).query_one(StoryText).text == texts[number - 1]


async def test_two_checkpoints_write_side_by_side_from_the_same_seed(workspace: Workspace) -> None:
    async with opened(workspace, (160, 40)) as pilot:
        await pilot.press("enter")
        await written(pilot)
        await pilot.press("v")
        await until(pilot, lambda: len(screen(pilot).columns) == 2 and column(pilot, 1).loaded is not None)
        await pilot.press("r")
        await written(pilot)
        first, second = column(pilot).story, column(pilot, 1).story
        assert first is not None and second is not None and first.done is not None and second.done is not None
        assert first.done.seed == second.done.seed
        assert column(pilot, 1).checkpoint == "last"
        await pilot.press("v")
        await until(pilot, lambda: len(screen(pilot).columns) == 1)


async def test_the_other_checkpoint_takes_over(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await pilot.press("enter")
        await written(pilot)
        await pilot.press("n")
        await until(pilot, lambda: column(pilot).loaded is not None and column(pilot).loaded.checkpoint == "last")  # type: ignore[union-attr]
        await pilot.press("r")
        assert await written(pilot)


async def test_a_story_is_copied_and_saved_as_it_is_read(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        await pilot.press("enter")
        text = await written(pilot)
        await pilot.press("y")
        assert pilot.app.clipboard == text
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        pilot.app.screen.query_one(Input).value = "read/this.txt"
        await pilot.press("enter")
        await until(pilot, lambda: "saved to" in told(pilot))
    story, _, settings = (workspace.root / "read" / "this.txt").read_text().rpartition("\n\n---\n")
    assert story == text and tomli.loads(settings)["checkpoint"] == "best"


async def test_earlier_prompts_come_back_with_the_arrow_up(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        for prompt in ("one", "two"):
            screen(pilot).query_one(PromptArea).set_text(prompt)
            await pilot.press("enter")
            await written(pilot)
            await pilot.press("enter")
        area = screen(pilot).query_one(PromptArea)
        await pilot.press("up", "up")
        assert area.text == "one"
        await pilot.press("down")
        assert area.text == "two"


async def test_a_process_that_is_killed_is_told_and_started_again_by_the_next_request(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        process = column(pilot)._generator._process
        assert process is not None
        process.kill()
        await sees(pilot, "the generation process is gone")
        await pilot.press("enter")
        assert await written(pilot)
        assert app_of(pilot).is_running


async def test_a_run_without_a_checkpoint_says_so(workspace: Workspace, run: Run) -> None:
    shutil.rmtree(run.checkpoints)
    async with dashboard(workspace, (100, 30)) as pilot:
        await pilot.press("g")
        await sees(pilot, "the generation process is gone", "has no best")


async def test_a_better_checkpoint_is_offered(workspace: Workspace, run: Run) -> None:
    async with opened(workspace) as pilot:
        await pilot.press("enter")
        await written(pilot)
        tell_better(run, step=21)
        app_of(pilot).look_again()
        await sees(pilot, "a better checkpoint")
        before = column(pilot).loaded
        await pilot.press("u")
        await until(pilot, lambda: column(pilot).loaded is not None and column(pilot).loaded is not before)


async def test_an_arabic_prompt_is_shown_as_it_is_read_with_its_cursor(workspace: Workspace) -> None:
    async with opened(workspace) as pilot:
        prompt, as_read = screen(pilot).query_one(PromptArea), screen(pilot).query_one(AsRead)
        assert prompt.border_title == "prompt" and not as_read.display
        prompt.set_text("كان يا")
        await sees(pilot, "as read", "ﺎﻳ ﻥﺎﻛ", "prompt, in the order of typing")
        assert as_read.size.height == 1
        marked = as_read.query_one(StoryText)
        assert marked._mark is None  # the cursor is at the end
        await pilot.press("left", "left")
        assert marked._mark == (4, 5)
        prompt.set_text("كان\nيا\nما\nكان")
        await until(pilot, lambda: as_read.size.height == 3)
        await pilot.press("tab")
        assert screen(pilot).focused is not marked  # it is not for typing
        prompt.set_text("Once")
        await until(pilot, lambda: not as_read.display and prompt.border_title == "prompt")


@pytest.mark.parametrize("size", [(20, 5), (80, 24), pytest.param((160, 48), marks=pytest.mark.slow)], ids=str)
async def test_every_size_of_terminal_bears_a_story(workspace: Workspace, size: tuple[int, int]) -> None:
    async with opened(workspace, size) as pilot:
        await pilot.press("enter")
        await written(pilot)
        await pilot.press("p", "left", "v", "tab", "tab", "down", "up")
        await pilot.resize_terminal(20, 5)
        await pilot.resize_terminal(100, 30)
        assert isinstance(pilot.app.screen, StoriesScreen)
