"""Step events: every step once, none that is not finite believed, pauses left out of the rates."""

from __future__ import annotations

import pytest
import torch

from engine.contract.events import Event, Step
from engine.training.state import Progress
from engine.training.step_log import Diverged, Rates, StepLog

RATES = Rates(tokens_per_step=100, flops_per_token=1000, peak_flops=1e9)


@pytest.fixture(params=["read at once", "read late"])
def log(request: pytest.FixtureRequest) -> tuple[StepLog, Progress, list[Event]]:
    told: list[Event] = []
    progress = Progress()
    step_log = StepLog(told.append, progress, RATES, torch.device("cpu"))
    step_log.reads_late = request.param == "read late"
    return step_log, progress, told


def add(step_log: StepLog, progress: Progress, loss: float, grad_norm: float = 1.0) -> None:
    progress.step += 1
    step_log.add(torch.tensor(loss), torch.tensor(grad_norm), 1e-3)


def test_every_step_is_told_once_and_in_order(log: tuple[StepLog, Progress, list[Event]]) -> None:
    step_log, progress, told = log
    for loss in (3.0, 2.0, 1.0):
        add(step_log, progress, loss)
    step_log.flush()
    step_log.flush()
    assert [(event.step, event.loss) for event in told if isinstance(event, Step)] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert progress.train_loss_sum == 6.0 and progress.train_loss_steps == 3


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_told_as_null_and_raised(
    log: tuple[StepLog, Progress, list[Event]], loss: float
) -> None:
    step_log, progress, told = log
    add(step_log, progress, 3.0)
    with pytest.raises(Diverged):
        add(step_log, progress, loss)
        step_log.flush()
    last = told[-1]
    assert isinstance(last, Step) and last.step == 2 and last.loss is None
    assert progress.train_loss_steps == 1


def test_a_gradient_that_is_not_finite_is_the_end_unless_it_moved_nothing(
    log: tuple[StepLog, Progress, list[Event]],
) -> None:
    step_log, progress, told = log
    step_log.skips_overflow = True
    add(step_log, progress, 3.0, float("inf"))
    step_log.flush()
    step_log.skips_overflow = False
    with pytest.raises(Diverged):
        add(step_log, progress, 3.0, float("nan"))
        step_log.flush()
    assert [(event.loss, event.grad_norm) for event in told if isinstance(event, Step)] == [(3.0, None)] * 2


def test_the_first_step_and_the_one_after_a_pause_started_are_rated_by_their_own_time(
    log: tuple[StepLog, Progress, list[Event]],
) -> None:
    step_log, progress, told = log
    add(step_log, progress, 3.0)
    step_log.pause()
    step_log.go_on()
    add(step_log, progress, 2.0)
    step_log.flush()
    first, second = (event for event in told if isinstance(event, Step))
    assert first.tokens_per_second is None, "it holds compilation and warm-up"
    assert second.tokens_per_second is not None
    assert second.mfu == pytest.approx(second.tokens_per_second * 1000 / 1e9)
