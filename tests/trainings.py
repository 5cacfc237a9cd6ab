"""Trainings in the test's own process: the real loop, where a test is of no process, signal or exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from engine.commands.prepare import data_of, prepared_event
from engine.contract.events import AnyEvent, EndReason, Eval, Event, EventWriter, Resumed, RunEnded, Step
from engine.model.blocks import MLP
from engine.runs.run import Run
from engine.training.loop import train

_CPU = torch.device("cpu")


def train_here(
    run: Run,
    *,
    resume: bool = False,
    stop_requested: Callable[[], bool] = lambda: False,
    emit: Callable[[Event], None] = lambda event: None,
) -> EndReason:
    """Prepare and train `run` on the CPU. Each event goes into its metrics, and then to `emit`.

    Raises:
        UserError: as `train`, or its data cannot be prepared.
    """
    torch.set_num_threads(1)
    experiment, write = run.experiment(), EventWriter(run.metrics)

    def tell(event: Event) -> None:
        write(event)
        emit(event)

    try:
        data = data_of(run, experiment, tell)
        tell(prepared_event(data))
        reason = train(run, experiment, data, _CPU, tell, stop_requested, resume=resume)
        tell(RunEnded(reason))
        return reason
    finally:
        write.close()


def losses(events: Sequence[AnyEvent]) -> dict[int, Any]:
    """Each step's loss; what a resume superseded is replaced by what came after."""
    kept: dict[int, float | None] = {}
    for event in events:
        if isinstance(event, Resumed):
            kept = {step: loss for step, loss in kept.items() if step <= event.step}
        if isinstance(event, Step):
            kept[event.step] = event.loss
    return kept


def evaluations(events: Sequence[AnyEvent]) -> dict[int, tuple[float, float]]:
    """Each evaluation's training and validation loss."""
    return {event.step: (event.train_loss, event.val_loss) for event in events if isinstance(event, Eval)}


@contextmanager
def overflowing_gradient(in_pass: int) -> Iterator[None]:
    """In that forward pass of a training of a model of one layer, the gradient of one of its matrices is infinite."""
    passes = 0

    def hook(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        nonlocal passes
        if isinstance(module, MLP) and torch.is_grad_enabled():
            passes += 1
            if passes == in_pass:
                handle = module.c_fc.weight.register_hook(overflow)
                handles.append(handle)

    def overflow(gradient: Tensor) -> Tensor:
        handles.pop().remove()
        return torch.full_like(gradient, torch.inf)

    handles: list[Any] = []
    with register_module_forward_hook(hook):
        yield
    assert passes >= in_pass and not handles, "there was such a pass, and it was taken back"
