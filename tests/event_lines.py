"""Events of every kind, and files of them, large and small."""

from __future__ import annotations

from pathlib import Path

from engine.contract.events import (
    AnyEvent,
    Checked,
    Checkpoint,
    Eval,
    Evaluated,
    Event,
    EventReader,
    EventWriter,
    Exported,
    Imported,
    Prepare,
    Prepared,
    Proven,
    Queued,
    Resumed,
    RunEnded,
    RunStarted,
    Sample,
    Step,
    System,
    Tokenized,
    TokenPiece,
    Warning,
    encode,
)
from engine.runs.run import Run

ONE_OF_EACH: list[Event] = [
    Queued(1, "host", "cpu", 1, "/runs/tiny/1", 2),
    RunStarted(1, "host"),
    Prepare("tokenize", 1, 2, 3.5),
    Prepared("data/x", 300, 1000, 100, False),
    Step(1, 5.5, 1e-3, None, 64),
    Eval(1, 5.0, 5.1, 2.2, True, 64),
    Checkpoint("best", 1, "checkpoints/best"),
    Sample(1, "Once", 'a "story"\nof two lines, \r و\u2028'),
    System(cpu_percent=12.5),
    Resumed(1),
    Warning("mind\nthis"),
    Evaluated("best", 1, 5.0, 2.1, 100),
    Tokenized("byte_bpe", 400, None, 3, 4, 1, 1, [TokenPiece(7, "é", "c3a9")]),
    Exported("tiny/1", "gguf", "model.gguf", "best", 24, 400, None, ["mind this"]),
    Imported("/runs/tiny/1", "tiny.toml", True, 24, 400, 300, {"n_head": 2, "bias": True}, []),
    RunEnded("finished"),
    Checked("fp32", "fails", "loss 6.1 to 6.0 in 60 steps", "try another driver", 2.5),
    Proven("cuda:0", "a GPU", 1),
]


def step(number: int) -> Step:
    return Step(number, 5.0, 1e-3, 1.0, number * 64)


def steps(events: list[AnyEvent]) -> list[int]:
    return [event.step for event in events if isinstance(event, Step)]


def read_all(path: Path) -> list[AnyEvent]:
    reader, found = EventReader(path), []
    while events := reader.read():
        found.extend(events)
    return found


def mixed(count: int) -> bytes:
    return b"".join(
        encode(event)
        for number in range(count)
        for event in (step(number), *(ONE_OF_EACH if number % 10 == 3 else ()), System(cpu_percent=1.0))
    )


def write_steps(path: Path, size: int) -> int:
    """Fill a file with at least this many bytes of steps, numbered from 0; how many there are."""
    head, tail = encode(Step(0, 5.0, 1e-3, 1.0, 64, t=1.0)).split(b'"step":0,')
    count = size // len(head + b'"step":0,' + tail) + 1
    path.write_bytes(b"".join(b'%b"step":%d,%b' % (head, number, tail) for number in range(count)))
    return count


def tell_better(run: Run, step: int) -> None:
    """Say in the run's events that its checkpoint of `step` is the best so far."""
    say = EventWriter(run.metrics)
    say(Eval(step=step, train_loss=0.5, val_loss=0.5, bits_per_byte=0.1, best=True))
    say.close()
