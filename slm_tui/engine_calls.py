"""Engine processes that answer and end: preparing, evaluating, generating, looking at the machine.

They are part of the command that calls them, so Ctrl-C ends both.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar, cast

from engine.contract import events, generation
from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.events import AnyEvent
from engine.runs.run import Run
from slm_tui.launcher import ENGINE, engine_environment

Answer = TypeVar("Answer", bound=events.Event)


class EngineFailed(Exception):
    """An engine process ended otherwise than it should; the message is the end of what it said."""


def answer_of(
    arguments: Sequence[str], wanted: type[Answer], show: Callable[[AnyEvent], None], mirror: Path | None = None
) -> Answer:
    """Run `python -m engine ARGUMENTS`, passing its events to `show`, up to the event that is the answer.

    Raises:
        UserError: a mistake that the engine has explained.
        EngineFailed: it ended without the answer.
    """
    answer = None
    with _engine(arguments, mirror) as process:
        for line in _stdout(process):
            event = events.decode(line)
            if isinstance(event, wanted):
                answer = event
            elif event is not None:
                show(event)
    if answer is None:
        raise EngineFailed(f"python -m engine {arguments[0]} ended without an answer")
    return answer


def engine_doctor() -> bytes:
    """What `python -m engine doctor` says, as JSON.

    Raises:
        EngineFailed: torch cannot be loaded, for instance.
    """
    with _engine(["doctor"]) as process:
        return b"".join(_stdout(process))


def engine_proof(device: str, show: Callable[[events.Checked], None]) -> events.Proven:
    """Run `python -m engine doctor --train`, passing each check to `show` as it ends.

    Raises:
        UserError: there is no such device.
        EngineFailed: it ended in the middle.
    """
    proven = None
    try:
        with _engine(["doctor", "--train", "--device", device]) as process:
            for line in _stdout(process):
                event = events.decode(line)
                if isinstance(event, events.Checked):
                    show(event)
                elif isinstance(event, events.Proven):
                    proven = event
    except EngineFailed:  # its exit status is 1 where a check fails
        if proven is None:
            raise
    if proven is None:
        raise EngineFailed("python -m engine doctor --train ended without an answer")
    return proven


def stories(
    run: Run,
    checkpoint: CheckpointName,
    device: str,
    requests: Iterable[generation.Generate],
    quantize: str | None = None,
    mirror: Path | None = None,
) -> Iterator[generation.AnyReply]:
    """Have stories written, one request after another: `loaded`, then `begun`, pieces and `done` of each.

    Raises:
        UserError: there is no such checkpoint, or the engine refuses a request.
        EngineFailed: it ended in the middle.
    """
    arguments = ["generate", str(run.path), "--checkpoint", checkpoint, "--device", device]
    arguments += ["--quantize", quantize] if quantize else []
    with _engine(arguments, mirror) as process:
        replies = map(generation.decode_reply.decode, _stdout(process))
        stdin = cast(IO[bytes], process.stdin)
        whole = yield from _up_to(generation.Loaded, 1, replies)
        for request in requests:
            with suppress(BrokenPipeError):  # it has died already, and its exit status says why
                stdin.write(generation.encode(request) + b"\n")
                stdin.flush()
            whole = yield from _up_to(generation.Done, request.num_samples, replies)
        with suppress(BrokenPipeError):
            stdin.close()
    if not whole:
        raise EngineFailed("the generation process ended in the middle of a story")


def _up_to(
    last: type[generation.Reply], count: int, replies: Iterator[generation.AnyReply]
) -> Generator[generation.AnyReply, None, bool]:
    """Replies up to the `count`-th of the kind `last`; returns whether it came."""
    for reply in replies:
        if isinstance(reply, generation.Error):
            raise UserError(reply.message)
        yield reply
        count -= isinstance(reply, last)
        if not count:
            return True
    return False


@contextmanager
def _engine(arguments: Sequence[str], mirror: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with (
        tempfile.TemporaryFile() as said,  # a pipe that nobody reads while the other is read would fill
        subprocess.Popen(
            [*ENGINE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=engine_environment(mirror),
        ) as process,
    ):
        try:
            yield process
        except BaseException:  # Ctrl-C too: the engine has nobody to answer any more
            process.terminate()
            raise
        status = process.wait()
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
        if status == 2:
            raise UserError(words)
        if status:
            raise EngineFailed("\n".join(words.splitlines()[-12:]) or _ended(status))


def _stdout(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    return iter(cast(IO[bytes], process.stdout).readline, b"")


def _ended(status: int) -> str:
    """What to say of an engine that said nothing."""
    return f"the engine was ended from outside (signal {-status})" if status < 0 else f"exit status {status}"
