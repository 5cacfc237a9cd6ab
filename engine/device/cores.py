"""Cores that other processes leave free."""

from __future__ import annotations

import os
import time

import psutil
import torch


class FreeCores:
    """How many threads are worth having for work that waits for all of them many times a token.

    One that has to wait for a core that a training keeps busy holds up the others: with two threads on two busy cores
    a token takes up to ten times as long as with one.
    """

    def __init__(self) -> None:
        self._most = self._free = torch.get_num_threads()
        self._before = self._now()

    def count(self) -> int:
        """Cores that other processes have left free since the last call, at least 1, at most torch's threads."""
        now = self._now()
        seconds, others = (after - before for after, before in zip(now, self._before, strict=True))
        if seconds > 0.2:  # the system counts in hundredths
            self._free = min(self._most, max(1, round((os.cpu_count() or 1) - others / seconds)))
            self._before = now
        return self._free

    def _now(self) -> tuple[float, float]:
        """Seconds, and seconds of all cores that other processes have taken."""
        every, own = psutil.cpu_times(), os.times()
        idle = every.idle + getattr(every, "iowait", 0.0)
        return time.perf_counter(), sum(every[:8]) - idle - own.user - own.system
