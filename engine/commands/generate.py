"""The generation process: requests on stdin, stories on stdout, a JSON object a line.

    python -m engine generate RUN_DIRECTORY [--checkpoint NAME] [--device DEVICE] [--quantize int8]

The protocol is `engine.contract.generation`. It takes neither the run's lock nor a place in the device's queue, so it
serves while a training runs.
"""

from __future__ import annotations

import os
import queue
import secrets
import sys
import threading
import time
import traceback
from dataclasses import dataclass

import msgspec
import torch

from engine.checkpoints.read import NoCheckpoint, load_whole
from engine.checkpoints.write import CheckpointInfo
from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.experiment import SampleTranslate
from engine.contract.generation import (
    AnyReply,
    AnyRequest,
    Begun,
    Cancel,
    Done,
    Error,
    Generate,
    Load,
    Loaded,
    Quantize,
    Text,
    Unload,
    Unloaded,
    decode_request,
    encode,
)
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.device.choice import prepare_device
from engine.device.cores import FreeCores
from engine.device.memory import is_out_of_memory, release_memory
from engine.generation.decoder import column_major, window_start
from engine.generation.quantize import quantize
from engine.generation.sampler import SEEDS
from engine.generation.writer import End, TextChunk, Writer, prompt_tokens
from engine.model.gpt import GPT
from engine.runs.run import Run
from engine.runs.workspace import mirror_folder
from engine.translation.stories import StoryTranslator


def serve(run: Run, kind: CheckpointName, device_name: str, quantized: Quantize | None) -> int:
    """Load the checkpoint and answer requests until stdin ends; the exit code."""
    try:
        try:
            server = Server(run, kind, _device(run, device_name, quantized), quantized)
            server.load(kind)
        except Exception as error:  # noqa: BLE001  the client waits for `loaded` or `error`
            reply(Error(_explained(error)))
            return 2
        inbox = Inbox()
        while (job := inbox.next()) is not None:
            server.handle(job)
            inbox.forget(job)
    except BrokenPipeError:  # the client has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
    return 0


def reply(message: AnyReply) -> None:
    """Say something, at once."""
    sys.stdout.buffer.write(encode(message) + b"\n")
    sys.stdout.buffer.flush()


@dataclass(eq=False)
class Job:
    """A request, or the error in it."""

    request: AnyRequest | Error
    cancelled: bool = False


class Inbox:
    """The requests on stdin, read in a thread, so that `cancel` and the end of stdin interrupt a story."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []  # that are not done
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> Job | None:
        """Wait for the next request; None at the end of stdin."""
        job = self._queue.get()
        return None if self._ended else job

    def forget(self, job: Job) -> None:
        """Remove a finished job, so that a `cancel` with its id has no effect."""
        self._jobs.remove(job)

    def _read(self) -> None:
        # A reader of its own: Python closes the usual one as it ends, and would wait for this thread.
        with open(sys.stdin.fileno(), "rb", closefd=False) as lines:
            for line in lines:
                if line.strip():
                    self._take(_decoded(line))
        self._ended = True
        self._cancel(self._jobs)
        self._queue.put(None)

    def _take(self, request: AnyRequest | Error) -> None:
        if isinstance(request, Cancel):
            self._cancel([job for job in self._jobs if getattr(job.request, "id", None) == request.id])
        else:
            job = Job(request)
            self._jobs.append(job)
            self._queue.put(job)

    def _cancel(self, jobs: list[Job]) -> None:
        for job in list(jobs):
            job.cancelled = True


class _OnlyId(msgspec.Struct):
    id: int | None = None


def _decoded(line: bytes) -> AnyRequest | Error:
    try:
        return decode_request.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"not a request: {error}"
    try:
        asked = msgspec.json.decode(line, type=_OnlyId).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        asked = None
    return Error(message, asked if asked is not None and abs(asked) < SEEDS else None)


class Server:
    """A run's checkpoint in memory, and the answers that it gives."""

    def __init__(self, run: Run, kind: CheckpointName, device: torch.device, quantized: Quantize | None) -> None:
        self.run = run
        self.kind = kind
        self.device = device
        self.quantized = quantized
        self._loaded: tuple[GPT, CheckpointInfo, Tokenizer] | None = None
        self._translator: StoryTranslator | None = None
        self._cores = FreeCores()

    def handle(self, job: Job) -> None:
        """Answer a request; an error is an answer too."""
        request = job.request
        try:
            if isinstance(request, Generate):
                self.generate(request, job)
            elif isinstance(request, Load):
                self.load(request.checkpoint)
            elif isinstance(request, Unload):
                self.unload()
            elif isinstance(request, Error):
                reply(request)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  no request may end the process
            if not isinstance(error, UserError) and not is_out_of_memory(error):
                traceback.print_exc()
            reply(Error(_explained(error), getattr(request, "id", None)))

    def load(self, kind: CheckpointName) -> None:
        """Read the checkpoint as it stands on disk now. Falls back to the CPU if the device runs out of memory.

        Raises:
            UserError: there is none, or it is damaged; the one before stays.
        """
        started = time.perf_counter()
        note = None
        try:
            loaded = self._read(kind)
        except Exception as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
            note = self._falls_back()
        if note:
            loaded = self._read(kind)
        self._loaded, self.kind = loaded, kind
        self._say_loaded(started, note)

    def unload(self) -> None:
        """Give back the memory of the model and the translators."""
        self._loaded = self._translator = None
        release_memory()
        reply(Unloaded())

    def generate(self, request: Generate, job: Job) -> None:
        """Write the stories of a request, each piece as soon as it is there."""
        if self._loaded is None:
            self.load(self.kind)
        assert self._loaded is not None
        model, _, tokenizer = self._loaded
        torch.set_num_threads(self._cores.count())
        started = time.perf_counter()
        seed = secrets.randbelow(2**31) if request.seed is None else request.seed
        translator = self._translator_for(request.sampling.translate)
        prompt = translator.prompt(request.prompt) if translator else request.prompt
        ids = prompt_tokens(tokenizer, prompt)
        start = window_start(len(ids), model.block_size)
        dropped = max(0, start - 1)  # the leading end-of-text is not part of the prompt
        reply(Begun(request.id, seed, len(ids) - start, dropped, prompt if translator else None))
        writer = Writer(model, tokenizer, ids, request.sampling, seed, request.num_samples, request.alternatives)
        telling = _Telling(request, job, seed, started, translator, [prompt] * request.num_samples)
        while writer.samples:
            for part in writer.cancel() if job.cancelled else self._step(writer):
                telling.tell(part)

    def _step(self, writer: Writer) -> list[TextChunk | End]:
        """The writer's next step; on the CPU if the device runs out of memory."""
        try:
            return writer.step()
        except RuntimeError as error:
            if not is_out_of_memory(error) or self.device.type == "cpu":
                raise
        assert self._loaded is not None  # outside `except`, where the error that holds tensors has been freed
        started = time.perf_counter()
        note = self._falls_back()
        writer.decoder.use(column_major(self._loaded[0].cpu()))
        self._say_loaded(started, note)
        return writer.step()

    def _read(self, kind: CheckpointName) -> tuple[GPT, CheckpointInfo, Tokenizer]:
        try:
            model, info, tokenizer = load_whole(self.run, kind, self.device)
        except NoCheckpoint as error:
            raise UserError(f"{error}; {_when(self.run, kind)}") from None
        if self.quantized:
            model = quantize(model)
        elif self.device.type == "cpu":
            model = column_major(model)
        return model, info, tokenizer

    def _falls_back(self) -> str:
        """Switch to the CPU; returns the note for the user."""
        note = f"{self.device} has too little free memory for this model, so it runs on the CPU"
        self.device = torch.device("cpu")
        self._translator = None
        release_memory()
        return note

    def _say_loaded(self, started: float, note: str | None) -> None:
        assert self._loaded is not None
        info = self._loaded[1]
        seconds = time.perf_counter() - started
        reply(Loaded(self.kind, info.step, info.val_loss, str(self.device), seconds, note))

    def _translator_for(self, models: SampleTranslate | None) -> StoryTranslator | None:
        if models is None:
            return None
        if self._translator is None or self._translator.models != models:
            self._translator = StoryTranslator(models, self.device, mirror_folder(), self.run.workspace_folder)
        return self._translator


