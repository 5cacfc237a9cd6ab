"""The events of `metrics.jsonl`: what a run says of itself, one JSON object a line, only ever appended.

The engine writes with `EventWriter`. Readers follow a file with `EventReader`, or find a few events in a huge one
with `engine.contract.event_search`. Readers skip events and fields that they do not know, so a newer engine's runs
stay readable.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # what any reader can hold; a longer one is damage
EndReason = Literal["finished", "early_stopped", "stopped", "failed", "diverged"]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, kw_only=True, tag_field="event", tag=_snake_case):
    """One line, named by `event`; `t` is when it was written, in unix seconds.

    `clock` is the same moment on a clock that nobody sets, in seconds since any moment: it is only good for durations
    within one engine process. None in what version 0.1.0 wrote, and in what is not written into a run.
    """

    t: float = msgspec.field(default_factory=time.time)
    clock: float | None = None


class RunStarted(Event):
    """An engine process has the run's lock and its device: at the start, and again at each resume."""

    pid: Int64
    host: str


class Queued(Event):
    """An engine process took the run's lock and waits for its device; said again when what it waits for changes."""

    pid: Int64
    host: str
    device: str
    ahead: Int64  # runs that come first, the one that has the device among them
    holder: str | None = None  # the directory of the run that has the device; None where none has told
    holder_pid: Int64 | None = None


class Prepare(Event):
    """Progress of preparing the data; `total` and `seconds_left` (of this phase) are None where not known."""

    phase: str
    done: Int64
    total: Int64 | None = None
    seconds_left: float | None = None


class Prepared(Event):
    """The data that this run trains on."""

    directory: str
    vocab_size: Int64
    train_tokens: Int64
    val_tokens: Int64
    cached: bool
    train_stories: Int64 = 0  # 0 where an older version wrote this
    val_stories: Int64 = 0


class Step(Event):
    """One optimizer step. `loss` is the mean over all its micro-batches, in nats a token."""

    step: Int64
    loss: float | None  # None where it was not finite
    lr: float
    grad_norm: float | None
    tokens: Int64  # seen so far
    tokens_per_second: float | None = None
    mfu: float | None = None  # model FLOPs utilisation, 0 to 1; None where the device's peak is unknown


class Eval(Event):
    """An evaluation on the fixed validation windows; losses in nats a token."""

    step: Int64
    train_loss: float
    val_loss: float
    bits_per_byte: float
    best: bool  # the lowest val_loss so far
    tokens: Int64 = 0


class Checkpoint(Event):
    """A checkpoint stands on disk; written after it. `path` is relative to the run's directory."""

    kind: Literal["best", "last"]
    step: Int64
    path: str


class Sample(Event):
    """A story written along the way."""

    step: Int64
    prompt: str
    text: str
    untranslated: str | None = None  # where `text` is a translation: what the model wrote


class System(Event):
    """Use of the machine; None where unknown."""

    gpu_percent: float | None = None
    gpu_memory_bytes: Int64 | None = None
    gpu_memory_total_bytes: Int64 | None = None
    gpu_power_watts: float | None = None
    cpu_percent: float | None = None  # of one core, so 200 is two cores
    memory_bytes: Int64 | None = None  # resident, of the engine


class Resumed(Event):
    """Training goes on from this step: earlier points with a higher step are superseded."""

    step: Int64


class Warning(Event):
    """Something that a person should know and that stops nothing."""

    message: str


class RunEnded(Event):
    """The last word of an engine process."""

    reason: EndReason
    error: str | None = None


class Evaluated(Event):
    """The whole validation split, once: what `python -m engine evaluate` prints at its end. Loss in nats a token."""

    checkpoint: Literal["best", "last"]
    step: Int64
    val_loss: float
    bits_per_byte: float
    tokens: Int64  # predicted


class Piece(msgspec.Struct, frozen=True):
    """A token of a text, and what it stands for there; `text` is "" where it is a part of a character only."""

    id: int
    text: str
    bytes: str  # hexadecimal


class Tokenized(Event):
    """How a tokenizer cuts a text: what `python -m engine tokenize` prints at its end. Sizes are of the whole text."""

    tokenizer: str
    vocab_size: Int64
    stories: Int64 | None  # None where the text was given
    characters: Int64
    bytes: Int64  # UTF-8
    words: Int64  # between white space
    tokens: Int64
    pieces: list[Piece]  # of the text's beginning
    unknown: Int64 = 0  # tokens that stand for any text which the vocabulary lacks
    altered: Int64 = 0  # stories, or the text, that come back from their tokens otherwise than they were


