"""Real engine processes, and waiting for what they do."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

from engine.contract.events import AnyEvent, EventReader
from engine.contract.run import Run


def start_engine(run: Run, *arguments: str, address_space: int | None = None) -> subprocess.Popen[bytes]:
    """A real engine process that trains `run`, its output in train.log; `address_space` limits it, in bytes."""

    def limit() -> None:
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    with open(run.log, "ab") as log:
        command = [sys.executable, "-m", "engine", "train", str(run.path), *arguments]
        return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=limit)


def engine(run: Run, *arguments: str) -> int:
    """Train `run` in a real engine process to its end; the exit code."""
    return start_engine(run, *arguments).wait(timeout=120)


def events_of(run: Run) -> list[AnyEvent]:
    """All of the run's events so far."""
    return EventReader(run.metrics).read()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.005)
