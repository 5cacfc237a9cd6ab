"""One engine process's work on a run: take its lock, wait for its device, prepare, train, and say how it ended.

python -m engine train RUN_DIRECTORY [--resume]
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from types import FrameType

from engine.contract.errors import UserError
from engine.contract.events import Emit, Event, EventWriter, RunEnded, RunStarted, Warning
from engine.contract.experiment import Experiment, Hardware
from engine.device.memory import is_out_of_memory, memory_warning, reserve_memory
from engine.runs.device_queue import wait_for_turn
from engine.runs.devices import find_device
from engine.runs.info import describe
from engine.runs.run import Run

EXIT_CODES = {"finished": 0, "early_stopped": 0, "failed": 1, "diverged": 1, "stopped": 130}


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
        emit = EventWriter(run.metrics)
        ended = _work(run, experiment, emit, resume=resume)
        try:
            emit(ended)
        except OSError as error:
            print(f"cannot record that the run ended ({ended.reason}): {_refused(error)}", file=sys.stderr)
            return EXIT_CODES["failed"]
    return EXIT_CODES[ended.reason]


def _work(run: Run, experiment: Experiment, emit: Emit, *, resume: bool) -> RunEnded:
    """Everything up to `run_ended`."""
    stop = Stop()
    try:
        _take_device(run, experiment.hardware, emit)
        # torch: 2 s, so after the locks and their event
        from engine.commands.prepare import data_of, prepared_event
        from engine.device.choice import prepare_device, why_no_cuda
        from engine.training.loop import train
        from engine.training.monitor import Monitor

        hardware = experiment.hardware
        device = prepare_device(hardware, deterministic=experiment.train.deterministic)
        if device.type == "cpu" and find_device(hardware.device).label.startswith("cuda"):
            emit(Warning(f"trains on the CPU: {why_no_cuda()}"))
        if device.type == "cuda" and hardware.memory_fraction is not None:
            reserve_memory(device, hardware.memory_fraction)
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
    except Exception as error:  # noqa: BLE001  whatever went wrong, the run must record how it ended
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
            problem = f"the queue for {device.label} cannot be used, so this run does not wait for others: {error}"
    emit(RunStarted(os.getpid(), socket.gethostname()))
    if problem:
        emit(Warning(problem))


def _refused(error: OSError) -> str:
    """What the system refused, and where."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _explained(error: Exception, run: Run) -> str:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    if is_out_of_memory(error):
        return (
            f"out of memory: {first_line}\nlower train.batch_size and raise train.grad_accum_steps by the same factor"
        )
    return f"{type(error).__name__}: {first_line} (the full traceback is in {run.log})"
