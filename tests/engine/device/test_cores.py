"""Cores that other processes leave free."""

from __future__ import annotations

import os

import torch

from engine.device.cores import FreeCores


class Counted(FreeCores):
    """With these readings of the clock and of other processes' work."""

    def __init__(self, *readings: tuple[float, float]) -> None:
        self._readings = iter(readings)
        super().__init__()

    def _now(self) -> tuple[float, float]:
        return next(self._readings)


def test_threads_are_as_many_as_other_processes_leave_cores() -> None:
    every, most = os.cpu_count() or 1, torch.get_num_threads()
    cores = Counted((0.0, 50.0), (2.0, 50.0 + 2 * (every - 0.1)), (2.1, 999.0), (4.0, 50.0 + 2 * (every - 0.1)))
    assert cores.count() == 1, "all are busy"
    assert cores.count() == 1, "a tenth of a second tells nothing"
    assert cores.count() == min(most, every), "nobody has worked since"
