"""A generation process and what it says: this side of `engine.contract.generation`."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, cast

import msgspec

from engine.contract.checkpoints import CheckpointName
from engine.contract.generation import AnyReply, AnyRequest, Error, decode_reply, encode
from engine.runs.run import Run
from slm_tui.launcher import ENGINE, engine_environment

_PATIENCE_SECONDS = 2.0  # for a process to end by itself once its stdin has ended
_LAST_WORDS = 2  # lines of what it wrote on stderr: of a traceback, what went wrong


@dataclass(frozen=True)
class Gone:
    """The process has ended, though nobody asked it to."""

    why: str


class Generator:
    """The generation process of one run's checkpoint: started by the first request, and anew by the first one after
    it has gone. It ends with this program, however that ends, for then its stdin does.

    `hear` is called with each reply, and with `Gone`, in a thread of its own.
    """

    def __init__(self, run: Run, checkpoint: CheckpointName, hear: Callable[[AnyReply | Gone], None]) -> None:
        self.run = run
        self.checkpoint: CheckpointName = checkpoint
        self._hear = hear
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: SimpleQueue[AnyRequest | None] = SimpleQueue()  # for `_process`; None ends it

    def ask(self, request: AnyRequest) -> None:
        """Send a request; what comes of it is heard.

        Raises:
            UserError: the run's experiment.toml cannot be read, or the mirror is no folder.
            OSError: no process could be started.
        """
        if self._process is None or self._process.poll() is not None:
            self.start()
        self._requests.put(request)

    def start(self) -> None:
        """Start the process, which loads the checkpoint and says so. Raises what `ask` does."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  closed by the thread that listens
        device = self.run.experiment().hardware.device
        process = self._process = subprocess.Popen(
            [*ENGINE, "generate", str(self.run.path), "--checkpoint", self.checkpoint, "--device", device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env=engine_environment(),
            start_new_session=True,  # a Ctrl-C in this terminal is not meant for it
        )
        requests = self._requests = SimpleQueue()
        for target, its in ((self._listen, said), (_send, requests)):
            threading.Thread(target=target, args=(process, its), name="generator", daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        problem = ""  # of no request: the checkpoint could not be loaded, which ends the process
        with said, cast(IO[bytes], process.stdout) as replies:
            for line in replies:
                if process is self._process:
                    with suppress(msgspec.DecodeError, UnicodeDecodeError):  # a line that some library has printed
                        reply = decode_reply.decode(line)
                        problem = reply.message if isinstance(reply, Error) and reply.id is None else ""
                        self._hear(reply)
            status = process.wait()
            said.seek(0)
            words = "\n".join(said.read().decode(errors="replace").strip().splitlines()[-_LAST_WORDS:])
        if process is self._process:
            self._hear(Gone(words or problem or f"it was ended from outside (exit status {status})"))

    def close(self) -> None:
        """End the process, in the middle of a story too; nothing more is heard of it."""
        process, self._process = self._process, None
        if process is not None:
            self._requests.put(None)
            threading.Thread(target=_see_off, args=(process,), name="see off", daemon=True).start()


def _send(process: subprocess.Popen[bytes], requests: SimpleQueue[AnyRequest | None]) -> None:
    """In a thread: a process that is busy may leave a long prompt in its pipe for a while."""
    with suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin:  # that it has died, `_listen` says
        for request in iter(requests.get, None):
            stdin.write(encode(request) + b"\n")
            stdin.flush()


def _see_off(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
