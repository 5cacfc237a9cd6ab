"""Progress as events: not too many, the last one at the end, and the time that is left."""

from __future__ import annotations

import time

import pytest

from engine.contract.events import Event, Prepare
from engine.data.progress import PhaseProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows, in its one entry."""
    shown = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: shown[0])
    return shown


def passed(clock: list[float], total: int | None, seconds_each: list[float]) -> list[Prepare]:
    events: list[Event] = []
    progress = PhaseProgress(events.append, "tokenize", total)
    for seconds in seconds_each:
        clock[0] += seconds
        progress.add()
    progress.finish()
    return [event for event in events if isinstance(event, Prepare)]


def test_a_fast_phase_is_a_few_events(clock: list[float]) -> None:
    events = passed(clock, 1000, [0.001] * 1000)
    assert 4 <= len(events) <= 7
    assert (events[-1].done, events[-1].total, events[-1].seconds_left) == (1000, 1000, None)


def test_the_time_left_follows_from_the_rate(clock: list[float]) -> None:
    events = passed(clock, 100, [0.5] * 50)
    assert events[0].seconds_left is None, "nothing is known yet"
    assert [event.seconds_left for event in events if event.done == 40] == [30.0]


def test_what_an_earlier_preparation_did_is_soon_forgotten(clock: list[float]) -> None:
    events = passed(clock, 1000, [0.0001] * 800 + [0.5] * 100)
    assert [event.seconds_left for event in events if event.done == 899] == [50.5]


def test_without_a_total_no_time_is_left(clock: list[float]) -> None:
    assert {event.seconds_left for event in passed(clock, None, [0.5] * 20)} == {None}
