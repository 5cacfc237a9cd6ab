"""The events of `metrics.jsonl`: what a run says of itself, one JSON object a line, only ever appended.

The engine writes with `EventWriter`. Readers follow a file with `EventReader`, or take what a list needs from
a finished or huge one with `glance`. Readers skip events and fields that they do not know, so a newer engine's
runs stay readable.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # what any reader can hold; a longer one is damage
EndReason = Literal["finished", "early_stopped", "stopped", "failed", "diverged"]


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, kw_only=True, tag_field="event", tag=_snake_case):
    """One line, named by `event`; `t` is when it was written, in unix seconds."""

    t: float = msgspec.field(default_factory=time.time)


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
Known = TypeVar("Known", bound=Event)

_TAIL_BYTES = 16_384
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


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
    """Appends events, one `write` a line, so that a reader never sees two halves of different events."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
