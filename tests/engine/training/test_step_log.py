"""Step events: every step once, none that is not finite believed, no pause in the rates, no device waited for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.contract.events import Event, Step
from engine.device.timeline import Mark
from engine.training import step_log as module
from engine.training.state import Progress
from engine.training.step_log import MOST_WAITING, Diverged, Rates, StepLog

RATES = Rates(tokens_per_step=100, flops_per_token=1000, peak_flops=1e9)


class Queue:
    """A device that does what it is given after this process has gone on: a CUDA stream, on an imagined clock."""

    def __init__(self) -> None:
        self.now = 0.0  # seconds, of this process
        self.busy_until = 0.0  # of the device
        self.waits = 0
        self._copies: list[tuple[float, Tensor, Tensor]] = []

    def work(self, seconds: float) -> None:
        self.busy_until = max(self.now, self.busy_until) + seconds

    def advance(self, until: float) -> None:
        self.now = max(self.now, until)
        for when, copy, numbers in self._copies:
            if when <= self.now:
                copy.copy_(numbers)

    def to_host(self, numbers: Tensor) -> Tensor:
        copy = torch.full_like(numbers, 1e9)  # what pinned memory holds before the copy has come
        self._copies.append((max(self.now, self.busy_until), copy, numbers))
        return copy

    def mark(self, device: torch.device) -> QueueMark:
        return QueueMark(self)


class QueueMark:
    def __init__(self, queue: Queue) -> None:
        self.queue, self.when = queue, max(queue.now, queue.busy_until)

    def passed(self) -> bool:
        self.queue.advance(self.queue.now)
        return self.when <= self.queue.now

    def wait(self) -> None:
        if not self.passed():
            self.queue.waits += 1
            self.queue.advance(self.when)

    def seconds_since(self, earlier: Mark) -> float:
        assert isinstance(earlier, QueueMark)
        return self.when - earlier.when


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The log's device is such a queue."""
    queue = Queue()
    monkeypatch.setattr(module, "mark", queue.mark)
    monkeypatch.setattr(module, "to_host", queue.to_host)
    return queue


@pytest.fixture(params=["at once", "behind"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[StepLog, Progress, list[Event]]:
    told: list[Event] = []
    progress = Progress()
    step_log = StepLog(told.append, progress, RATES, torch.device("cpu"))
    if request.param == "behind":
        queue, queued = request.getfixturevalue("queue"), step_log.add

        def work_and_add(loss: Tensor, grad_norm: Tensor, lr: float) -> None:
            queue.work(0.5)
            queued(loss, grad_norm, lr)

        monkeypatch.setattr(step_log, "add", work_and_add)
    return step_log, progress, told


def add(step_log: StepLog, progress: Progress, loss: float, grad_norm: float = 1.0) -> None:
    progress.step += 1
    step_log.add(torch.tensor(loss), torch.tensor(grad_norm), 1e-3)


def steps(told: list[Event]) -> list[Step]:
    return [event for event in told if isinstance(event, Step)]


def test_every_step_is_told_once_and_in_order(log: tuple[StepLog, Progress, list[Event]]) -> None:
    step_log, progress, told = log
    for loss in (3.0, 2.0, 1.0):
        add(step_log, progress, loss)
    step_log.pause()
    step_log.pause()
    assert [(event.step, event.loss) for event in steps(told)] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert progress.train_loss_sum == 6.0 and progress.train_loss_steps == 3


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_told_as_null_and_raised(
    log: tuple[StepLog, Progress, list[Event]], loss: float
) -> None:
    step_log, progress, told = log
    add(step_log, progress, 3.0)
    with pytest.raises(Diverged):
        add(step_log, progress, loss)
        step_log.pause()
    last = told[-1]
    assert isinstance(last, Step) and last.step == 2 and last.loss is None
    assert progress.train_loss_steps == 1


def test_a_gradient_that_is_not_finite_is_the_end_unless_it_moved_nothing(
    log: tuple[StepLog, Progress, list[Event]],
) -> None:
    step_log, progress, told = log
    step_log.skips_overflow = True
    add(step_log, progress, 3.0, float("inf"))
    step_log.pause()
    step_log.skips_overflow = False
    with pytest.raises(Diverged):
        add(step_log, progress, 3.0, float("nan"))
        step_log.pause()
    assert [(event.loss, event.grad_norm) for event in steps(told)] == [(3.0, None)] * 2


def test_the_first_step_is_not_rated_and_the_one_after_a_pause_is(
    log: tuple[StepLog, Progress, list[Event]],
) -> None:
    step_log, progress, told = log
    add(step_log, progress, 3.0)
    step_log.pause()
    step_log.go_on()
    add(step_log, progress, 2.0)
    step_log.pause()
    first, second = steps(told)
    assert first.tokens_per_second is None, "it holds compilation and warm-up"
    assert second.tokens_per_second is not None
    assert second.mfu == pytest.approx(second.tokens_per_second * 1000 / 1e9)


def run(queue: Queue, step_log: StepLog, progress: Progress, count: int, slow: Callable[[int], float]) -> None:
    """Steps of a tenth of a second on the device, which cost this process a millisecond; `slow` seconds after each go
    into an evaluation."""
    for _ in range(count):
        queue.advance(queue.now + 0.001)
        queue.work(0.1)
        add(step_log, progress, float(progress.step + 1))
        if seconds := slow(progress.step):
            step_log.pause()
            queue.work(seconds)
            queue.advance(queue.busy_until)
            step_log.go_on()


def test_rates_are_those_of_the_device_whatever_happens_between_the_steps(queue: Queue) -> None:
    """Reading a clock on the host gave 484,296,714 tokens a second at each evaluation, and half the rate after it."""
    told: list[Event] = []
    progress = Progress()
    step_log = StepLog(told.append, progress, RATES, torch.device("cpu"))
    run(queue, step_log, progress, 40, lambda step: 7.0 if step % 10 == 0 else 0.0)
    step_log.pause()
    rates = [event.tokens_per_second for event in steps(told)]
    assert rates[0] is None and rates[1:] == pytest.approx([1000.0] * 39, rel=0.02)
    assert [event.loss for event in steps(told)] == [float(step) for step in range(1, 41)]


def test_the_device_always_has_a_step_to_do(queue: Queue) -> None:
    told: list[Event] = []
    progress = Progress()
    step_log = StepLog(told.append, progress, RATES, torch.device("cpu"))
    for _ in range(20):
        queue.advance(queue.now + 0.001)
        queue.work(0.1)
        add(step_log, progress, 1.0)
        assert not told or queue.busy_until - queue.now == pytest.approx(0.1 * MOST_WAITING)
    assert len(told) == 20 - MOST_WAITING


def test_a_device_that_is_ahead_is_never_waited_for(queue: Queue) -> None:
    told: list[Event] = []
    progress = Progress()
    step_log = StepLog(told.append, progress, RATES, torch.device("cpu"))
    for _ in range(20):
        queue.advance(queue.now + 0.3)  # this process is slower than the device
        queue.work(0.1)
        add(step_log, progress, 1.0)
    assert queue.waits == 0
    assert len(told) == 19
