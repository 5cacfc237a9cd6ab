"""Finds particular events in a `metrics.jsonl`, without decoding the millions that it may have.

Events are told apart by the first bytes of their lines.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from engine.contract.events import AnyEvent, Event, Sample, decode, decode_lines

Known = TypeVar("Known", bound=Event)

_TAIL_BYTES = 16_384


def last_events(path: Path, end: int | None = None) -> list[AnyEvent]:
    """The events of the last 16 kB before byte `end` (the file's end): about a hundred steps."""
    try:
        with open(path, "rb") as file:
            start = max(0, (file.seek(0, os.SEEK_END) if end is None else end) - _TAIL_BYTES)
            file.seek(start)
            tail = file.read(_TAIL_BYTES if end is None else end - start)
    except FileNotFoundError:
        return []
    return decode_lines(tail)


# the literal beginning lets the regex engine search at memory speed: 0.1 s for a million steps
_RARE = re.compile(rb'\n\{"event":"(?!step"|system"|sample"|prepare")[^\n]*(?=\n)')
_SAMPLE = re.compile(rb'\n\{"event":"sample"[^\n]*(?=\n)')
_WINDOW = 1 << 20  # bytes searched at a time; Python's lock is held meanwhile, about a millisecond


def glance(path: Path, start: int = 0) -> tuple[list[AnyEvent], int]:
    """The events that a list of runs needs, in the file's order: all that are rare, and the last step.

    Finds them by their first bytes, where decoding every step of a long run would take seconds. Begins at byte
    `start`, where a line begins; also returns the byte after the last whole line, to go on from later.
    """
    return _found(path, start, _RARE, b'\n{"event":"step"')


def samples_in(path: Path, end: int) -> list[Sample]:
    """The stories written along the way before byte `end`, found as `glance` finds what it looks for."""
    return [event for event in _found(path, 0, _SAMPLE, None, end)[0] if isinstance(event, Sample)]


def last_of(path: Path, kind: type[Known], end: int) -> Known | None:
    """The last event of this kind before byte `end`; searches backwards, as far as it must."""
    beginning = b'\n{"event":"%s"' % str(kind.__struct_config__.tag).encode()
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            place = data.rfind(b"\n", 0, end) + 1
            while place > 0:
                place = _last(data, beginning, place) + 1  # 0, where the file's first line is left
                event = decode(data[place : data.find(b"\n", place)])
                if isinstance(event, kind):
                    return event
    except (FileNotFoundError, ValueError):  # ValueError: an empty file cannot be mapped
        pass
    return None


def _found(
    path: Path, start: int, wanted: re.Pattern[bytes], last: bytes | None, end: int | None = None
) -> tuple[list[AnyEvent], int]:
    """The events that `wanted` matches (its match begins with the newline before a line), and the last one that
    begins with `last`."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = data.rfind(b"\n", 0, len(data) if end is None else end) + 1
            if end <= start:
                return [], min(start, end)
            lines = {} if start else {0: data[: data.find(b"\n") + 1]}
            before = max(start - 1, 0)  # the newline before the first line
            lines.update((match.start() + 1, match[0][1:]) for match in _matches(wanted, data, before, end))
            found = _last(data, last, end, before) if last else -1
            if found >= 0:
                lines[found + 1] = data[found + 1 : data.find(b"\n", found + 1) + 1]
    except (FileNotFoundError, ValueError):  # ValueError: an empty file cannot be mapped
        return [], 0
    return decode_lines(b"\n".join(line for _, line in sorted(lines.items()))), end


def _matches(wanted: re.Pattern[bytes], data: mmap.mmap, start: int, end: int) -> Iterator[re.Match[bytes]]:
    """All in `data[start:end]`, which ends with a line, by windows: the end of a line is where the next one begins."""
    while start < end - 1:
        stop = data.find(b"\n", min(start + _WINDOW, end - 1)) + 1
        yield from wanted.finditer(data, start, stop)
        start = stop - 1


def _last(data: mmap.mmap, beginning: bytes, end: int, start: int = 0) -> int:
    """`data.rfind(beginning, start, end)`, by windows."""
    found = -1
    while found < 0 and end - start >= len(beginning):
        window = max(start, end - _WINDOW - len(beginning))
        found = data.rfind(beginning, window, end)
        end = window + len(beginning) - 1
    return found
