"""Progress of preparing data, as events at a rate that a log can bear."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from engine.contract.events import Emit, Prepare

INTERVAL = 0.2  # seconds between events
WINDOW = 20.0  # seconds whose rate tells the time left: what was done before a kill passes fast, and is forgotten

Item = TypeVar("Item")


class PhaseProgress:
    """Emits Prepare events of one phase, at most one an INTERVAL and one at the end."""

    def __init__(self, emit: Emit, phase: str, total: int | None = None) -> None:
        self.done = 0
        self._emit, self._phase, self._total = emit, phase, total
        self._next = 0.0
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, amount: int = 1) -> None:
        self.done += amount
        now = time.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL
            self._emit(Prepare(self._phase, self.done, self._total, self._seconds_left(now)))

    def finish(self) -> None:
        self._emit(Prepare(phase=self._phase, done=self.done, total=self.done))

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, counted as they pass."""
        for item in items:
            yield item
            self.add()

    def _seconds_left(self, now: float) -> float | None:
        """None in the first second, and where the total is not known."""
        self._marks.append((now, self.done))
        while now - self._marks[0][0] > WINDOW:
            self._marks.popleft()
        began, before = self._marks[0]
        if self._total is None or now - began < 1 or self.done <= before:
            return None
        return round(max(0, self._total - self.done) * (now - began) / (self.done - before), 1)
