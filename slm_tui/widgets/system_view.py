"""Where and with what a run was made: folder, device, versions, data, checkpoints, use of the machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.contract.events import System
from engine.runs.run import Run, RunStatus
from slm_tui.formats import UNKNOWN, age, count, excerpt, home_path, one_line, percent, size

_WARNINGS = 20  # the newest
_REREAD_SECONDS = 2.0  # the checkpoints on disk are looked at no more often


class SystemView(VerticalScroll, can_focus=True):
    """`show` whenever something has changed."""

    DEFAULT_CSS = """
    SystemView { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; & > Static { width: 100%; height: auto; } }
    """

    def __init__(self) -> None:
        super().__init__()
        self._read = 0.0

    def compose(self) -> ComposeResult:
        yield Static(id="system-facts")

    def show(self, run: Run, status: RunStatus, latest: System | None) -> None:
        """What is known of the run's surroundings."""
        if time.monotonic() - self._read >= _REREAD_SECONDS or status.last_word:
            self._read = time.monotonic()
            self._gather(run, status, latest)

    @work(thread=True, exclusive=True)
    def _gather(self, run: Run, status: RunStatus, latest: System | None) -> None:
        rows = [*_made(run, status), *_use(latest), *_checkpoints(run), *_warnings(status)]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, value in rows:
            grid.add_row(label, Text(value))
        self.app.call_from_thread(self.query_one("#system-facts", Static).update, grid)


def _made(run: Run, status: RunStatus) -> Iterator[tuple[str, str]]:
    info, data = run.info(), status.data
    yield "folder", home_path(run.path)
    yield "process", f"{status.pid or UNKNOWN} on {one_line(status.host or UNKNOWN)}"
    yield "device", one_line(info.device) if info else UNKNOWN
    yield "seed", str(info.seed) if info else UNKNOWN
    yield "command", one_line(" ".join(info.command)) if info else UNKNOWN
    yield "created", one_line(info.created) if info else UNKNOWN
    yield "git commit", one_line(info.git_commit or UNKNOWN) if info else UNKNOWN
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items()) if info else UNKNOWN
    yield "versions", one_line(versions)
    if data is not None:
        yield "data", one_line(data.directory)
        tokens = f"{count(data.train_tokens)} to train on, {count(data.val_tokens)} to validate"
        yield "tokens", f"{tokens}, vocabulary {count(data.vocab_size)}"
    yield "", ""


def _use(latest: System | None) -> Iterator[tuple[str, str]]:
    used = latest or System()
    memory = f"{size(used.gpu_memory_bytes)} of {size(used.gpu_memory_total_bytes)}"
    yield "GPU use", percent(None if used.gpu_percent is None else used.gpu_percent / 100)
    yield "GPU memory", memory if used.gpu_memory_bytes is not None else UNKNOWN
    yield "GPU power", f"{used.gpu_power_watts:.0f} W" if used.gpu_power_watts is not None else UNKNOWN
    yield "CPU use", f"{used.cpu_percent:.0f} % of one core" if used.cpu_percent is not None else UNKNOWN
    yield "memory", size(used.memory_bytes)
    yield "", ""


def _checkpoints(run: Run) -> Iterator[tuple[str, str]]:
    for kind in ("best", "last"):
        try:
            files = list((run.checkpoints / kind).iterdir())
            saved = max(file.stat().st_mtime for file in files)
            yield kind, f"{size(sum(file.stat().st_size for file in files))}, saved {age(time.time() - saved)} ago"
        except (OSError, ValueError):  # ValueError: the folder is empty
            yield kind, UNKNOWN


def _warnings(status: RunStatus) -> Iterator[tuple[str, str]]:
    for warning in list(dict.fromkeys(status.warnings))[-_WARNINGS:]:
        yield "warning", excerpt(warning)
