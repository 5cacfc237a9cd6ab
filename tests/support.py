"""Real engine processes and what stands in for them, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from warm_engine import WarmEngine

from engine.contract.events import AnyEvent, EventReader
from engine.runs.run import Run

STAND_IN = Path(__file__).with_name("slm_tui") / "stand_in.py"


def start_engine(
    run: Run,
    *arguments: str,
    limits: Mapping[int, int] | None = None,
    signalled_at: tuple[int, int] | None = None,
) -> WarmEngine:
    """A real engine process that trains `run`, its output in train.log; the rest is WarmEngine's."""
    with open(run.log, "ab") as log, open(os.devnull, "rb") as nothing:
        command = ("train", str(run.path), *arguments)
        return WarmEngine(*command, stdin=nothing, stdout=log, stderr=log, limits=limits, signalled_at=signalled_at)


def start_fresh_engine(run: Run, *arguments: str) -> subprocess.Popen[bytes]:
    """The same by `python -m engine`, where a test is of how the interpreter starts or ends, or of what it imports."""
    with open(run.log, "ab") as log:
        command = [sys.executable, "-m", "engine", "train", str(run.path), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


_HOLDER = """
import sys
from pathlib import Path
from engine.runs.device_queue import wait_for_turn
from engine.runs.devices import DeviceName
from engine.runs.run import Run
wait_for_turn(DeviceName(sys.argv[2], sys.argv[2]), Run(Path(sys.argv[1])), print)
print("taken", flush=True)
sys.stdin.read()
"""


@contextmanager
def taken_device(run: Run, device: str = "cpu") -> Iterator[subprocess.Popen[str]]:
    """A process that has taken the free `device` for `run`, as an engine would, until its stdin is closed."""
    command = [sys.executable, "-c", _HOLDER, str(run.path), device]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        try:
            yield process
        finally:
            process.kill()


def engine(run: Run, *arguments: str) -> int:
    """Train `run` in a real engine process to its end; the exit code."""
    return start_engine(run, *arguments).wait(timeout=120)


@contextmanager
def stand_in(run: Run, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run's lock, as an engine would, and trains nothing."""
    command = [sys.executable, str(STAND_IN), str(run.path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.terminate()


def events_of(run: Run) -> list[AnyEvent]:
    """All of the run's events so far."""
    return EventReader(run.metrics).read()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.005)
