"""The first screen: what it lists, where its keys lead, and what they do to experiments and runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dashboards import app_of, dashboard, screen_text, sees, told, until
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Static

from engine.contract.events import Eval, Event, Prepared, RunEnded, RunStarted, Step
from engine.runs.notes import read_notes
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.screens.compare import CompareScreen
from slm_tui.screens.editor import EditorScreen
from slm_tui.screens.help import HelpScreen
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.jump import JumpScreen
from slm_tui.screens.run import RunScreen
from slm_tui.widgets.dialogs import Ask, Choice
from slm_tui.widgets.first_steps import FirstSteps
from slm_tui.widgets.run_header import RunHeader
from slm_tui.widgets.run_view import RunView

STAND_IN = Path(__file__).parent.parent / "stand_in.py"


def finished(loss: float) -> tuple[Event, ...]:
    prepared = Prepared(directory="d", vocab_size=400, train_tokens=1000, val_tokens=100, cached=True)
    evaluation = Eval(step=1, train_loss=loss, val_loss=loss, bits_per_byte=1.0, best=True)
    step = Step(step=1, loss=loss, lr=1e-3, grad_norm=1.0, tokens=10)
    return RunStarted(1, "h"), prepared, step, evaluation, RunEnded("finished")


def home(pilot: Pilot[None]) -> HomeScreen:
    screen = pilot.app.screen
    assert isinstance(screen, HomeScreen)
    return screen


@pytest.fixture
def two(workspace: Workspace, tiny: str) -> Workspace:
    """A second experiment, `other`, which is broken."""
    (workspace.experiments / "other.toml").write_text(tiny.replace("n_layer = 2", "n_layer = 'two'"), encoding="utf-8")
    return workspace


async def test_every_experiment_is_listed_and_a_broken_one_says_why(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        assert home(pilot).experiments.shown_keys == ["other", "tiny"]
        about = str(home(pilot).query_one("#about", Static).visual)
        assert "n_layer" in about and "broken" in about


async def test_files_that_appear_change_or_vanish_are_noticed(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        (two.experiments / "new.toml").write_text("")
        await until(pilot, lambda: "new" in home(pilot).experiments.shown_keys)
        (two.experiments / "other.toml").unlink()
        await until(pilot, lambda: home(pilot).experiments.shown_keys == ["new", "tiny"])
        (two.experiments / "new.toml").write_text((two.experiments / "tiny.toml").read_text())
        await until(pilot, lambda: not app_of(pilot).catalog.experiments[0].facts.problems)  # type: ignore[union-attr]


async def test_typing_filters_and_escape_shows_all_again(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        await pilot.press("slash", *"small as it")
        await until(pilot, lambda: home(pilot).experiments.shown_keys == ["tiny"])
        await pilot.press("enter")
        assert home(pilot).focused is home(pilot).experiments
        await pilot.press("escape")
        await until(pilot, lambda: home(pilot).experiments.shown_keys == ["other", "tiny"])


async def test_the_first_of_those_that_a_filter_leaves_is_chosen(two: Workspace, tiny: str) -> None:
    for name in ("tiny2", "tiny3"):
        (two.experiments / f"{name}.toml").write_text(tiny, encoding="utf-8")
    async with dashboard(two) as pilot:
        await pilot.press("end")
        assert home(pilot).chosen_experiment == "tiny3"
        await pilot.press("slash", *"tiny", "enter")
        await until(pilot, lambda: home(pilot).chosen_experiment == "tiny")
        await pilot.press("down")
        app_of(pilot).look_again()
        (two.experiments / "tiny4.toml").write_text(tiny, encoding="utf-8")
        await until(pilot, lambda: "tiny4" in home(pilot).experiments.shown_keys)
        assert home(pilot).chosen_experiment == "tiny2"  # what is found anew moves no cursor
        await pilot.press("escape")
        await until(pilot, lambda: "other" in home(pilot).experiments.shown_keys)
        assert home(pilot).chosen_experiment == "tiny2"


async def test_escape_leaves_the_filter_while_it_is_typed(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        await pilot.press("slash", *"tiny", "escape")
        await until(pilot, lambda: len(home(pilot).experiments.shown_keys) == 2)
        assert home(pilot).focused is home(pilot).experiments and not home(pilot).query_one("#filter", Input).display


async def test_sorting_is_remembered(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        await pilot.press("o", "O")
        assert home(pilot).experiments.sort_title == "experiment"
        assert home(pilot).experiments.shown_keys == ["tiny", "other"]
    async with dashboard(two) as pilot:
        assert home(pilot).experiments.shown_keys == ["tiny", "other"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=["narrow", "wide", "very wide"])
async def test_enter_goes_from_experiment_to_runs_to_charts_and_escape_back(
    workspace: Workspace, new_run: Callable[..., Run], size: tuple[int, int]
) -> None:
    run = new_run(finished(3.0))
    async with dashboard(workspace, size) as pilot:
        await pilot.press("enter")
        assert home(pilot).focused is home(pilot).runs and home(pilot).runs.region.height > 0
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert pilot.app.screen.run == run  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("escape")
        assert home(pilot).focused is home(pilot).experiments and home(pilot).experiments.region.height > 0


async def test_a_very_wide_terminal_shows_the_charts_of_the_run_under_the_cursor(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    older, newer = new_run(finished(3.0)), new_run(finished(2.0))
    async with dashboard(workspace, (200, 50)) as pilot:
        await until(pilot, lambda: bool(pilot.app.screen.query(RunView)))
        view = pilot.app.screen.query_one(RunView)
        await until(pilot, lambda: view.feed is not None and view.feed.run == newer)
        await pilot.press("enter", "down")
        await until(pilot, lambda: view.feed is not None and view.feed.run == older)
        assert "best 3.000" in str(view.query_one(RunHeader).visual)


async def test_a_run_is_started_and_watched_and_goes_on_when_the_dashboard_quits(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await pilot.press("q")
    [run] = workspace.list_runs()
    while (state := run.state()) != "finished":
        assert state in ("queued", "preparing", "training"), run.log.read_text()


async def test_a_run_is_started_with_overrides_that_are_checked_as_they_are_typed(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(*"train.max_stepz=3", "enter")
        assert isinstance(pilot.app.screen, Ask) and not workspace.list_runs()
        pilot.app.screen.query_one(Input).value = "train.max_steps=5 train.warmup_steps=1"
        await pilot.press("enter")
        await until(pilot, lambda: bool(workspace.list_runs()) and workspace.list_runs()[0].experiment_file.exists())
        assert workspace.list_runs()[0].experiment().train.max_steps == 5


async def test_stopping_asks_once_and_a_live_run_is_not_deleted(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run()
    with subprocess.Popen([sys.executable, STAND_IN, str(run.path)], stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None and engine.stdout.readline() == b"ready\n"
        async with dashboard(workspace) as pilot:
            await pilot.press("enter", "x")
            await until(pilot, lambda: "stop it first" in told(pilot))
            await pilot.press("s")
            await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
            await pilot.press("s")
            await until(pilot, lambda: engine.poll() is not None)
            await until(pilot, lambda: app_of(pilot).catalog.runs()[0].facts.state == "stopped")  # type: ignore[union-attr]
    assert run.path.is_dir()


async def test_deleting_asks_first(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(finished(3.0))
    async with dashboard(workspace) as pilot:
        await pilot.press("enter", "x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("enter")  # the first answer loses nothing
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert run.path.is_dir()
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("d")
        await until(pilot, lambda: not run.path.exists())
        await until(pilot, lambda: not app_of(pilot).catalog.runs())  # type: ignore[union-attr]


async def test_an_experiment_is_copied_edited_renamed_and_deleted(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        pilot.app.screen.query_one(Input).value = "copy"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        assert (workspace.experiments / "copy.toml").read_bytes() == (workspace.experiments / "tiny.toml").read_bytes()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await until(pilot, lambda: home(pilot).experiments.cursor_key == "copy")
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        pilot.app.screen.query_one(Input).value = "tiny"
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, Ask), "the name is taken"
        pilot.app.screen.query_one(Input).value = "better"
        await pilot.press("enter")
        await until(pilot, lambda: "better" in home(pilot).experiments.shown_keys)
        home(pilot).experiments.go_to("better")
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("d")
        await until(pilot, lambda: home(pilot).experiments.shown_keys == ["tiny"])


async def test_marked_runs_are_compared(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    worse, better = new_run(finished(3.0)), new_run(finished(2.0))
    async with dashboard(workspace) as pilot:
        await pilot.press("space")
        assert list(app_of(pilot).marked) == [better], "on an experiment, its best run"
        await pilot.press("enter")
        home(pilot).runs.go_to(worse.id)
        await pilot.press("space", "v")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("space")
        assert list(app_of(pilot).marked) == [better]


async def test_tags_and_notes_are_kept_with_the_run(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(finished(3.0))
    async with dashboard(workspace) as pilot:
        await pilot.press("i")
        await pilot.pause()
        await pilot.press(*"paper final", "tab", *"good", "ctrl+s")
        await until(pilot, lambda: read_notes(run).notes == "good")
        assert read_notes(run).tags == ("paper", "final")


async def test_an_empty_workspace_offers_the_shipped_experiments(tmp_path: Path) -> None:
    async with dashboard(Workspace(tmp_path)) as pilot:
        assert home(pilot).query_one(FirstSteps).display
        assert isinstance(pilot.app.focused, Button)
        await pilot.press("enter")
        await until(pilot, lambda: "quickstart" in home(pilot).experiments.shown_keys)
        assert not home(pilot).query_one(FirstSteps).display
        await until(pilot, lambda: home(pilot).focused is home(pilot).experiments)


async def test_help_shows_the_keys_of_what_is_before_it(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        words = "\n".join(str(widget.visual) for widget in pilot.app.screen.query(".help-group"))
        assert "Experiments and runs" in words and "Charts" not in words
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_a_jump_goes_to_what_is_typed(two: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(finished(3.0))
    async with dashboard(two) as pilot:
        await pilot.press("ctrl+o", *"tiny", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert home(pilot).experiments.cursor_key == "tiny"
        await pilot.press("ctrl+o", *run.id, "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_lists_and_jumps_say_that_a_run_was_imported(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    new_run((RunStarted(1, "h"), RunEnded("finished")))
    async with dashboard(workspace, (160, 48)) as pilot:
        await sees(pilot, "trained elsewhere")
        lists = screen_text(pilot)
        assert lists.count("imported  ") >= 3 and "finished" not in lists and " 0 s" not in lists
        await pilot.press("3")
        await pilot.pause()
        assert home(pilot).experiments.has_focus  # there is no chart to go to
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, JumpScreen))
        await pilot.pause()
        listed = pilot.app.screen.query_one(OptionList)
        assert "imported" in str(listed.get_option_at_index(1).prompt)


async def test_keys_can_be_remapped(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    from slm_tui.settings import Settings, save_settings

    new_run(finished(3.0))
    save_settings(Settings(keys={"run.mark": "u"}))
    async with dashboard(workspace) as pilot:
        await pilot.press("space")
        assert not app_of(pilot).marked
        await pilot.press("u")
        assert app_of(pilot).marked


async def test_the_theme_is_remembered(workspace: Workspace) -> None:
    async with dashboard(workspace) as pilot:
        assert pilot.app.theme == "slm-dark"
        await pilot.press("t")
        assert pilot.app.theme == "slm-light"
    async with dashboard(workspace) as pilot:
        assert pilot.app.theme == "slm-light"


async def test_it_bears_a_terminal_of_20_by_5_and_back(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    new_run(finished(3.0))
    async with dashboard(workspace, (200, 50)) as pilot:
        await pilot.resize_terminal(20, 5)
        await pilot.press("j", "enter", "enter")
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_a_jump_asks_before_it_leaves_unsaved_text(two: Workspace) -> None:
    async with dashboard(two) as pilot:
        home(pilot).go_to("tiny")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        await pilot.press("x", "ctrl+o", *"tiny", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("k")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        await pilot.press("ctrl+o", *"tiny", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