class _Cancelled(Exception):
    """The request was cancelled during a translation."""


@dataclass
class _Telling:
    """Sends a request's stories to the client."""

    request: Generate
    job: Job
    seed: int
    started: float
    translator: StoryTranslator | None
    stories: list[str]  # of each sample, prompt included, in the model's language
    first: float | None = None  # when the first token was there

    def tell(self, part: TextChunk | End) -> None:
        """Pass a part on, with what time it took."""
        now = time.perf_counter()
        self.first = self.first or now
        if isinstance(part, TextChunk):
            self.stories[part.sample] += part.text
            reply(Text(part.text, self.request.id, part.sample, part.tokens))
            return
        seconds = now - self.started
        seed = (self.seed + part.sample) % SEEDS
        translation = self._translation(self.stories[part.sample])
        timing = part.tokens / seconds, self.first - self.started
        reply(Done(part.tokens, *timing, part.reason, seed, self.request.id, part.sample, translation))

    def _translation(self, story: str) -> str | None:
        def check(done: int, total: int) -> None:
            if self.job.cancelled:
                raise _Cancelled

        if self.translator is None or self.job.cancelled:
            return None
        try:
            return self.translator.story(story, check)
        except _Cancelled:
            return None


def _device(run: Run, name: str, quantized: Quantize | None) -> torch.device:
    if quantized is not None:
        if name not in ("auto", "cpu"):
            raise UserError(f"--quantize {quantized} --device {name}: int8 runs on the CPU only; remove one of the two")
        name = "cpu"
    return prepare_device(msgspec.structs.replace(run.experiment().hardware, device=name))


def _when(run: Run, kind: CheckpointName) -> str:
    """When a run without this checkpoint will have it."""
    status, train = run.status(), run.experiment().train
    state = run.state(status)
    if state not in ("queued", "preparing", "training"):
        return f"the run is not training (it is {state.replace('_', ' ')})"
    standing = f"it is {state}, at step {status.step}"
    if kind not in ("best", "last"):
        return standing
    interval = train.eval_interval if kind == "best" else train.checkpoint_interval
    step = min(interval * (status.step // interval + 1), train.max_steps)
    how = "evaluates for the first time" if kind == "best" else "saves its first"
    return f"{standing}, and {how} at step {step}"


def _explained(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if is_out_of_memory(error):
        return f"out of memory: {first_line}\nrequest fewer samples, or free memory on this machine"
    return f"{type(error).__name__}: {first_line}"
