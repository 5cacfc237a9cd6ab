"""Step events, and the rates in them: tokens a second and MFU."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.contract.events import Emit, Step
from engine.device.timeline import Mark, mark, to_host
from engine.training.state import Progress

MOST_WAITING = 2  # steps whose numbers the device still owes: enough for it never to run dry between two steps


class Diverged(Exception):
    """A loss is not a finite number, or a gradient is none, after which no weight is."""


@dataclass(frozen=True)
class Rates:
    """What turns a step's seconds into rates."""

    tokens_per_step: int
    flops_per_token: int
    peak_flops: float | None  # of the device, a second; None where unknown


@dataclass(frozen=True)
class _Waiting:
    """A step that is queued on the device."""

    step: Step
    numbers: Tensor  # (2,), loss and gradient norm, on the host; whole once `end` has passed
    begin: Mark | None  # None: not to be timed
    end: Mark


class StepLog:
    """Emits a `step` event for each optimizer step, when the device has done it.

    The device is never waited for as long as it is at most MOST_WAITING steps behind: a step's numbers are copied to
    the host behind the step, and read when the copy has come. Its seconds are those between two marks on the device's
    own timeline, so they hold neither what this process did meanwhile nor a pause.
    """

    def __init__(
        self, emit: Emit, progress: Progress, rates: Rates, device: torch.device, *, skips_overflow: bool = False
    ) -> None:
        """`skips_overflow`: a gradient that is not finite moved nothing, as with the scaler of fp16."""
        self.emit = emit
        self.progress = progress
        self.rates = rates
        self.device = device
        self.skips_overflow = skips_overflow
        self._waiting: deque[_Waiting] = deque()
        self._begin: Mark | None = None  # of the step under way; None: it is not to be timed

    def add(self, loss: Tensor, grad_norm: Tensor, lr: float) -> None:
        """Note the step that `progress` now stands at; `loss` and `grad_norm` are scalars on the device.

        Raises:
            Diverged: the loss or gradient of this step, or of one before, is not finite.
        """
        step = Step(step=self.progress.step, loss=None, lr=lr, grad_norm=None, tokens=self.progress.tokens)
        numbers = to_host(torch.stack((loss.detach().float(), grad_norm.detach().float())))
        end = mark(self.device)
        self._waiting.append(_Waiting(step, numbers, self._begin, end))
        self._begin = end
        while self._waiting and (len(self._waiting) > MOST_WAITING or self._waiting[0].end.passed()):
            self._tell(self._waiting.popleft())

    def pause(self) -> None:
        """Emit all steps, which waits for the device, and leave what follows (an evaluation, a save) out of the rates.

        Raises:
            Diverged: the loss or gradient of one of them is not finite.
        """
        while self._waiting:
            self._tell(self._waiting.popleft())
        self._begin = None

    def go_on(self) -> None:
        """Time the next step from here on, if nothing is timed now."""
        if self._begin is None:
            self._begin = mark(self.device)

    def _tell(self, waiting: _Waiting) -> None:
        waiting.end.wait()
        step, (loss, grad_norm) = waiting.step, waiting.numbers.tolist()
        step.loss, step.grad_norm = _finite(loss), _finite(grad_norm)
        if waiting.begin is not None:
            step.tokens_per_second = self.rates.tokens_per_step / waiting.end.seconds_since(waiting.begin)
            if self.rates.peak_flops:
                step.mfu = step.tokens_per_second * self.rates.flops_per_token / self.rates.peak_flops
        self.emit(step)
        if step.loss is None or (step.grad_norm is None and not self.skips_overflow):
            raise Diverged
        self.progress.note_step(step.loss)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
