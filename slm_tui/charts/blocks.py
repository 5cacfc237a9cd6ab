"""Many events at once as arrays: from `metrics.jsonl`, or from a few events that have just come.

A run may have a million lines. Its file is decoded a piece at a time into one small struct a line, which takes
half as long as into events of their own types, and never keeps the interface waiting for more than some
milliseconds. Tried without success: pyarrow's JSON reader, which is no faster and takes half a second to import.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.events import AnyEvent
from slm_tui.charts.scale import Floats

_CHUNK = 1 << 18  # bytes decoded at a time; Python's lock is held meanwhile, a millisecond or two
_SMALL = 16 << 10  # bytes; a piece with an odd line in it is halved until it is this small
_SAMPLES, _SAMPLE = 64, 64 << 10  # pieces of a sketch, and the bytes of each

FIELDS: dict[str, tuple[str, ...]] = {
    "step": ("step", "tokens", "loss", "lr", "grad_norm", "tokens_per_second"),
    "eval": ("step", "val_loss"),
    "system": ("gpu_percent", "gpu_memory_bytes", "gpu_power_watts", "cpu_percent", "memory_bytes"),
    "checkpoint": ("step",),
    "resumed": ("step",),
    "queued": (),
    "run_started": (),
    "prepare": (),
    "prepared": (),
}
KINDS = {name: number for number, name in enumerate(FIELDS)}
_OTHER = len(KINDS)


@dataclass(frozen=True)
class Block:
    """n events, oldest first."""

    kind: NDArray[np.intp]  # (n,), of KINDS
    numbers: dict[str, Floats]  # `t`, `clock` and each of FIELDS, (n,); NaN where an event has no such field, or null
    checkpoints: list[str]  # the kinds of its checkpoints, in order


class _Line(msgspec.Struct, gc=False):
    """Any event: what is charted of it. Made of nothing but atoms, so the garbage collector need not look at it."""

    event: str
    t: float | None = None
    clock: float | None = None
    kind: str | None = None
    step: float | None = None
    tokens: float | None = None
    loss: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    val_loss: float | None = None
    gpu_percent: float | None = None
    gpu_memory_bytes: float | None = None
    gpu_power_watts: float | None = None
    cpu_percent: float | None = None
    memory_bytes: float | None = None


_lines = msgspec.json.Decoder(list[_Line])
_line = msgspec.json.Decoder(_Line)


def block_of(events: Sequence[AnyEvent]) -> Block:
    """These events."""
    return _block([str(type(event).__struct_config__.tag) for event in events], events)


def read_blocks(path: Path, end: int | None = None) -> Iterator[Block]:
    """All events in the whole lines of the first `end` bytes. A missing file has none."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        return
    with file:
        left = os.fstat(file.fileno()).st_size if end is None else end
        rest = b""
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            whole = chunk.rfind(b"\n") + 1
            if whole:
                yield from _decoded(rest + chunk[:whole])
                rest = b""
            rest += chunk[whole:]


def read_samples(path: Path, end: int | None = None) -> Iterator[Block]:
    """Events of pieces that lie evenly in the first `end` bytes; all of them where that is little more."""
    size = end if end is not None else path.stat().st_size if path.exists() else 0
    if size <= 2 * _SAMPLES * _SAMPLE:
        yield from read_blocks(path, size)
        return
    with open(path, "rb") as file:
        for start in np.linspace(0, size - _SAMPLE, _SAMPLES).astype(int):
            yield from _decoded(_whole_lines(file, int(start)))


def _whole_lines(file: BinaryIO, start: int) -> bytes:
    file.seek(start)
    piece = file.read(_SAMPLE)
    return piece[piece.find(b"\n") + 1 if start else 0 : piece.rfind(b"\n") + 1]


def _decoded(lines: bytes) -> Iterator[Block]:
    """The events of whole lines, at once where all are sound, else by halves down to those that are not."""
    try:
        rows = _lines.decode(b"[" + lines[:-1].replace(b"\n", b",") + b"]")
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = []
    if len(rows) != lines.count(b"\n"):
        middle = lines.find(b"\n", len(lines) // 2) + 1
        if len(lines) > _SMALL and 0 < middle < len(lines):
            yield from _decoded(lines[:middle])
            yield from _decoded(lines[middle:])
            return
        rows = [row for line in lines.splitlines() if (row := _sound(line)) is not None]
    if rows:
        yield _block([*map(attrgetter("event"), rows)], rows)


def _sound(line: bytes) -> _Line | None:
    try:
        return _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _block(names: list[str], rows: Sequence[Any]) -> Block:
    kind = np.array([KINDS.get(name, _OTHER) for name in names], dtype=np.intp)
    numbers = {name: np.array([*map(attrgetter(name), rows)], dtype=float) for name in ("t", "clock")}
    for name, fields in FIELDS.items():
        where = np.flatnonzero(kind == KINDS[name])
        chosen = rows if len(where) == len(rows) else [rows[index] for index in where.tolist()]
        for field in fields:
            column = numbers.setdefault(field, np.full(len(rows), np.nan))
            if chosen:
                column[where] = [*map(attrgetter(field), chosen)]
    checkpoints = [rows[index].kind or "" for index in np.flatnonzero(kind == KINDS["checkpoint"]).tolist()]
    return Block(kind, numbers, checkpoints)
