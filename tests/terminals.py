"""The real program in a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

PROGRAM = Path(sys.executable).with_name("slm-tui")
_CONTROL_SEQUENCES = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Terminal:
    """`slm-tui ARGUMENTS` in a pseudo-terminal of 80 × 24, which is its controlling one."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self.master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.settings = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._raw = b""
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """All that was written so far, without control sequences."""
        return _CONTROL_SEQUENCES.sub(b"", self._raw).decode(errors="replace")

    def until(self, words: str, seconds: float = 90) -> None:
        """Read until `words` have been written."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert self._read(deadline - time.monotonic()), f"no {words!r} in:\n{self.text[-3000:]}"

    def screen(self) -> str:
        """What the terminal shows now, line by line."""
        return "\n".join(self._screen.display)

    def until_screen(self, words: str, seconds: float = 90) -> None:
        """Read until the screen shows `words`."""
        self.until_that(lambda terminal: words in terminal.screen(), repr(words), seconds)

    def until_that(self, condition: Callable[[Terminal], bool], what: str, seconds: float = 90) -> None:
        """Read until the screen fulfils `condition`."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert self._read(deadline - time.monotonic()), f"no {what} on the screen:\n{self.screen()}"

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def finish(self, seconds: float = 90) -> int:
        """Read until the program has ended; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self._read(0.05)
            assert time.monotonic() < deadline, f"still running:\n{self.text[-3000:]}"
        while self._read(0.05):
            pass
        return self.process.returncode

    def settings_now(self) -> list[object]:
        return termios.tcgetattr(self._slave)

    def hang_up(self) -> None:
        """What losing an SSH connection does: SIGHUP to the session."""
        os.close(self._slave)
        os.close(self.master)
        self.master = self._slave = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            self.hang_up()

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, seconds))[0]:
            return False
        new = os.read(self.master, 65_536)
        self._raw += new
        self._stream.feed(new)
        return True
