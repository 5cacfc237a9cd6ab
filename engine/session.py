"""One engine process's work on a run: take its lock, wait for its device, prepare, train, and say how it ended.

python -m engine train RUN_DIRECTORY [--resume]
"""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Literal

from engine.contract.device_queue import wait_for_turn
from engine.contract.devices import find_device
from engine.contract.errors import UserError
from engine.contract.events import Emit, Evaluated, Event, EventWriter, Prepared, RunEnded, RunStarted, Warning
from engine.contract.experiment import Experiment, Hardware
from engine.contract.run import Run, RunInfo
from engine.contract.workspace import Workspace, mirror_folder
from engine.data.prepare import PreparedData, digest_of, prepare

EXIT_CODES = {"finished": 0, "early_stopped": 0, "failed": 1, "diverged": 1, "stopped": 130}
_OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError", "_ArrayMemoryError")  # torch, Python and numpy
_REPORTED_PACKAGES = ("slm-tui", "torch", "numpy", "safetensors", "tiktoken", "tokenizers", "datasets")


class Stop:
    """SIGTERM and SIGINT: before training they interrupt at once, while training they wait for the step's end."""

    def __init__(self) -> None:
        self.requested = False
        self.interrupts = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self.interrupts:
            raise KeyboardInterrupt

    def checked_by(self, emit: Emit) -> Emit:
        """`emit`, which interrupts too: a library that was calling back when the signal came may have lost it."""

        def check_and_emit(event: Event) -> None:
            if self.requested:
                raise KeyboardInterrupt
            emit(event)

        return check_and_emit


def train_run(run: Run, *, resume: bool) -> int:
    """Prepare and train `run` under its lock; the exit code says how it ended.

    Raises:
        UserError: the run cannot be started at all: its lock is held, or its experiment file is wrong.
    """
    experiment = run.experiment()
    with run.hold_lock():
        emit = EventWriter(run.metrics, time.monotonic)
        ended = _work(run, experiment, emit, resume=resume)
        try:
            emit(ended)
        except OSError as error:
            print(f"the run's last word, {ended.reason!r}, could not be written: {_refused(error)}", file=sys.stderr)
            return EXIT_CODES["failed"]
    return EXIT_CODES[ended.reason]


def _work(run: Run, experiment: Experiment, emit: Emit, *, resume: bool) -> RunEnded:
    """Everything up to `run_ended`."""
    stop = Stop()
    try:
        _take_device(run, experiment.hardware, emit)
        # torch: 2 s, so after the locks and their event
        from engine.device import keep_large_buffers, memory_warning, prepare_device
        from engine.monitor import Monitor
        from engine.train import train

        keep_large_buffers()
        device = prepare_device(experiment.hardware)
        if warning := memory_warning(experiment, device):
            emit(Warning(warning))
        if run.info() is None:
            run.write_info(describe(run, str(device), experiment.train.seed))
        data = data_of(run, experiment, stop.checked_by(emit))
        emit(prepared_event(data))
        stop.interrupts = False
        with Monitor(device, emit):
            return RunEnded(train(run, experiment, data, device, emit, lambda: stop.requested, resume=resume))
    except KeyboardInterrupt:
        return RunEnded("stopped")
    except UserError as error:
        print(error, file=sys.stderr)
        return RunEnded("failed", error=str(error))
    except OSError as error:
        print(_refused(error), file=sys.stderr)
        return RunEnded("failed", error=_refused(error))
    except Exception as error:  # noqa: BLE001  whatever went wrong, the run's last word must be said
        traceback.print_exc()
        return RunEnded("failed", error=_explained(error, run))


def _take_device(run: Run, hardware: Hardware, emit: Emit) -> None:
    """Wait for the run's turn on its device, and say that it starts. Without a queue it starts at once."""
    problem = None
    if not hardware.share_device:
        device = find_device(hardware.device)
        try:
            wait_for_turn(device, run, emit)
        except OSError as error:  # no lock is worth more than the training
            problem = f"the queue for {device.label} cannot be used, so this run waits for no other there: {error}"
    emit(RunStarted(os.getpid(), socket.gethostname()))
    if problem:
        emit(Warning(problem))


def data_of(run: Run, experiment: Experiment, emit: Emit) -> PreparedData:
    """The data that `run` trains on: what it used before, if that is still there, or else prepared now.

    A warning where they are not what it used before: its source has changed.

    Raises:
        UserError: the data cannot be prepared.
    """
    used = run.status().data
    if used is not None and (Path(used.directory) / "manifest.json").exists():
        return PreparedData.load(Path(used.directory))
    data = prepare(run.name, experiment, Workspace(run.workspace_folder), mirror_folder(), emit)
    if used is not None and digest_of(Path(used.directory)) != digest_of(data.directory):
        emit(Warning(f"{used.directory}, which this run used before, is gone, and what its source gives now differs"))
    return data


def prepared_event(data: PreparedData) -> Prepared:
    """What the events say of prepared data."""
    manifest = data.manifest
    train, val = manifest.train, manifest.val
    return Prepared(
        str(data.directory), manifest.vocab_size, train.tokens, val.tokens, data.cached, train.stories, val.stories
    )


def evaluate_run(run: Run, kind: Literal["best", "last"], device_name: str, emit: Emit) -> Evaluated:
    """A checkpoint's loss over the whole validation split.

    Raises:
        UserError: there is no such checkpoint, its data cannot be prepared or are of another tokenizer, or the loss is
            not finite.
    """
    from engine.checkpoint import check_tokenizer, load_model
    from engine.data.batches import TokenFile, whole_split
    from engine.device import choose_device, choose_precision
    from engine.evaluate import bits_per_byte, counted, mean_loss

    experiment = run.experiment()
    device = choose_device(device_name)
    model, info = load_model(run, kind, device)
    data = data_of(run, experiment, emit)
    check_tokenizer(run, kind, data)
    split = data.manifest.val
    file = TokenFile(data.val, data.manifest.dtype, info.model.block_size, device)
    batches = counted(whole_split(file, experiment.train.batch_size), emit, split.tokens - 1)
    loss, tokens = mean_loss(model, batches, choose_precision(experiment.train.precision, device))
    if not math.isfinite(loss):
        raise UserError(
            f"{run}: the validation loss of its {kind} checkpoint is not a finite number: its weights hold NaN or "
            "infinity, or numbers that become so"
        )
    return Evaluated(kind, info.step, loss, bits_per_byte(loss, split.tokens, split.bytes), tokens)


def describe(run: Run, device: str, seed: int) -> RunInfo:
    """What `run.json` says."""
    return RunInfo(
        run_id=run.id,
        name=run.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=sys.argv,
        versions={"python": sys.version.split()[0], **{name: metadata.version(name) for name in _REPORTED_PACKAGES}},
        git_commit=_git_commit(run.workspace_folder),
        host=socket.gethostname(),
        device=device,
        seed=seed,
    )


def _git_commit(folder: Path) -> str | None:
    """The commit of the workspace that the run lies in, if that is under git."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _refused(error: OSError) -> str:
    """What the system refused, and where."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _explained(error: Exception, run: Run) -> str:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if type(error).__name__ in _OUT_OF_MEMORY or "DefaultCPUAllocator" in str(error):
        return f"out of memory: {first_line}\nlower train.batch_size and raise train.grad_accum_steps by as much"
    return f"{type(error).__name__}: {first_line} (the whole of it is in {run.log})"
