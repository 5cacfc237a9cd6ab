"""Watching an engine process that this process started, until it ends or the person has seen enough.

The engine needs no watcher: if this process dies, or its terminal goes away, the run goes on.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from engine.runs.run import State
from slm_tui.console import View
from slm_tui.progress import RunProgress

POLL_SECONDS = 0.2

Outcome = State | Literal["left"]  # left: the person stopped watching and the run goes on


def watch(
    progress: RunProgress, process: subprocess.Popen[bytes], view: View, stop: Callable[[], None]
) -> tuple[Outcome, bool]:
    """Show the run until its engine has ended: how it ended, and whether Ctrl-C was pressed here.

    The first Ctrl-C calls `stop`, which asks the engine to end; the second stops watching.
    """
    with _counted_interrupts(stop) as presses:
        told = False
        while True:
            over = process.poll() is not None  # asked before reading, so that the last words are still read
            new = progress.read()
            if presses and not told:
                told = True
                view.stopping(progress)
            view.update(progress, new)
            if over and not new:
                return _outcome(progress, bool(presses)), bool(presses)
            if len(presses) > 1:
                return "left", True
            if not over:
                time.sleep(POLL_SECONDS)


def _outcome(progress: RunProgress, interrupted: bool) -> State:
    if progress.status.last_word:
        return progress.status.last_word
    return "stopped" if interrupted and not progress.status.trains else "lost"


@contextmanager
def _counted_interrupts(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl-C, while this lasts, is counted; the first one calls `stop`.

    SIGTERM and SIGHUP end this process, but in order, so that the terminal is left as it was.
    """
    presses: list[int] = []

    def count(number: int, _frame: FrameType | None) -> None:
        presses.append(number)
        if len(presses) == 1:
            stop()

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers = {signal.SIGINT: count, signal.SIGTERM: leave, signal.SIGHUP: leave}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield presses
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
