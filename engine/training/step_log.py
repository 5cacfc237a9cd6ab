"""Step events, and the rates in them: tokens a second and MFU."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.contract.events import Emit, Step
from engine.training.state import Progress


class Diverged(Exception):
    """A loss is not a finite number, or a gradient is none, after which no weight is."""


@dataclass(frozen=True)
class Rates:
    """What turns a step's seconds into rates."""

    tokens_per_step: int
    flops_per_token: int
    peak_flops: float | None  # of the device, a second; None where unknown


class StepLog:
    """Emits a `step` event for each optimizer step.

    On a CUDA device a step's numbers are read only when the next step has been queued, so that the device never
    waits for this process; elsewhere the work is done when `add` is called, and they are read at once.
    """

    def __init__(
        self, emit: Emit, progress: Progress, rates: Rates, device: torch.device, *, skips_overflow: bool = False
    ) -> None:
        """`skips_overflow`: a gradient that is not finite moved nothing, as with the scaler of fp16."""
        self.emit = emit
        self.progress = progress
        self.rates = rates
        self.skips_overflow = skips_overflow
        self.reads_late = device.type == "cuda"
        self._waiting: tuple[Step, Tensor, Tensor] | None = None
        self._clock: float | None = None  # None: the step under way is not to be timed

    def add(self, loss: Tensor, grad_norm: Tensor, lr: float) -> None:
        """Note the step that `progress` now stands at; `loss` and `grad_norm` are scalars on the device.

        Raises:
            Diverged: its loss or gradient, or that of the step before, is not finite.
        """
        self.flush()
        step = Step(step=self.progress.step, loss=None, lr=lr, grad_norm=None, tokens=self.progress.tokens)
        self._waiting = step, loss, grad_norm
        if not self.reads_late:
            self.flush()

    def flush(self) -> None:
        """Emit the step that is waiting, if one is; waits for the device.

        Raises:
            Diverged: its loss or gradient is not finite.
        """
        if self._waiting is None:
            return
        step, loss, grad_norm = self._waiting
        self._waiting = None
        step.loss, step.grad_norm = _finite(loss.item()), _finite(grad_norm.item())  # .item() waits for the device
        now = time.perf_counter()
        if self._clock is not None:
            step.tokens_per_second = self.rates.tokens_per_step / (now - self._clock)
            if self.rates.peak_flops:
                step.mfu = step.tokens_per_second * self.rates.flops_per_token / self.rates.peak_flops
        self._clock = now
        self.emit(step)
        if step.loss is None or (step.grad_norm is None and not self.skips_overflow):
            raise Diverged
        self.progress.note_step(step.loss)

    def pause(self) -> None:
        """Emit what waits, and leave what follows (an evaluation, a save) out of the timing."""
        self.flush()
        self._clock = None

    def go_on(self) -> None:
        """Time the steps from here on again."""
        if self._clock is None and self._waiting is None:
            self._clock = time.perf_counter()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
