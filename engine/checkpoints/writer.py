"""Checkpoints without waiting for the disk: the training loop copies what is to be saved, and a thread writes it."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from engine.checkpoints.write import CheckpointInfo, save_checkpoint
from engine.contract.checkpoints import CheckpointName
from engine.contract.events import Checkpoint, Emit
from engine.runs.run import Run


class CheckpointWriter:
    """A context. `save` returns when the copies are taken; a thread writes them, syncs them and announces them.

    The thread takes all that waits at once and writes it in one order: first what only the model is read from, then
    what a run is resumed from. So a state on disk never speaks of a best checkpoint that a kill has lost, and none
    waits for ever on a slow disk. A save that finds one of its kind still waiting takes its place.

    Memory: a copy of what is saved, kept for the next save; on a disk so slow that saves wait, at most two copies of
    each kind. `best` and `last` of the same step share that of the weights. With AdamW that is 12 bytes a parameter.
    """

    def __init__(self, run: Run, tokenizer: Path, emit: Emit) -> None:
        """`tokenizer` is the folder of the run's tokenizer; `emit` is called in the thread."""
        self._run = run
        self._tokenizer = tokenizer
        self._emit = emit
        self._copies = _Copies()
        self._changed = threading.Condition()  # guards what follows
        self._waiting: dict[CheckpointName, _Save] = {}
        self._newest: _Weights | None = None
        self._writing = False
        self._closing = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="checkpoints")

    def __enter__(self) -> CheckpointWriter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what was saved, also where the block failed; raises as `wait` does where it did not."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if error is None:
            self.check()
        elif self._error not in (None, error):
            print(self._error, file=sys.stderr)

    def save(
        self,
        kind: CheckpointName,
        weights: dict[str, Tensor],
        info: CheckpointInfo,
        trainer: dict[str, Any] | None = None,
    ) -> None:
        """Take copies for the checkpoint `kind`; the tensors may change as soon as this returns.

        Weights of one `info.step` are taken to be the same. `trainer` is what a resume needs besides: tensors and
        plain values in dictionaries, lists and tuples.

        Raises:
            UserError: an earlier one could not be written. The checkpoint before that stands.
            OSError: an earlier one could not be announced.
        """
        self.check()
        with self._changed:  # the thread may not begin on it from here on
            self._drop(self._waiting.pop(kind, None))
            shared = self._newest if self._newest and self._newest.step == info.step else None
            if shared:
                shared.users += 1
        copy = shared or _Weights(info.step, self._copies.take(weights))
        save = _Save(info, copy, self._copies.take(trainer), _end_of_copies(weights))
        with self._changed:
            self._newest = copy
            self._waiting[kind] = save
            self._changed.notify_all()

    def check(self) -> None:
        """Raise what went wrong in the thread, if anything did; as `save`."""
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Return when all that was saved is on disk and announced; raises as `save`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._writing)
        self.check()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                taken, self._waiting, self._writing = self._waiting, {}, True
            for kind, save in sorted(taken.items(), key=lambda item: item[1].trainer is not None):
                try:
                    if self._error is None:
                        self._write(kind, save)
                except Exception as error:  # noqa: BLE001  the loop raises it
                    self._error = error
                with self._changed:
                    self._drop(save)

    def _write(self, kind: CheckpointName, save: _Save) -> None:
        if save.copied is not None:
            save.copied.synchronize()
        path = save_checkpoint(self._run, kind, save.weights.tensors, save.info, self._tokenizer, save.trainer)
        self._emit(Checkpoint(kind, save.info.step, str(path.relative_to(self._run.path))))

    def _drop(self, save: _Save | None) -> None:
        """Keep the memory of a save that is written or superseded for the next one."""
        if save is None:
            return
        self._copies.give_back(save.trainer)
        save.weights.users -= 1
        if not save.weights.users:
            self._copies.give_back(save.weights.tensors)
            if self._newest is save.weights:
                self._newest = None


@dataclass
class _Weights:
    """A copy of the weights of a step, which `best` and `last` may share."""

    step: int
    tensors: dict[str, Tensor]
    users: int = 1


@dataclass(frozen=True)
class _Save:
    info: CheckpointInfo
    weights: _Weights
    trainer: dict[str, Any] | None
    copied: torch.cuda.Event | None  # passes when the GPU has made the copies


class _Copies:
    """Copies of tensors in memory that is kept: taken anew from the system, it costs three times the copying.

    What comes from a GPU goes to pinned memory, where the copy is made in the GPU's own time.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[torch.Size, torch.dtype], list[Tensor]] = {}

    @torch.no_grad()
    def take(self, content: Any) -> Any:
        """`content` with a copy in the place of each tensor."""
        if isinstance(content, Tensor):
            free = self._free.setdefault((content.shape, content.dtype), [])
            copy = free.pop() if free else _memory_for(content)
            return copy.copy_(content, non_blocking=content.is_cuda)  # only CUDA tells its end to another thread
        if isinstance(content, dict):
            return {key: self.take(value) for key, value in content.items()}
        if isinstance(content, (list, tuple)):
            return type(content)([self.take(value) for value in content])
        return content

    def give_back(self, content: Any) -> None:
        """Keep the memory of what `take` returned."""
        if isinstance(content, Tensor):
            self._free[content.shape, content.dtype].append(content)
        elif isinstance(content, dict):
            self.give_back(list(content.values()))
        elif isinstance(content, (list, tuple)):
            for value in content:
                self.give_back(value)


def _memory_for(tensor: Tensor) -> Tensor:
    """Room on the CPU for a copy of `tensor`, whole and in order also where it is a view."""
    if tensor.is_cuda:
        try:
            return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
        except RuntimeError:  # the system pins no more: other memory makes the copy slower, and the run goes on
            pass
    return torch.empty(tensor.shape, dtype=tensor.dtype)


def _end_of_copies(weights: dict[str, Tensor]) -> torch.cuda.Event | None:
    """What passes when the GPU has done what it was asked until now; None where nothing lies on one."""
    device = next((tensor.device for tensor in weights.values() if tensor.is_cuda), None)
    if device is None:
        return None
    event = torch.cuda.Event(blocking=True)  # its wait sleeps
    event.record(torch.cuda.current_stream(device))
    return event
