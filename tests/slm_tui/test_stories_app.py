"""The stories of one run for strangers: they write, and nothing else is within their reach."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dashboards import screen_text, sees, told, until
from event_lines import tell_better
from textual.pilot import Pilot
from textual.widgets import Input

from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.keys import KEYS
from slm_tui.screens.help import HelpScreen, keys_of
from slm_tui.screens.stories import StoriesScreen
from slm_tui.settings import settings_file
from slm_tui.stories_app import StoriesApp
from slm_tui.story_book import stories_file
from slm_tui.widgets.knobs import Knobs
from slm_tui.widgets.prompt_area import PromptArea
from slm_tui.widgets.story_text import StoryText

pytestmark = pytest.mark.usefixtures("warm_generation")


@pytest.fixture
def run(trained_workspace: Workspace) -> Run:
    return trained_workspace.list_runs("tiny")[0]


@asynccontextmanager
async def visit(run: Run, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Pilot[None]]:
    """The app before a visitor, its checkpoint loaded."""
    async with StoriesApp(run, "best", "slm-dark").run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, StoriesScreen))
        await sees(pilot, "ready, loaded")
        yield pilot


def screen(pilot: Pilot[None]) -> StoriesScreen:
    assert isinstance(pilot.app.screen, StoriesScreen)
    return pilot.app.screen


async def written(pilot: Pilot[None]) -> str:
    column = screen(pilot).column
    await until(pilot, lambda: column.story is not None and not column.writes)
    assert column.story is not None
    return column.story.text


async def set_knob(pilot: Pilot[None], name: str, value: str) -> None:
    screen(pilot).query_one(Knobs).query_one(f"#{name}", Input).value = value
    await pilot.pause()


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_visitor_writes_a_story_of_which_nothing_is_kept(trained_workspace: Workspace, run: Run) -> None:
    stories_file(run).write_text('{"prompt":"somebody\'s secret"}\n')
    before = everything_in(trained_workspace.root)
    async with visit(run) as pilot:
        assert screen(pilot).query_one(PromptArea).text == "Once"
        await pilot.press(*"Once upon", "enter")  # what is there is selected, and gives way
        assert (await written(pilot)).startswith("Once upon")
        await pilot.press("t", "enter", "up", "up")
        assert screen(pilot).query_one(PromptArea).text == "Once"
    assert everything_in(trained_workspace.root) == before
    assert not settings_file().exists()


async def test_no_key_of_the_dashboard_leads_anywhere_else(run: Run) -> None:
    keys = {name for group in KEYS.values() for key in group for name in key.keys.split(",")}
    keys |= {"ctrl+p", "ctrl+q", "ctrl+c", "ctrl+z", "ctrl+d", "ctrl+backslash", "f2", "f12", "colon"}
    async with visit(run) as pilot:
        await pilot.press("enter")
        await written(pilot)
        for key in sorted(keys):
            screen(pilot).query(StoryText).first().focus()
            await pilot.press(key)
            if isinstance(pilot.app.screen, HelpScreen):
                assert key in ("question_mark", "f1")
                await pilot.press("escape")
            elif key == "w":  # here, in a terminal, it asks for a file; on a web page it is a download
                await pilot.press("escape")
            assert [type(each) for each in pilot.app.screen_stack[1:]] == [StoriesScreen], key
            assert pilot.app.is_running and pilot.app.return_code is None, key


async def test_only_keys_that_work_here_are_told(run: Run) -> None:
    async with visit(run) as pilot:
        await pilot.press("enter")
        await written(pilot)
        actions = {(group, key.action) for group, key, _ in keys_of(screen(pilot))}
        assert {action for group, action in actions if group == "app"} == {"help", "theme"}
        assert {group for group, _ in actions} == {"app", "stories"}
        await pilot.press("question_mark")
        await sees(pilot, "keys that work here")
        assert "settings.toml" not in screen_text(pilot)


async def test_the_help_speaks_of_nothing_that_is_not_there(run: Run) -> None:
    async with visit(run, (100, 40)) as pilot:
        await pilot.press("enter")
        await written(pilot)
        await pilot.press("question_mark")
        await sees(pilot, "keys that work here", "Stop writing; then put the cursor away.", "the other checkpoint.")
        assert "go back" not in screen_text(pilot) and "marked" not in screen_text(pilot)


async def test_a_better_checkpoint_is_offered(run: Run) -> None:
    async with visit(run) as pilot:
        await pilot.press("enter")
        await written(pilot)
        tell_better(run, step=21)
        await sees(pilot, "a better checkpoint, of step 21")
        column = screen(pilot).column
        before = column.loaded
        await pilot.press("u")
        await until(pilot, lambda: column.loaded is not None and column.loaded is not before)


async def test_why_no_story_can_be_written_is_for_the_owner_alone(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    async with visit(run) as pilot:
        process = screen(pilot).column._generator._process
        assert process is not None
        shutil.rmtree(run.checkpoints)
        process.kill()
        await sees(pilot, "No story can be written now.")
        await pilot.press("enter")
        await until(pilot, lambda: "has no best checkpoint" in capfd.readouterr().err)
        await sees(pilot, "No story can be written now.")
        assert run.id not in screen_text(pilot).partition("\n")[2]


async def test_why_a_translation_cannot_be_had_is_for_the_owner_alone(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    models = 'prompt_model = "models/to-english"\nstory_model = "models/to-arabic"\n'
    (run.workspace_folder / "models" / "to-english").mkdir(parents=True)
    with open(run.experiment_file, "a", encoding="utf-8") as file:
        file.write(f"\n[sampling.translate]\n{models}")
    async with visit(run) as pilot:
        await pilot.press("enter")
        await sees(pilot, "No story can be written now.")
        assert "models/" not in screen_text(pilot)
        assert 'sampling.translate.prompt_model = "models/to-english"' in capfd.readouterr().err


async def test_where_a_browser_forbids_to_copy_no_key_offers_it(run: Run) -> None:
    async with visit(run) as pilot:
        await pilot.press("enter")
        await written(pilot)
        for can_copy in (True, False):
            screen(pilot).app.can_copy = can_copy
            assert ("copy" in {key.action for _, key, _ in keys_of(screen(pilot))}) is can_copy


@pytest.mark.parametrize(("name", "value", "most"), [("max_new_tokens", "2001", 2000), ("num_samples", "5", 4)])
async def test_a_visitor_cannot_have_more_than_others_need_too(run: Run, name: str, value: str, most: int) -> None:
    async with visit(run) as pilot:
        await set_knob(pilot, name, value)
        await pilot.press("enter")
        assert f"at most {most:_}" in told(pilot)
        assert screen(pilot).column.story is None
        await set_knob(pilot, name, "1")
        await pilot.press("enter")
        assert await written(pilot)


async def test_a_prompt_has_an_end(run: Run) -> None:
    async with visit(run) as pilot:
        prompt = screen(pilot).query_one(PromptArea)
        prompt.insert("x" * 30_000)
        prompt.insert("y")
        assert len(prompt.text) == 20_000 and "y" not in prompt.text
        prompt.delete((0, 0), (0, 10))
        prompt.insert("z" * 20)
        assert len(prompt.text) == 20_000 and prompt.text.count("z") == 10
        prompt.set_text("x" * 20_001)  # as a story is that is put there to be changed
        await pilot.press("enter")
        assert "at most 20,000 characters" in told(pilot) and screen(pilot).column.story is None


async def test_the_settings_of_a_run_that_writes_at_length_are_lowered(run: Run) -> None:
    text = run.experiment_file.read_text().replace("max_new_tokens = 12", "max_new_tokens = 90000")
    run.experiment_file.write_text(text)
    async with visit(run) as pilot:
        assert screen(pilot).query_one("#max_new_tokens", Input).value == "2000"
        assert screen(pilot).query_one(Knobs).problem is None
