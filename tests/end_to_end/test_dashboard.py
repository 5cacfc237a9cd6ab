"""The dashboard, installed, in a real pseudo-terminal, with a real engine: what a person sees and presses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import wait_for
from terminals import PROGRAM, Terminal

from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.story_book import kept_stories

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


@pytest.fixture
def workspace(tmp_path: Path, tiny: str) -> Workspace:
    """One of this test's own, with nothing but `tiny`."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    return Workspace(tmp_path)


@pytest.fixture
def slow(workspace: Workspace, tiny: str) -> Workspace:
    """`tiny` with so many steps that it trains until it is stopped."""
    text = tiny.replace("max_steps = 24", "max_steps = 100000").replace("eval_interval = 8", "eval_interval = 50")
    (workspace.experiments / "tiny.toml").write_text(text, encoding="utf-8")
    return workspace


@pytest.fixture
def open_dashboard(workspace: Workspace) -> Iterator[Callable[[], Terminal]]:
    """Opens the dashboard in a terminal of 80 × 24."""
    terminals: list[Terminal] = []

    def open_it() -> Terminal:
        terminals.append(Terminal(workspace.root, []))
        terminals[-1].until_screen("tiny")
        return terminals[-1]

    yield open_it
    for terminal in terminals:
        terminal.close()


def only_run(workspace: Workspace) -> Run:
    [run] = workspace.list_runs()
    return run


def shows_a_curve(terminal: Terminal) -> bool:
    return sum(character in BRAILLE for character in terminal.screen()) > 20


def test_a_run_is_started_watched_left_found_stopped_resumed_and_writes_a_story(
    slow: Workspace, open_dashboard: Callable[[], Terminal]
) -> None:
    terminal = open_dashboard()
    terminal.press("r")
    terminal.until_screen("training")
    terminal.until_that(shows_a_curve, "a curve")
    terminal.press("q")
    assert terminal.finish() == 0
    run = only_run(slow)
    assert run.is_alive(), "it goes on without the dashboard"

    terminal = open_dashboard()
    terminal.until_screen("training")
    terminal.press("\r\r")
    terminal.until_that(shows_a_curve, "the whole history")
    terminal.press("s")
    terminal.until_screen("Stop tiny")
    terminal.press("s")
    terminal.until_screen("stopped")
    assert not run.is_alive()

    stopped_at = run.status().step
    terminal.press("c")
    terminal.until_screen("training")
    wait_for(lambda: run.status().step > stopped_at, "the run to go on")
    terminal.press("s")
    terminal.until_screen("Stop tiny")
    terminal.press("s")
    terminal.until_screen("stopped")

    terminal.press("g")
    terminal.until_screen("ready")
    terminal.press("Once upon\r")
    terminal.until_that(lambda _: bool(kept_stories(run)), "story")  # kept, then drawn as written
    terminal.until_screen("tokens/s")
    assert [story.prompt for story in kept_stories(run)] == ["Once upon"]
    terminal.press("q")
    assert terminal.finish() == 0


def test_a_terminal_that_vanishes_stops_no_run(slow: Workspace, open_dashboard: Callable[[], Terminal]) -> None:
    terminal = open_dashboard()
    terminal.press("r")
    terminal.until_screen("training")
    terminal.hang_up()
    wait_for(lambda: terminal.process.poll() is not None, "the dashboard to end")
    run = only_run(slow)
    step = run.status().step
    wait_for(lambda: run.status().step > step, "the run to go on")
    os.kill(run.status().pid or 0, 15)
    wait_for(lambda: run.state() == "stopped", "the run to stop")


def test_without_a_terminal_it_says_so(workspace: Workspace) -> None:
    done = subprocess.run(
        [PROGRAM], cwd=workspace.root, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 2 and "needs a terminal" in done.stderr and "Traceback" not in done.stderr


def test_the_terminal_is_left_as_it_was(workspace: Workspace, open_dashboard: Callable[[], Terminal]) -> None:
    terminal = open_dashboard()
    terminal.press("q")
    assert terminal.finish() == 0
    assert terminal.settings_now() == terminal.settings
