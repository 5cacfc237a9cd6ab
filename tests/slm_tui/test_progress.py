"""A run's events folded into what a display shows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.contract.events import Eval, EventWriter, Prepared, Resumed, RunEnded, RunStarted, Step
from engine.contract.run import Run
from slm_tui.progress import Progress


def step(number: int, t: float, loss: float = 2.0, rate: float | None = None) -> Step:
    return Step(step=number, loss=loss, lr=1e-3, grad_norm=1.0, tokens=number * 128, tokens_per_second=rate, t=t)


STARTED = RunStarted(pid=1, host="here", t=100.0)
PREPARED = Prepared(directory="d", vocab_size=400, train_tokens=9000, val_tokens=900, cached=False, t=101.0)


def test_time_left_follows_the_pace_so_far_and_the_clock(new_run: Callable[..., Run]) -> None:
    progress = Progress(new_run([STARTED, PREPARED, step(1, 110.0), step(2, 112.0), step(5, 118.0)]))
    assert progress.seconds_left(118.0) is None
    progress.read()
    assert progress.max_steps == 24
    assert progress.seconds_left(118.0) == pytest.approx(19 * 2.0)
    assert progress.seconds_left(121.0) == pytest.approx(19 * 2.0 - 3)
    assert progress.seconds_left(1000.0) == 0


def test_the_pace_after_a_resume_does_not_count_the_pause(new_run: Callable[..., Run]) -> None:
    earlier = [STARTED, PREPARED, step(1, 110.0), step(5, 118.0), RunEnded(reason="stopped", t=119.0)]
    later = [
        RunStarted(pid=2, host="here", t=900.0),
        PREPARED,
        Resumed(step=5, t=901.0),
        step(6, 902.0),
        step(7, 903.0),
    ]
    progress = Progress(new_run([*earlier, *later]))
    progress.read()
    assert progress.seconds_left(903.0) == pytest.approx(17.0)


def test_the_pace_follows_the_clock_that_nobody_sets(new_run: Callable[..., Run]) -> None:
    steps = [step(1, 110.0), step(5, 9_000.0)]
    steps[0].clock, steps[1].clock = 10.0, 18.0
    progress = Progress(new_run([STARTED, PREPARED, *steps]))
    progress.read()
    assert progress.seconds_left(9_000.0) == pytest.approx(19 * 2.0)
    assert progress.seconds_left(100.0) == pytest.approx(19 * 2.0), "set back since, which makes it no longer"


def test_the_loss_shown_is_a_mean_that_begins_without_a_bias_to_zero(new_run: Callable[..., Run]) -> None:
    progress = Progress(new_run([STARTED, PREPARED, step(1, 1.0, loss=6.0)]))
    assert progress.loss is None
    progress.read()
    assert progress.loss == pytest.approx(6.0)


def test_one_slow_step_does_not_change_the_rate(new_run: Callable[..., Run]) -> None:
    rates = [100.0, 101.0, 3.0, 102.0, 103.0]
    progress = Progress(new_run([STARTED, PREPARED, *(step(n + 1, 1.0 + n, rate=r) for n, r in enumerate(rates))]))
    progress.read()
    assert progress.tokens_per_second == 101.0


def test_catching_up_forgets_the_last_word_of_the_process_before(new_run: Callable[..., Run]) -> None:
    evaluation = Eval(step=4, train_loss=2.0, val_loss=3.0, bits_per_byte=1.5, best=True)
    run = new_run([STARTED, PREPARED, step(4, 110.0), evaluation, RunEnded(reason="stopped")])
    progress = Progress(run)
    progress.catch_up()
    assert progress.status.last_word is None
    assert progress.evaluation == evaluation
    assert progress.step == 4
    writer = EventWriter(run.metrics)
    writer(RunEnded(reason="finished"))
    writer.close()
    progress.read()
    assert progress.status.last_word == "finished"


def test_a_file_that_was_replaced_is_read_anew(new_run: Callable[..., Run]) -> None:
    run = new_run([STARTED, PREPARED, step(1, 1.0), step(2, 2.0)])
    progress = Progress(run)
    progress.read()
    run.metrics.unlink()
    writer = EventWriter(run.metrics)
    for event in (STARTED, PREPARED, step(1, 1.0, loss=9.0)):
        writer(event)
    writer.close()
    progress.read()
    assert (progress.step, progress.loss) == (1, pytest.approx(9.0))
