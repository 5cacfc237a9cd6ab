"""A log on the screen: it is looked at again and again, and drawn only where it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.strip import Strip

from slm_tui.widgets import log_view
from slm_tui.widgets.log_view import LogLines, LogView


class Shown(App[None]):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log_file = log
        self.reads = 0  # of the file

    def compose(self) -> ComposeResult:
        yield LogView(self.log_file)

    def on_log_view_read(self) -> None:
        self.reads += 1


class Counted:
    """The rows of a log that are drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        draw = LogLines.render_line

        def count_and_draw(lines: LogLines, y: int) -> Strip:
            self.rows += 1
            return draw(lines, y)

        monkeypatch.setattr(LogLines, "render_line", count_and_draw)


async def looked(pilot: Pilot[None], times: int = 5) -> None:
    """Wait until the file has been read so often again, and what that asked for is drawn."""
    assert isinstance(pilot.app, Shown)
    wanted = pilot.app.reads + times
    while pilot.app.reads < wanted:
        await pilot.pause(0.01)
    await pilot.pause()


@pytest.mark.parametrize("content", ["", "line 1\nline 2\n"], ids=["empty", "two lines"])
async def test_it_is_drawn_only_when_the_log_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(log_view, "_POLL_SECONDS", 0.01)
    log = tmp_path / "train.log"
    log.write_text(content)
    drawn = Counted(monkeypatch)
    app = Shown(log)
    async with app.run_test(size=(60, 8)) as pilot:
        await looked(pilot)
        before = drawn.rows
        assert before > 0
        await looked(pilot)
        assert drawn.rows == before
        with open(log, "a") as file:
            file.write("line 3\n")
        await looked(pilot)
        assert drawn.rows > before
        rows = [app.query_one(LogLines).render_line(row).text.strip() for row in range(3)]
        assert rows == [*content.split("\n")[:-1], "line 3", "", ""][:3]
