"""A growing log as lines that a terminal can show: nothing in it is obeyed, no line is endless, and no more of it is
held than a person scrolls through (pure but for reading)."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from rich.cells import cell_len

from slm_tui.formats import UNSEEN

_LINES = 10_000  # that are kept
_BYTES = 4 << 20  # that are read at most at a time, and characters that are kept
_WIDEST = 2_000  # characters of a line
_LINE_BYTES = 4 * _WIDEST + 4  # of which a line's text is made: four bytes a character, and one more to be cut
_SYMBOLS = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡"}
_SYMBOLS |= dict.fromkeys((*range(0x80, 0xA0), *map(ord, UNSEEN)), "\ufffd") | {ord("\t"): "    "}


class LogTail:
    """The last lines of `path`, read on by each call of `read`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: deque[str] = deque()
        self.first = 0  # the number of the first of `lines`; a line keeps its number, and no two have the same
        self.skipped = False  # whether the file has earlier lines than those kept
        self.problem: str | None = None  # why the file cannot be read
        self._widths: deque[int] = deque()  # of `lines`, in cells
        self._characters = 0  # in `lines`
        self._offset = 0
        self._inode: int | None = None
        self._rest = b""  # of a line that has no end yet; the last of `lines` while there is one

    @property
    def widest(self) -> int:
        """Cells of the widest line."""
        return max(self._widths, default=0)

    def read(self) -> bool:
        """Take in what has come; whether anything has. A file that shrank or was replaced is read anew; of one that
        is gone, what was read of it stays."""
        before, self.problem = self.problem, None
        new = b""
        try:
            new = self._next_bytes()
        except FileNotFoundError:
            pass
        except OSError as error:
            self.problem = (error.strerror or str(error)).lower()
        if new:
            self._take(new)
        return bool(new) or self.problem != before

    def _next_bytes(self) -> bytes:
        with open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or not 0 <= status.st_size - self._offset <= _BYTES:
                self._begin(status)
            file.seek(self._offset)
            new = file.read(_BYTES)
        self._offset += len(new)
        if self.skipped and not self.lines:  # begun in the middle of a line, most likely
            new = new.partition(b"\n")[2] or new
        return new

    def _begin(self, status: os.stat_result) -> None:
        """Where the file begins, or as far before its end as is kept."""
        self.first += len(self.lines)
        self.lines.clear()
        self._widths.clear()
        self._characters = 0
        self._rest = b""
        self._inode = status.st_ino
        self._offset = max(0, status.st_size - _BYTES)
        self.skipped = self._offset > 0

    def _take(self, new: bytes) -> None:
        if self._rest:
            self._characters -= len(self.lines.pop())
            self._widths.pop()
        *whole, rest = (self._rest + new).split(b"\n")
        self._rest = _standing(rest)[:_LINE_BYTES] + b"\r" * rest.endswith(b"\r")  # what comes next overwrites it
        lines = [shown_line(line) for line in whole[-_LINES:]] + [shown_line(self._rest)] * bool(self._rest)
        self.skipped = self.skipped or len(whole) > _LINES
        self.lines.extend(lines)
        self._widths.extend(map(_width, lines))
        self._characters += sum(map(len, lines))
        while len(self.lines) > _LINES or self._characters > _BYTES:
            self._characters -= len(self.lines.popleft())
            self._widths.popleft()
            self.first += 1
            self.skipped = True


def shown_line(line: bytes) -> str:
    """`line` as text: what a carriage return left standing, control characters as symbols, cut where it is endless."""
    text = _standing(line)[:_LINE_BYTES].decode(errors="replace").translate(_SYMBOLS)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _width(line: str) -> int:
    """Cells; most lines are plain, and quickly told."""
    return len(line) if line.isascii() else cell_len(line)


def _standing(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]
