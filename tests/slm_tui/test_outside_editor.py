"""An editor of one's own takes the dashboard's place, and the dashboard comes back."""

from __future__ import annotations

import sys
from pathlib import Path

import pexpect
import pytest
from textual.app import App

from engine.runs.workspace import Workspace
from slm_tui.outside_editor import edit_externally


@pytest.fixture
def file(workspace: Workspace) -> Path:
    return workspace.experiment_file("tiny")


async def test_without_a_terminal_there_is_no_editor_of_ones_own(file: Path, workspace: Workspace) -> None:
    app = App[None]()
    async with app.run_test(notifications=True) as pilot:
        edit_externally(app, file, workspace)
        await pilot.pause()
        assert any("needs a terminal" in told.message for told in app._notifications)


OUTSIDE = """
import sys
from pathlib import Path
from textual.app import App
from engine.runs.workspace import Workspace
from slm_tui.outside_editor import edit_externally

class Outside(App[None]):
    BINDINGS = [("E", "outside", "")]
    def on_mount(self):
        self.notify("ready")
    def action_outside(self):
        path = Path(sys.argv[1])
        edit_externally(self, path, Workspace(path.parent.parent))

Outside().run()
"""


@pytest.mark.parametrize(
    ("editor", "told"),
    [("sh -c 'exit 3'", "exit code 3"), ("sh -c 'echo zzz=1 >> $0'", "sampling.zzz"), ("no-such-editor", "started")],
)
def test_the_dashboard_comes_back_from_an_editor_of_ones_own(
    file: Path, monkeypatch: pytest.MonkeyPatch, editor: str, told: str
) -> None:
    monkeypatch.setenv("VISUAL", editor)
    monkeypatch.setenv("TERM", "xterm-256color")
    child = pexpect.spawn(sys.executable, ["-c", OUTSIDE, str(file)], dimensions=(24, 80), encoding="utf-8", timeout=60)
    child.expect("ready")
    child.send("E")
    child.expect(told)
    child.sendcontrol("q")
    child.expect(pexpect.EOF)
    child.close()
