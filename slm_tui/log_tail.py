"""A growing log as lines that a terminal can show: nothing in it is obeyed, and no line is endless (pure but for
reading)."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

_LINES = 10_000  # that are kept
_FIRST_BYTES = 4 << 20  # from the end of a long file
_READ_BYTES = 1 << 20  # at a time
_WIDEST = 2_000  # characters of a line
_SYMBOLS = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡"} | dict.fromkeys(range(128, 160), "�")
_SYMBOLS[ord("\t")] = "    "


class LogTail:
    """The last lines of `path`, read on by each call of `read`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: deque[str] = deque(maxlen=_LINES)
        self.skipped = False  # whether the file has earlier lines than those kept
        self._offset = 0
        self._inode: int | None = None
        self._rest = b""  # of a line that has no end yet; the last of `lines` while there is one

    def read(self) -> bool:
        """Take in what has come; whether anything has. A file that shrank or was replaced is read anew."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return False
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._offset:
                self._begin(status)
            file.seek(self._offset)
            new = file.read(_READ_BYTES)
        self._offset += len(new)
        if new:
            self._take(new)
        return bool(new)

    def _begin(self, status: os.stat_result) -> None:
        self.lines.clear()
        self._rest = b""
        self._inode = status.st_ino
        self._offset = max(0, status.st_size - _FIRST_BYTES)
        self.skipped = self._offset > 0

    def _take(self, new: bytes) -> None:
        if self._rest:
            self.lines.pop()
        *whole, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[-16 * _WIDEST :]  # of an endless line, its end
        self.skipped = self.skipped or len(self.lines) + len(whole) + bool(self._rest) > _LINES
        self.lines.extend(shown_line(line) for line in whole)
        if self._rest:
            self.lines.append(shown_line(self._rest))


def shown_line(line: bytes) -> str:
    """`line` as text: what a carriage return left standing, control characters as symbols, cut where it is endless."""
    standing = line.rstrip(b"\r").rsplit(b"\r", 1)[-1]
    text = standing[: 4 * _WIDEST].decode(errors="replace").translate(_SYMBOLS)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
