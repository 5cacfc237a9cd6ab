"""Engine processes that begin with torch imported.

The import takes two to three seconds, ten times as long as the tiny experiment trains, and the tests start a hundred
engines. So these are forked off one process that has imported what they need and has run nothing yet: Python's fork
server. All else is as with `python -m engine ARGUMENTS`: a process with its own arguments, environment, folder,
streams, signals and exit code. What imports do, or how the interpreter starts and ends, wants a fresh one.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from multiprocessing.connection import Connection
from typing import IO

# A process that has loaded Apple's frameworks must not be forked: there, each one starts from nothing.
_context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
# torch._dynamo is what the first step of any optimizer imports. Nothing here may read the user's directories as it is
# imported, as huggingface_hub does: they are another test's.
_context.set_forkserver_preload(
    ["torch", "torch._dynamo", "engine.commands.train_run", "engine.training.loop", "engine.commands.generate"]
)


class WarmEngine:
    """`python -m engine ARGUMENTS`, with what the tests use of `subprocess.Popen`.

    Streams are files, or None for pipes. `limits` are in bytes: RLIMIT_AS counts from what the process has to begin
    with, any other is the limit itself. `signalled_at` is a step and a signal, which the process gets as soon as it
    has written that step's event.
    """

    def __init__(
        self,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
        limits: Mapping[int, int] | None = None,
        signalled_at: tuple[int, int] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        with ExitStack() as theirs:

            def stream(given: IO[bytes] | None, ours: int) -> tuple[Connection, IO[bytes] | None]:
                """Their end, and ours of a pipe, which is its end 0 or 1."""
                if given is not None:
                    return theirs.enter_context(Connection(os.dup(given.fileno()))), None
                ends = os.pipe()
                return theirs.enter_context(Connection(ends[1 - ours])), os.fdopen(ends[ours], "wb" if ours else "rb")

            (source, self.stdin), (out, self.stdout) = stream(stdin, 1), stream(stdout, 0)
            errors, self.stderr = stream(stderr, 0)
            work = (arguments, dict(env or os.environ), (source, out, errors), dict(limits or {}), signalled_at)
            self._process = _context.Process(target=_work, args=work, daemon=True)
            self._process.start()
            self._ending = threading.Lock()  # two threads that read the exit code at once would halve it

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        with self._ending:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("engine", timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close our ends of its pipes."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def popen(
    command: Sequence[str],
    *,
    stdin: int,
    stdout: int,
    stderr: IO[bytes],
    env: Mapping[str, str],
    start_new_session: bool,
) -> WarmEngine:
    """What the dashboard calls as `subprocess.Popen`, where it starts an engine with pipes.

    It stays in the session of the tests: no terminal's Ctrl-C is part of them.
    """
    assert tuple(command[:3]) == (sys.executable, "-m", "engine") and stdin == stdout == subprocess.PIPE
    return WarmEngine(*command[3:], stderr=stderr, env=env)


def answer(*arguments: str, limits: Mapping[int, int] | None = None) -> subprocess.CompletedProcess[str]:
    """What a `WarmEngine` with an empty stdin says, on stderr 64 kB at most, and its exit code."""
    with open(os.devnull, "rb") as nothing, closing(WarmEngine(*arguments, stdin=nothing, limits=limits)) as process:
        assert process.stdout is not None and process.stderr is not None
        said, complained = process.stdout.read().decode(), process.stderr.read().decode()
        return subprocess.CompletedProcess(arguments, process.wait(), said, complained)


def _work(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    streams: tuple[Connection, ...],
    limits: dict[int, int],
    signalled_at: tuple[int, int] | None,
) -> None:
    """The engine's process."""
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = os.fdopen(0, closefd=False)
    for kind, limit in limits.items():
        begun_with = _address_space() if kind == resource.RLIMIT_AS else 0
        resource.setrlimit(kind, (begun_with + limit,) * 2)
    if signalled_at is not None:
        _signal_at(*signalled_at)
    from engine import __main__ as program

    sys.argv = [str(program.__file__), *arguments]
    sys.exit(program.main())


def _signal_at(step: int, number: int) -> None:
    """Have this process signalled as soon as it has written the event of `step`."""
    from engine.contract.events import Event, EventWriter, Step

    write = EventWriter.__call__

    def write_and_signal(self: EventWriter, event: Event) -> None:
        write(self, event)
        if isinstance(event, Step) and event.step == step:
            os.kill(os.getpid(), number)

    EventWriter.__call__ = write_and_signal  # type: ignore[method-assign]


def _address_space() -> int:
    """Bytes of this process's; Linux only."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
