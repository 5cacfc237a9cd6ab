"""A run that is opened in a leap says the same as one that is read event by event."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.contract.events import Eval, Event, EventWriter, Resumed, RunEnded, RunStarted, Sample, Step, System
from engine.runs.run import Run
from slm_tui.feed import open_feed


def step(number: int) -> Step:
    return Step(number, 5.0 / number, 1e-3, 1.0, number * 10, 100.0, None, t=float(number))


STORY: list[Event] = [
    RunStarted(1, "h", t=0.0),
    *(step(number) for number in range(1, 400)),
    Eval(399, 2.0, 2.0, 1.0, True, t=400.0),
    Sample(399, "Once", "Once upon", t=401.0),
    System(cpu_percent=50.0, t=402.0),
    RunEnded("stopped", t=403.0),
    RunStarted(2, "h", t=500.0),
    Resumed(300, t=501.0),
    *(step(number) for number in range(301, 320)),
]


@pytest.mark.parametrize("at_once", [0, 1, 200, 404, 407, len(STORY)])
def test_it_does_not_matter_how_much_there_was_when_it_was_opened(new_run: Callable[..., Run], at_once: int) -> None:
    run = new_run(STORY[:at_once])
    feed = open_feed(run)
    writer = EventWriter(run.metrics)
    for event in STORY[at_once:]:
        writer(event)
    writer.close()
    while new := feed.read():
        feed.apply(new)
    assert (feed.status.step, feed.status.pid, feed.status.last_word) == (319, 2, None)
    assert feed.status.evals == [] and [sample.text for sample in feed.samples] == ["Once upon"]
    x, y = feed.series.curve("loss")
    assert np.array_equal(x, np.arange(1, 320)) and np.allclose(y, 5.0 / x)
    assert feed.progress.tokens_per_second == 100.0


def test_another_file_is_to_be_opened_anew(new_run: Callable[..., Run]) -> None:
    run = new_run(STORY)
    feed = open_feed(run)
    run.metrics.unlink()
    EventWriter(run.metrics)(RunStarted(3, "h"))
    assert feed.read() is None


def test_a_sketch_reaches_from_the_first_to_the_last_step(new_run: Callable[..., Run]) -> None:
    run = new_run(STORY[:400])
    x, _ = open_feed(run, sketched=True).series.curve("loss")
    assert x[0] == 1 and x[-1] == 399


def test_the_use_of_the_machine_is_known_of_a_run_that_made_many_steps_since(new_run: Callable[..., Run]) -> None:
    feed = open_feed(new_run([*STORY[:406], *(step(number) for number in range(400, 1000))]))
    assert feed.system is not None and feed.system.cpu_percent == 50.0
