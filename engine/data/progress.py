"""Progress of preparing data, as events at a rate that a log can bear."""

from __future__ import annotations

import time
from collections.abc import Iterator

from engine.contract.events import Emit, Prepare

INTERVAL = 0.2  # seconds between events


class Progress:
    """Emits Prepare events of one phase, at most one an INTERVAL and one at the end."""

    def __init__(self, emit: Emit, phase: str, total: int | None = None) -> None:
        self.done = 0
        self._emit, self._phase, self._total = emit, phase, total
        self._next = 0.0

    def add(self, amount: int = 1) -> None:
        self.done += amount
        now = time.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL
            self._emit(Prepare(phase=self._phase, done=self.done, total=self._total))

    def finish(self) -> None:
        self._emit(Prepare(phase=self._phase, done=self.done, total=self.done))

    def of(self, items: Iterator[str]) -> Iterator[str]:
        """The same items, counted as they pass."""
        for item in items:
            yield item
            self.add()