class Exported(Event):
    """What `python -m engine export` prints at its end: the weights, or else the metrics, are at `output`."""

    run: str
    format: str
    output: str
    checkpoint: Literal["best", "last"] | None = None
    step: Int64 | None = None
    parameters: Int64 | None = None
    points: Int64 | None = None  # of metrics
    notes: list[str] = []  # for the person to know


class Imported(Event):
    """What `python -m engine import` prints at its end."""

    run: str  # its directory
    file: str  # the experiment's
    written: bool  # and whether that was written now
    step: Int64
    parameters: Int64
    vocab_size: Int64
    model: dict[str, Any]  # [model]
    notes: list[str]  # for the person to know


AnyEvent = (
    Queued
    | RunStarted
    | Prepare
    | Prepared
    | Step
    | Eval
    | Checkpoint
    | Sample
    | System
    | Resumed
    | Warning
    | RunEnded
    | Evaluated
    | Tokenized
    | Exported
    | Imported
)
Emit = Callable[[Event], None]

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def seconds_between(earlier: Event, later: Event) -> float:
    """How long after `earlier` the same engine process wrote `later`, at least 0; by the time of day, which may have
    been set in between, only where an event has no `clock`."""
    if earlier.clock is not None and later.clock is not None:
        return max(0.0, later.clock - earlier.clock)
    return max(0.0, later.t - earlier.t)


def encode(event: Event) -> bytes:
    """The event's line, newline included."""
    return _encoder.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent | None:
    """The event of a whole line, or None where it is not one that this version knows."""
    try:
        return _decoder.decode(line)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
    ):  # a torn line that was later continued, or an unknown event
        return None


class EventWriter:
    """Appends events, one `write` a line, so that a reader never sees two halves of different events.

    Each gets its `clock` from `clock`, `time.monotonic` for instance, if there is one.
    """

    def __init__(self, path: Path, clock: Callable[[], float] | None = None) -> None:
        self._path = path
        self._clock = clock
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._fd).st_size
        # an earlier process died in the middle of a line, or a full disk cut one short
        self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def __call__(self, event: Event) -> None:
        """Append `event`.

        Raises:
            OSError: the line could not be written whole (the disk is full), or nobody could read it any more.
        """
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the run's directory was deleted", os.fspath(self._path))
        if self._clock is not None:
            event.clock = self._clock()
        line = b"\n" * self._torn + encode(event)
        self._torn = False
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                os.write(self._fd, line[written:])  # raises what cut the first one short
        except OSError as error:
            self._torn = True
            error.filename = os.fspath(self._path)
            raise

    def close(self) -> None:
        os.close(self._fd)


class EventReader:
    """Reads a growing `metrics.jsonl`: each `read` returns the events that have come since the last one.

    A line without its newline is left until it is whole. A file that shrank or was replaced is read again
    from its start, and `restarted` says so for that read.
    """

    CHUNK = 8 << 20  # bytes; a read of a huge file comes back in between, for the caller to draw

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        self.restarted = False
        self._offset = start  # bytes, where a line begins
        self._inode: int | None = None

    def read(self, limit: int | None = None) -> list[AnyEvent]:
        """New events, oldest first, from at most `limit` bytes (CHUNK); [] where there are none (yet)."""
        limit = limit or self.CHUNK
        self.restarted = False
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return []
        with file:
            status = os.fstat(file.fileno())
            replaced = self._inode not in (None, status.st_ino)
            self.restarted = replaced or status.st_size < self._offset
            if self.restarted:
                self._offset = 0
            self._inode = status.st_ino
            file.seek(self._offset)
            chunk = file.read(limit)
            whole = chunk.rfind(b"\n") + 1
            if not whole and len(chunk) == limit:  # one line longer than a chunk
                chunk += file.readline()
                whole = len(chunk) if chunk.endswith(b"\n") else 0
        self._offset += whole
        return decode_lines(chunk[:whole])


def decode_lines(lines: bytes) -> list[AnyEvent]:
    """The known events of whole lines."""
    return [event for line in lines.splitlines() if (event := decode(line)) is not None]
