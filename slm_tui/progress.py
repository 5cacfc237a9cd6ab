"""A run as it goes: its events folded, as they come, into what a progress display shows (pure but for reading).

Reading is all there is to re-attaching: any process may follow any run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median

from engine.contract import event_search, events
from engine.contract.events import AnyEvent, EventReader, seconds_between
from engine.contract.run import Run, RunStatus

_RATES = 50  # steps whose rate counts: one step alone may be off by a tenth


class Progress:
    """What has become of `run` so far."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.experiment = run.experiment()
        self.max_steps = self.experiment.train.max_steps
        self._reader = EventReader(run.metrics)
        self._forget()

    def _forget(self) -> None:
        self.status = RunStatus()
        self._first: events.Step | None = None  # of this engine process
        self._rates: deque[float] = deque(maxlen=_RATES)

    def read(self) -> list[AnyEvent]:
        """Take in what has come since the last call, and return it."""
        new = self.poll()
        if self.restarted:
            self._forget()
        self.apply(new)
        return new

    def poll(self, limit: int | None = None) -> list[AnyEvent]:
        """What has come since the last call, from at most `limit` bytes, not taken in yet."""
        return self._reader.read(limit)

    @property
    def restarted(self) -> bool:
        """Whether the last `poll` found another file than before: what was taken in no longer holds."""
        return self._reader.restarted

    def leap(self) -> int:
        """Take in all there is so far without reading every step; returns the byte up to which that is."""
        found, end = event_search.glance(self.run.metrics)
        for event in found:
            self.status.apply(event)
        for event in event_search.last_events(self.run.metrics, end):
            self._note(event)
        self._reader = EventReader(self.run.metrics, end)
        return end

    def catch_up(self) -> None:
        """Take in all that earlier engine processes left; their last word is not that of the next one."""
        while self.read():
            pass
        self.status.pid, self.status.queued, self.status.trains = None, None, False
        self.status.last_word, self.status.error = None, None

    @property
    def loss(self) -> float | None:
        """Of the latest step, in nats a token; None before it, or where it was not finite."""
        return self.status.last_step.loss if self.status.last_step else None

    @property
    def evaluation(self) -> events.Eval | None:
        """The latest one."""
        return self.status.evals[-1] if self.status.evals else None

    @property
    def step(self) -> int:
        return self.status.step

    @property
    def tokens(self) -> int:
        return self.status.last_step.tokens if self.status.last_step else 0

    @property
    def tokens_per_second(self) -> float | None:
        """The middle one of the last steps' rates."""
        return median(self._rates) if self._rates else None

    def seconds_left(self, now: float) -> float | None:
        """Until the last step, at this process's pace so far, evaluations included; None before there is a pace.
        `now` is in unix seconds."""
        first, last = self._first, self.status.last_step
        if first is None or last is None or last.step <= first.step:
            return None
        pace = seconds_between(first, last) / (last.step - first.step)
        return max(0.0, pace * (self.max_steps - last.step) - max(0.0, now - last.t))

    def apply(self, new: Iterable[AnyEvent]) -> None:
        """Take in events, in their order."""
        for event in new:
            self.status.apply(event)
            self._note(event)

    def _note(self, event: AnyEvent) -> None:
        if isinstance(event, events.RunStarted):
            self._first = None
            self._rates.clear()
        elif isinstance(event, events.Step):
            self._first = self._first or event
            if event.tokens_per_second is not None:
                self._rates.append(event.tokens_per_second)
