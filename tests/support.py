"""Real engine processes and what stands in for them, and waiting for what they do."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.contract.events import AnyEvent, EventReader
from engine.contract.run import Run

STAND_IN = Path(__file__).with_name("slm_tui") / "stand_in.py"


def start_engine(run: Run, *arguments: str, address_space: int | None = None) -> subprocess.Popen[bytes]:
    """A real engine process that trains `run`, its output in train.log; `address_space` limits it, in bytes."""

    def limit() -> None:
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    with open(run.log, "ab") as log:
        command = [sys.executable, "-m", "engine", "train", str(run.path), *arguments]
        return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=limit)


_HOLDER = """
import sys
from pathlib import Path
from engine.contract.device_queue import wait_for_turn
from engine.contract.devices import DeviceName
from engine.contract.run import Run
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
