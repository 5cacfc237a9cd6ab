"""Use of the machine: read for real, and null where nobody knows."""

from __future__ import annotations

import pytest
import torch
from support import wait_for

from engine.contract.events import Event, System
from engine.training import monitor


def test_this_process_is_seen_and_a_missing_gpu_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "INTERVAL", 0.01)
    told: list[Event] = []
    with monitor.Monitor(torch.device("cpu"), told.append):
        wait_for(lambda: len(told) >= 3, "three readings")
    reading = told[-1]
    assert isinstance(reading, System)
    assert reading.memory_bytes is not None and reading.memory_bytes > 10**7
    assert reading.cpu_percent is not None
    assert reading.gpu_percent is reading.gpu_memory_bytes is reading.gpu_power_watts is None


def test_it_ends_with_its_block_and_survives_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "INTERVAL", 0.01)
    calls = []

    def full(event: Event) -> None:
        calls.append(event)
        raise OSError(28, "No space left on device")

    watching = monitor.Monitor(torch.device("cpu"), full)
    with watching:
        wait_for(lambda: not watching._thread.is_alive(), "the thread's end")
    assert len(calls) == 1
