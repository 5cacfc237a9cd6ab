"""Marks on a device's timeline: whether it has come so far yet, and how long it took from one mark to the next.

A GPU works on a queue that this process fills ahead of it. A host's clock, read between two steps, would tell when
they were queued; to make it tell when they were done, the host has to wait, and then the GPU waits for the host.
"""

from __future__ import annotations

import time
from typing import Protocol

import torch


class Mark(Protocol):
    """A moment on a device's timeline: when all that was queued before it is done."""

    def passed(self) -> bool:
        """Whether the device has come here; does not wait."""
        ...

    def wait(self) -> None:
        """Until the device has come here."""
        ...

    def seconds_since(self, earlier: Mark) -> float:
        """From an earlier mark of the same device to this one; both have passed."""
        ...


class HostMark:
    """Now, on a device that has done what it was given when a call returns."""

    def __init__(self) -> None:
        self._time = time.perf_counter()

    def passed(self) -> bool:
        return True

    def wait(self) -> None:
        return

    def seconds_since(self, earlier: Mark) -> float:
        assert isinstance(earlier, HostMark)
        return self._time - earlier._time


class CudaMark:
    """An event behind what was queued on the device's current stream."""

    def __init__(self, device: torch.device) -> None:
        with torch.cuda.device(device):
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record()

    def passed(self) -> bool:
        return bool(self._event.query())

    def wait(self) -> None:
        self._event.synchronize()

    def seconds_since(self, earlier: Mark) -> float:
        assert isinstance(earlier, CudaMark)
        return earlier._event.elapsed_time(self._event) / 1000  # milliseconds


def mark(device: torch.device) -> Mark:
    """The end of what `device` has been given so far."""
    return CudaMark(device) if device.type == "cuda" else HostMark()


def to_host(numbers: torch.Tensor) -> torch.Tensor:
    """A copy of a small tensor in the host's memory, without waiting: whole once a `mark` made after it has passed."""
    if numbers.device.type != "cuda":
        return numbers.cpu()  # waits, on an Apple GPU
    copy = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    return copy.copy_(numbers, non_blocking=True)
