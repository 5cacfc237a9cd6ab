"""Runs side by side on the screen: its keys, and what becomes of it when runs change, vanish or are damaged."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from dashboards import app_of, dashboard, screen_text, sees, told, until
from textual.pilot import Pilot

from engine.contract.events import Eval, EventWriter, Prepared, RunEnded, RunStarted, Step
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.charts.series import METRICS
from slm_tui.screens.compare import CompareScreen
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.run import RunScreen
from slm_tui.settings import load_settings
from slm_tui.shipped import shipped_experiments
from slm_tui.widgets.chart_view import ChartView
from slm_tui.widgets.fact_table import FactTable


@pytest.fixture
def three(new_run: Callable[..., Run]) -> list[Run]:
    """Runs with best losses 4, 3 and 2, of which the last has another learning rate."""
    runs = []
    for loss in (4.0, 3.0, 2.0):
        steps = [
            Step(t=1_000.0 + step, step=step, loss=loss + 1 / step, lr=1e-3, grad_norm=1.0, tokens=128 * step)
            for step in range(1, 25)
        ]
        runs.append(
            new_run(
                [
                    RunStarted(t=1_000.0, pid=1, host="h"),
                    Prepared(t=1_000.0, directory="d", vocab_size=400, train_tokens=9, val_tokens=9, cached=True),
                    *steps,
                    Eval(t=1_025.0, step=24, train_loss=loss, val_loss=loss, bits_per_byte=1.0, best=True),
                    RunEnded(t=1_026.0, reason="finished"),
                ]
            )
        )
    file = runs[-1].experiment_file
    text = file.read_text(encoding="utf-8")
    assert "learning_rate = " in text
    file.write_text(text.replace("learning_rate = ", "learning_rate = 0.5 # "), encoding="utf-8")
    return runs


@asynccontextmanager
async def compared(
    workspace: Workspace, runs: list[Run], size: tuple[int, int] = (160, 48)
) -> AsyncIterator[Pilot[None]]:
    """The dashboard with these runs marked and compared, and read."""
    async with dashboard(workspace, size) as pilot:
        for run in runs:
            app_of(pilot).toggle_mark(run)
        pilot.app.screen.refresh_bindings()
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and bool(results(pilot).shown_keys))
        await until(pilot, lambda: len(screen(pilot)._feeds) == len(runs))
        await pilot.pause()
        yield pilot


def screen(pilot: Pilot[None]) -> CompareScreen:
    assert isinstance(pilot.app.screen, CompareScreen)
    return pilot.app.screen


def results(pilot: Pilot[None]) -> FactTable:
    return screen(pilot).query_one("#results", FactTable)


def focused_pane(pilot: Pilot[None]) -> str:
    focused = screen(pilot).focused
    assert focused is not None
    return next(str(widget.id) for widget in focused.ancestors_with_self if widget.has_class("pane"))


async def test_curves_results_and_differences_are_shown_together(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await sees(pilot, "1 chart", "2 results", "3 differences", "train.learning_rate", "0.5")
        seen = screen_text(pilot)
        for run, loss in zip(three, ("4.000", "3.000", "2.000"), strict=True):
            assert run.id[-4:] in seen and loss in seen
        assert isinstance(screen(pilot).focused, ChartView)


async def test_numbers_lead_to_the_panes_one_at_a_time_where_there_is_little_room(
    workspace: Workspace, three: list[Run]
) -> None:
    words = {"1": "a 4.000", "2": "perplexity", "3": "train.learning_rate"}
    async with compared(workspace, three, (80, 24)) as pilot:
        for key in ("3", "2", "1"):
            await pilot.press(key)
            await sees(pilot, words[key])
            assert focused_pane(pilot) == {"1": "chart-pane", "2": "results-pane", "3": "differences-pane"}[key]
            assert not any(words[other] in screen_text(pilot) for other in words if other != key)


async def test_m_charts_every_metric_in_turn(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        for metric in [*list(METRICS.values())[1:], METRICS["loss"]]:
            await pilot.press("m")
            assert screen(pilot).chart.metric is metric
            await sees(pilot, metric.title)


async def test_how_the_chart_is_drawn_is_kept_for_the_next_time(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.press("a", "X", "w")
        options = screen(pilot).chart.options
        settings, _ = load_settings()
        assert (settings.axis, settings.log_x, settings.smoothing) == (options.axis, options.x_log, options.smoothing)
        assert options.axis == "tokens" and options.x_log


async def test_a_run_is_dropped_and_the_others_keep_their_colours(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.press("2", "home")
        first = screen(pilot).chosen_run
        assert first is not None
        places = {run: screen(pilot)._places[run] for run in three}
        await pilot.press("x")
        await until(pilot, lambda: len(results(pilot).shown_keys) == 2)
        assert first.run not in app_of(pilot).marked and str(first.run) not in results(pilot).shown_keys
        kept = {place for run, place in places.items() if run != first.run}
        await until(pilot, lambda: {source.colour for source in screen(pilot).chart._sources} == kept)
        await pilot.press("x")
        await until(pilot, lambda: len(results(pilot).shown_keys) == 1)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert not app_of(pilot).marked


async def test_enter_opens_the_run_under_the_cursor_and_escape_leads_back(
    workspace: Workspace, three: list[Run]
) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.press("2", "j")
        chosen = screen(pilot).chosen_run
        assert chosen is not None
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run == chosen.run
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_the_chart_alone_and_all_again(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.press("f")
        await until(pilot, lambda: "2 results" not in screen_text(pilot))
        await pilot.press("f")
        await sees(pilot, "2 results")


async def test_a_live_run_goes_on_in_the_chart_and_in_the_results(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        say = EventWriter(three[0].metrics)
        say(Eval(t=1_030.0, step=24, train_loss=1.0, val_loss=1.5, bits_per_byte=1.0, best=True))
        say.close()
        await until(pilot, lambda: screen(pilot)._feeds[three[0]].status.evals[-1].val_loss == 1.5)
        app_of(pilot).look_again()
        await sees(pilot, "1.500")


async def test_a_run_deleted_while_it_is_compared_does_no_harm(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        shutil.rmtree(three[1].path)
        app_of(pilot).look_again()
        await until(pilot, lambda: str(three[1]) not in results(pilot).shown_keys)
        assert {str(three[0]), str(three[2])} == set(results(pilot).shown_keys)
        await pilot.press("2", "end", "i", "s", "c", "p", "m", "1", "left", "plus")
        assert isinstance(pilot.app.screen, CompareScreen)


async def test_a_run_that_cannot_be_read_leaves_the_others_readable(workspace: Workspace, three: list[Run]) -> None:
    three[1].experiment_file.write_text("[model\n", encoding="utf-8")
    async with dashboard(workspace, (160, 48)) as pilot:
        pilot.app.call_later(pilot.app.push_screen, CompareScreen(three))
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await sees(pilot, "compare", "4.000", "2.000")


async def test_a_terminal_of_20_by_5_and_back(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.resize_terminal(20, 5)
        await pilot.press("2", "j", "3", "k", "1", "left", "m")
        await pilot.resize_terminal(160, 48)
        await sees(pilot, "1 chart", "2 results", "3 differences")


async def test_runs_of_the_reference_s_experiments_stand_beside_its_figures(
    workspace: Workspace, three: list[Run]
) -> None:
    (shipped,) = (path for path in shipped_experiments() if path.stem == "tinystories_baseline")
    run = workspace.new_run(shipped.stem)
    shutil.copy(shipped, run.experiment_file)
    shutil.copy(three[0].metrics, run.metrics)
    async with compared(workspace, [three[1], run]) as pilot:
        await sees(pilot, "364.57", "with care", "TinyStoriesSLM.ipynb")
        await pilot.press("4")
        assert screen(pilot).focused is screen(pilot).query_one("#reference")


async def test_without_any_of_them_there_is_nothing_to_show(workspace: Workspace, three: list[Run]) -> None:
    async with compared(workspace, three) as pilot:
        await pilot.press("4")
        assert "none of these runs" in told(pilot)
        assert not screen(pilot).query_one("#reference-pane").display
