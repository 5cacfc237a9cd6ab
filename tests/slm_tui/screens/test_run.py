"""One run on the screen: its keys, its tabs, and what becomes of them where the run is broken, gone or hostile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from dashboards import app_of, dashboard, screen_text, sees, told, until
from support import stand_in
from textual.actions import parse
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widgets import Input, TabbedContent

from engine.contract.events import (
    Checkpoint,
    Eval,
    Event,
    EventWriter,
    Prepared,
    RunEnded,
    RunStarted,
    Sample,
    Step,
    Warning,
    encode,
)
from engine.runs.notes import RunNotes, read_notes, write_notes
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.app import SlmTui
from slm_tui.feed import open_feed
from slm_tui.keys import KEYS, key_id
from slm_tui.screens.compare import CompareScreen
from slm_tui.screens.editor import EditorScreen
from slm_tui.screens.help import HelpScreen
from slm_tui.screens.home import HomeScreen
from slm_tui.screens.notes import NotesScreen
from slm_tui.screens.run import RunScreen
from slm_tui.screens.stories import StoriesScreen
from slm_tui.widgets.chart_view import ChartView
from slm_tui.widgets.dialogs import Ask, Choice
from slm_tui.widgets.fact_table import FactTable
from slm_tui.widgets.log_view import LogLines
from slm_tui.widgets.run_header import RunHeader
from slm_tui.widgets.run_view import RunView

TABS = {"1": "charts", "2": "log", "3": "samples", "4": "config", "5": "system"}
OWNERS: dict[str, type[DOMNode]] = {
    "app": SlmTui,
    "experiments": HomeScreen,
    "table": FactTable,
    "run": RunScreen,
    "log": LogLines,
    "chart": ChartView,
    "compare": CompareScreen,
    "editor": EditorScreen,
    "stories": StoriesScreen,
}
STARTED = RunStarted(t=1_000.0, pid=1, host="h")
PREPARED = Prepared(t=1_001.0, directory="d", vocab_size=400, train_tokens=1000, val_tokens=100, cached=True)
FINISHED = RunEnded(t=1_020.0, reason="finished")


def steps(*losses: float | None) -> list[Event]:
    return [
        Step(t=1_002.0 + place, step=place + 1, loss=loss, lr=1e-3, grad_norm=1.0, tokens=128 * (place + 1))
        for place, loss in enumerate(losses)
    ]


def evaluation(step: int = 3, loss: float = 3.0) -> Eval:
    return Eval(t=1_010.0, step=step, train_loss=loss, val_loss=loss, bits_per_byte=1.0, best=True)


def story(text: str) -> Sample:
    return Sample(t=1_011.0, step=3, prompt="Once", text=text)


WHOLE = [STARTED, PREPARED, *steps(6.0, 5.0, 4.0), evaluation(), story("Once there was a hen."), FINISHED]


@asynccontextmanager
async def shown(workspace: Workspace, run: Run, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    """The dashboard with the run on its screen, and read."""
    async with dashboard(workspace, size) as pilot:
        await open_run(pilot, run)
        yield pilot


async def open_run(pilot: Pilot[None], run: Run) -> None:
    pilot.app.call_later(pilot.app.push_screen, RunScreen(run))
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and view(pilot).feed is not None)
    await pilot.pause()


def screen(pilot: Pilot[None]) -> RunScreen:
    assert isinstance(pilot.app.screen, RunScreen)
    return pilot.app.screen


def view(pilot: Pilot[None]) -> RunView:
    return screen(pilot).query_one(RunView)


def active(pilot: Pilot[None]) -> str:
    return screen(pilot).query_one("#tabs", TabbedContent).active


def lines(pilot: Pilot[None]) -> LogLines:
    return screen(pilot).query_one(LogLines)


async def trained(pilot: Pilot[None]) -> None:
    """Wait until the run that is shown has finished, and its engine is gone."""
    await until(pilot, lambda: view(pilot).state == "finished")
    await until(pilot, lambda: all(child.returncode is not None for child in app_of(pilot)._children))


async def all_read(pilot: Pilot[None]) -> None:
    """Wait until no thread reads for a view."""
    await until(pilot, lambda: all(worker.is_finished or worker.name == "catalog" for worker in pilot.app.workers))
    await pilot.pause()


async def look_at_every_tab(pilot: Pilot[None]) -> str:
    """All that is to be seen of the run."""
    seen = []
    for key in TABS:
        await pilot.press(key)
        await all_read(pilot)
        seen.append(screen_text(pilot))
    return "\n".join(seen)


# keys


@pytest.mark.parametrize("group", KEYS)
def test_every_key_leads_to_an_action_that_there_is(group: str) -> None:
    for key in KEYS[group]:
        _, name, _ = parse(key.action)
        assert callable(getattr(OWNERS[group], f"action_{name}", None)), f"{group}.{key.action}"
    known = {key_id(group, key) for key in KEYS[group]}
    bound = {binding.id for _, binding in OWNERS[group]._merged_bindings or () if binding.id}  # type: ignore[misc]
    assert known <= (bound or known)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["narrow", "wide"])
async def test_numbers_lead_to_the_tabs_and_the_charts_come_first(
    workspace: Workspace, new_run: Callable[..., Run], size: tuple[int, int]
) -> None:
    run = new_run(WHOLE)
    run.log.write_text("preparing the data\n", encoding="utf-8")
    words = {"2": "preparing the data", "3": "there was a hen", "4": "n_layer", "5": "process", "1": "perplexity"}
    async with shown(workspace, run, size) as pilot:
        assert active(pilot) == "charts" and isinstance(screen(pilot).focused, ChartView)
        for key, word in words.items():
            await pilot.press(key)
            assert active(pilot) == TABS[key]
            await sees(pilot, word)


async def test_what_a_file_says_now_is_compared_with_what_ran(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    file = workspace.experiments / "tiny.toml"
    async with shown(workspace, run) as pilot:
        await pilot.press("4")
        await sees(pilot, "As in experiments/tiny.toml now")
        file.write_text(file.read_text().replace("n_layer = 2", "n_layer = 3"), encoding="utf-8")
        await pilot.press("1", "4")
        await sees(pilot, "model.n_layer", "in the file now")
        file.unlink()
        await pilot.press("1", "4")
        await sees(pilot, "experiments/tiny.toml is gone")


async def test_a_live_run_is_stopped_after_a_question(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run) as engine:
        async with shown(workspace, run) as pilot:
            await until(pilot, lambda: screen(pilot).chosen_run is not None)
            await pilot.press("s")
            await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
            await pilot.press("escape")
            assert engine.poll() is None
            await pilot.press("s")
            await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
            await pilot.press("s")
            await until(pilot, lambda: engine.poll() is not None)
            await until(pilot, lambda: view(pilot).state == "stopped")


async def test_a_run_that_has_ended_cannot_be_stopped_nor_a_finished_one_continued(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    async with shown(workspace, new_run(WHOLE)) as pilot:
        enabled = {active.binding.id for active in screen(pilot).active_bindings.values() if active.enabled}
        assert "run.delete" in enabled and not enabled & {"run.stop", "run.resume"}


async def test_a_stopped_run_goes_on(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run([STARTED, RunEnded(reason="stopped")])
    async with shown(workspace, run) as pilot:
        await pilot.press("c")
        await trained(pilot)
    assert run.state() == "finished"


async def test_a_run_is_repeated_and_the_new_one_is_shown(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    old = new_run(WHOLE)
    async with shown(workspace, old) as pilot:
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        pilot.app.screen.query_one(Input).value = "train.max_steps=5 train.warmup_steps=1"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and screen(pilot).run != old)
        new = screen(pilot).run
        assert new.experiment().train.max_steps == 5
        await trained(pilot)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and screen(pilot).run not in (old, new))
        assert screen(pilot).run.experiment().train.max_steps == 24
        await trained(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_a_run_is_deleted_after_a_question_and_its_screen_goes(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(pilot.app.screen, Choice))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
    assert not run.path.exists()


async def test_the_experiment_is_edited_and_the_way_back_leads_to_the_run(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await pilot.press("E")
        await until(pilot, lambda: "an external editor needs a terminal" in told(pilot))
        assert screen(pilot).run == run


async def test_notes_and_tags_are_shown_in_the_heading(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: isinstance(pilot.app.screen, NotesScreen))
        await pilot.press(*"paper", "tab", *"good", "ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await sees(pilot, "paper   good")
    assert read_notes(run) == RunNotes(tags=("paper",), notes="good")


async def test_the_path_is_shown_and_copied(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("p")
        assert pilot.app.clipboard == str(run.path)
        assert str(run.path) in told(pilot)


async def test_a_run_is_marked_and_compared(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    other, run = new_run(WHOLE), new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("space")
        await sees(pilot, f"{run.id} ●")
        await pilot.press("space")
        assert not app_of(pilot).marked
        app_of(pilot).toggle_mark(other)
        screen(pilot).refresh_bindings()
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        assert list(app_of(pilot).marked) == [other, run]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_other_runs_of_the_experiment_are_drawn_behind_and_put_away(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    older, run = new_run(WHOLE), new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        await pilot.press("o")
        await until(pilot, lambda: [source.label for source in view(pilot).behind] == [older.id])
        await sees(pilot, older.id[:8])
        await pilot.press("o")
        await until(pilot, lambda: not view(pilot).behind)


async def test_what_comes_while_another_screen_lies_over_it_is_drawn_when_that_is_gone(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run([STARTED, PREPARED, *steps(6.0, 5.0, 4.0)])
    say = EventWriter(run.metrics)
    async with shown(workspace, run, (160, 48)) as pilot:
        below, header = view(pilot), screen(pilot).query_one(RunHeader)
        preview = pilot.app.screen_stack[1].query_one("#preview-run", RunView)
        await sees(pilot, "3 / 24")
        await until(pilot, lambda: preview.feed is not None)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, EditorScreen))
        before = str(header.visual), below._drawn, preview._drawn
        say(Step(t=1_006.0, step=4, loss=3.5, lr=1e-3, grad_norm=1.0, tokens=512))
        await until(pilot, lambda: all(each.feed and each.feed.status.step == 4 for each in (below, preview)))
        say(Step(t=1_007.0, step=5, loss=3.4, lr=1e-3, grad_norm=1.0, tokens=640))
        await until(pilot, lambda: all(each.feed and each.feed.status.step == 5 for each in (below, preview)))
        assert (str(header.visual), below._drawn, preview._drawn) == before
        await pilot.press("escape")
        await sees(pilot, "5 / 24")
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))  # a window, with the run around it
        say(Step(t=1_008.0, step=6, loss=3.3, lr=1e-3, grad_norm=1.0, tokens=768))
        await until(
            pilot, lambda: "6 / 24" in str(header.visual) and bool(preview.feed and preview.feed.status.step == 6)
        )
        await pilot.press("escape", "escape")
        await until(pilot, lambda: preview._drawn > before[2])
    say.close()


# the log


@pytest.fixture
def talkative(new_run: Callable[..., Run]) -> Run:
    """A run whose log has 200 lines, each with its number, every fiftieth a checkpoint."""
    run = new_run(WHOLE)
    said = [f"line {number}" + (" checkpoint" if number % 50 == 0 else "") for number in range(1, 201)]
    run.log.write_text("\n".join(said) + "\n", encoding="utf-8")
    return run


async def test_a_log_is_followed_until_one_scrolls_and_again_on_demand(workspace: Workspace, talkative: Run) -> None:
    async with shown(workspace, talkative) as pilot:
        await pilot.press("2")
        await sees(pilot, "line 200", "following")
        await pilot.press("home")
        await sees(pilot, "line 1\n", "paused")
        await pilot.press("j", "down", "k")
        await until(pilot, lambda: lines(pilot).scroll_offset.y == 1)
        await pilot.press("G")
        await sees(pilot, "line 200", "following")
        with open(talkative.log, "a", encoding="utf-8") as log:
            log.write("something new\n")
        await sees(pilot, "something new")
        await pilot.press("home")
        await sees(pilot, "line 1\n")
        await pilot.press("end")
        await sees(pilot, "something new")


async def test_words_are_found_in_a_log_and_walked_through(workspace: Workspace, talkative: Run) -> None:
    async with shown(workspace, talkative) as pilot:
        await pilot.press("2")
        await sees(pilot, "line 200")
        await pilot.press("slash", *"CHECKPOINT")
        await sees(pilot, "4 of 4")
        await pilot.press("enter")
        await sees(pilot, "1 of 4", "line 50 checkpoint")
        await pilot.press("n")
        await sees(pilot, "2 of 4", "line 100 checkpoint")
        await pilot.press("N", "N")
        await sees(pilot, "4 of 4", "line 200 checkpoint")
        await pilot.press("slash", *"xyz")
        await sees(pilot, "nowhere")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, RunScreen) and not screen(pilot).query_one(Input).display
        assert isinstance(screen(pilot).focused, LogLines)


async def test_a_log_with_nothing_in_it_says_so(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    async with shown(workspace, new_run(WHOLE)) as pilot:
        await pilot.press("2")
        await sees(pilot, "The engine has printed nothing")


# what goes wrong


async def test_a_run_deleted_while_it_is_shown_stays_readable(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        shutil.rmtree(run.path)
        app_of(pilot).look_again()
        await sees(pilot, "directory is gone", "best 3.000")
        await pilot.press("o", "space", "s", "c", "i", "x")
        await look_at_every_tab(pilot)
        await pilot.press("1")
        await sees(pilot, "best 3.000")


async def test_an_engine_that_died_before_its_first_event_shows_the_end_of_its_log(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run()
    run.log.write_text("\n".join(["before"] * 20 + ["ImportError: no module named [/bold] torch"]), encoding="utf-8")
    os.utime(run.path, (1_000.0, 1_000.0))  # long enough ago to have said something
    async with shown(workspace, run) as pilot:
        await sees(pilot, "lost", "stopped without an error message", "train.log", "no module named [/bold] torch")


async def test_a_failed_run_shows_its_error(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    failed = RunEnded(reason="failed", error="out of memory on [red]cuda:0[/red]:\nwants 3 GB more")
    async with shown(workspace, new_run([STARTED, failed])) as pilot:
        await sees(pilot, "failed", "out of memory on [red]cuda:0[/red]:", "wants 3 GB more")


async def test_a_run_that_diverged_says_what_that_is(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run([STARTED, PREPARED, *steps(5.0, None), RunEnded(reason="diverged")])
    async with shown(workspace, run) as pilot:
        await sees(pilot, "diverged", "try a lower learning rate")


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["narrow", "wide"])
async def test_an_imported_run_says_so_and_what_can_be_done_with_it(
    workspace: Workspace, new_run: Callable[..., Run], size: tuple[int, int]
) -> None:
    saved = Checkpoint(t=1_001.0, kind="best", step=100, path="checkpoints/best")
    other, run = new_run(WHOLE), new_run([STARTED, saved, FINISHED])
    async with shown(workspace, run, size) as pilot:
        await sees(pilot, "imported   trained elsewhere, for 100 steps", f"slm-tui evaluate {run.id}", "q quit")
        said = screen_text(pilot)
        assert f"train.init_from={run.id}" in said and "g stories" in said
        assert "yet" not in said and "1,000" not in said and "0 %" not in said
        assert "log y" not in said  # keys of charts that are not there
        await pilot.press("o")
        await until(pilot, lambda: [source.label for source in view(pilot).behind] == [other.id])
        await sees(pilot, "perplexity")
        await pilot.press("o")
        await sees(pilot, "trained elsewhere. Of their training")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))


async def test_an_experiment_file_that_cannot_be_read_is_told(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    run.experiment_file.write_text("[model\n", encoding="utf-8")
    async with dashboard(workspace, (120, 40)) as pilot:
        pilot.app.call_later(pilot.app.push_screen, RunScreen(run))
        await sees(pilot, "is not valid TOML")
        await look_at_every_tab(pilot)


def _line(**fields: object) -> bytes:
    return json.dumps({"t": 1_015.0, **fields}).encode() + b"\n"


MARKUP = "[bold]x[/] [/red] [link=file:///etc]y[/link] [@click=app.quit]z[/] \x1b[31m\x1b]0;title\x07\x1b[2J \u202e"
ODD = {
    "torn in the middle": encode(steps(5.0)[0])[:30] + b"\n",
    "torn at the end": encode(steps(5.0)[0])[:-5],
    "no loss": b"".join(map(encode, steps(None, None, None))),
    "null everywhere": _line(event="step", step=None, loss=None, lr=None, grad_norm=None, tokens=None),
    "no JSON": b"\x00\xff\xfe not json\n\n[]\n{}\nnull\n1e999\n",
    "out of order": b"".join(map(encode, [*steps(6.0, 5.0, 4.0)[::-1], evaluation(1), STARTED])),
    "back in time": _line(event="step", t=-1e12, step=1, loss=1.0, lr=1.0, grad_norm=1.0, tokens=1),
    "an unknown event": _line(event="gradient_histogram", step=2, bins=[1, 2, 3]),
    "an unknown field": _line(event="step", step=2, loss=3.0, lr=1e-3, grad_norm=1.0, tokens=256, entropy=1.5),
    "an unknown reason": _line(event="run_ended", reason="abducted"),
    "numbers beyond a float": b'{"event":"step","t":1e308,"step":9223372036854775807,"loss":1e308,"lr":1e308,'
    b'"grad_norm":1e308,"tokens":9223372036854775807,"tokens_per_second":1e308,"mfu":1e308}\n',
    "numbers beyond all": b'{"event":"step","t":1.0,"step":1'
    + b"0" * 400
    + b',"loss":2,"lr":1,"grad_norm":1,"tokens":1}\n',
    "less than nothing": _line(event="step", step=-5, loss=-5.0, lr=-5.0, grad_norm=-5.0, tokens=-5, mfu=-5.0),
    "an absurd evaluation": _line(
        event="eval", step=3, train_loss=1e308, val_loss=-1e308, bits_per_byte=1e308, best=True
    ),
    "absurd use": _line(
        event="system", gpu_percent=-1e308, gpu_memory_bytes=-1, cpu_percent=1e308, memory_bytes=10**18
    ),
    "a long error": encode(RunEnded(reason="failed", error="x" * 1_000_000)),
    "a long story": encode(story("word " * 200_000)),
    "a long warning": encode(Warning(message="y" * 1_000_000)),
    "an error full of markup": encode(RunEnded(reason="failed", error=MARKUP)),
    "a story full of markup": encode(story(MARKUP)),
    "a warning full of markup": encode(Warning(message=MARKUP)),
    "a host full of markup": encode(RunStarted(pid=1, host=MARKUP)),
    "data full of markup": _line(
        event="prepared", directory=MARKUP, vocab_size=400, train_tokens=1, val_tokens=1, cached=True
    ),
    "a phase full of markup": _line(event="prepare", phase=MARKUP, done=5, total=0),
}


@pytest.mark.parametrize("size", [pytest.param((160, 48), marks=pytest.mark.slow), (80, 24)], ids=["wide", "narrow"])
async def test_odd_events_do_no_harm_as_they_come_or_at_once(
    workspace: Workspace, new_run: Callable[..., Run], size: tuple[int, int]
) -> None:
    run = new_run([STARTED, PREPARED, *steps(6.0, 5.5), evaluation(2)])
    run.log.write_bytes(MARKUP.encode() + b"\n" + b"z" * 1_000_000 + b"\xff\n")
    write_notes(run, RunNotes(tags=("[/bold]", "[red]"), notes=MARKUP))
    async with shown(workspace, run, size) as pilot:
        feed = view(pilot).feed
        assert feed is not None
        with open(run.metrics, "ab") as file:
            file.write(b"\n".join(ODD.values()) + b"\n" + encode(Warning(message="the last word")))
        await until(pilot, lambda: "the last word" in feed.status.warnings)
        assert "\x1b" not in await look_at_every_tab(pilot)
        await go_home(pilot)
        await open_run(pilot, run)
        assert "\x1b" not in await look_at_every_tab(pilot)
        await pilot.press("1", "w", "a", "a", "a", "left", "plus", "f", "f")
        await go_home(pilot)


@pytest.mark.parametrize("odd", ODD)
def test_a_run_is_read_whatever_it_says_next(new_run: Callable[..., Run], odd: str) -> None:
    run = new_run([STARTED, PREPARED, *steps(6.0, 5.5), evaluation(2)])
    followed = open_feed(run)
    with open(run.metrics, "ab") as file:
        file.write(ODD[odd] + b"\n" + encode(Warning(message="the last word")))
    while "the last word" not in followed.status.warnings:
        followed.apply(followed.read() or [])
    for feed in (followed, open_feed(run)):
        assert "the last word" in feed.status.warnings and feed.status.best is not None


async def go_home(pilot: Pilot[None]) -> None:
    """Out of the cross-hair, out of the zoom, out of the run."""
    while isinstance(pilot.app.screen, RunScreen):
        await pilot.press("escape")


async def test_markup_is_shown_as_it_stands(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run([*WHOLE[:-1], story("Once [/bold] and [red]"), Warning(message="[/warned]"), FINISHED])
    run.log.write_text("[/logged] \x1b[31mred\n", encoding="utf-8")
    write_notes(run, RunNotes(tags=("[/tagged]",), notes="[/noted]"))
    async with shown(workspace, run) as pilot:
        seen = await look_at_every_tab(pilot)
    for words in ("Once [/bold] and [red]", "[/warned]", "[/logged] ␛[31mred", "[/tagged]", "[/noted]"):
        assert words in seen


async def test_a_metrics_file_that_is_replaced_is_read_anew(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run, shorter = new_run(WHOLE), new_run([STARTED, PREPARED, evaluation(1, 2.0), FINISHED])
    async with shown(workspace, run) as pilot:
        await sees(pilot, "best 3.000")
        shorter.metrics.replace(run.metrics)
        await sees(pilot, "best 2.000 at step 1")


# more than one, and other terminals


async def test_two_dashboards_share_a_workspace(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run):
        async with shown(workspace, run) as one, shown(workspace, run) as other:
            await until(one, lambda: screen(one).chosen_run is not None)
            await one.press("s")
            await until(one, lambda: isinstance(one.app.screen, Choice))
            await one.press("s")
            await until(other, lambda: view(other).state == "stopped")
            await until(one, lambda: isinstance(one.app.screen, RunScreen) and view(one).state == "stopped")
            await other.press("x")
            await until(other, lambda: isinstance(other.app.screen, Choice))
            await other.press("d")
            await sees(one, "directory is gone")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
async def test_a_workspace_that_cannot_be_written_is_read_and_refusals_are_told(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    folders = [run.path, run.path.parent, workspace.runs, workspace.experiments, workspace.root]
    for folder in folders:
        folder.chmod(0o555)
    try:
        async with shown(workspace, run) as pilot:
            await look_at_every_tab(pilot)
            await pilot.press("r")
            await until(pilot, lambda: "permission denied" in told(pilot).lower())
            assert isinstance(pilot.app.screen, RunScreen)
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.parametrize("key", TABS)
async def test_every_tab_bears_a_terminal_of_20_by_5_and_back(workspace: Workspace, talkative: Run, key: str) -> None:
    async with shown(workspace, talkative, (160, 48)) as pilot:
        await pilot.press(key)
        before = screen_text(pilot)
        await pilot.resize_terminal(20, 5)
        await pilot.press("j", "k", key)
        await pilot.resize_terminal(160, 48)
        await pilot.pause()
        await until(pilot, lambda: len(screen_text(pilot)) >= len(before) // 2)
        assert active(pilot) == TABS[key]


async def test_leaving_while_a_tab_is_still_being_read_does_no_harm(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(WHOLE)
    new_run(WHOLE)
    async with shown(workspace, run) as pilot:
        for key in ("4", "2", "5", "o"):
            pilot.app.simulate_key(key)
            pilot.app.simulate_key("escape")
            await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
            await all_read(pilot)
            pilot.app.call_later(pilot.app.push_screen, RunScreen(run))
            await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and view(pilot).feed is not None)
