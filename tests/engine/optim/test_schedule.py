"""The rates are those of torch's schedulers, which the first version used, at every step."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from engine.contract.experiment import Train
from engine.optim.schedule import PLATEAU_PATIENCE, Plateau, after_evaluation, lr_at


def torchs(train: Train) -> tuple[torch.optim.Optimizer, LRScheduler, ReduceLROnPlateau]:
    """The schedulers of the first version."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=train.learning_rate)
    per_step: LRScheduler
    per_step = LinearLR(optimizer, start_factor=1 / (train.warmup_steps + 1), total_iters=train.warmup_steps)
    if train.schedule == "cosine":
        decay_steps = train.max_steps - train.warmup_steps
        cosine = CosineAnnealingLR(optimizer, T_max=decay_steps, eta_min=train.min_learning_rate)
        per_step = SequentialLR(optimizer, [per_step, cosine], milestones=[train.warmup_steps])
    plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_lr=train.min_learning_rate)
    return optimizer, per_step, plateau


@pytest.mark.parametrize("schedule", ["cosine", "constant", "plateau"])
@pytest.mark.parametrize("warmup_steps", [0, 1, 7])
@pytest.mark.parametrize("min_learning_rate", [0.0, 1e-4])
@pytest.mark.parametrize("losses", [[3.0], [3.0, 2.0, 2.5, 1.9999], [3.0, 2.9998, 2.9996, 2.9994, 2.9992]])
def test_every_rate_is_that_of_torchs_schedulers(
    schedule: str, warmup_steps: int, min_learning_rate: float, losses: list[float]
) -> None:
    train = Train(
        60, learning_rate=3e-3, min_learning_rate=min_learning_rate, schedule=schedule, warmup_steps=warmup_steps
    )
    optimizer, per_step, on_plateau = torchs(train)
    plateau, used = Plateau(), set()
    for step in range(train.max_steps):
        theirs = optimizer.param_groups[0]["lr"]
        assert lr_at(step, train, plateau) == pytest.approx(theirs, rel=1e-9, abs=1e-15)
        used.add(theirs)
        optimizer.step()
        per_step.step()
        if step % 3 == 2:  # an evaluation
            val_loss = losses[step // 3 % len(losses)]
            if schedule == "plateau" and step + 1 >= warmup_steps:
                on_plateau.step(val_loss)
            plateau = after_evaluation(plateau, step + 1, train, val_loss)
    if schedule == "plateau":
        assert (plateau.best, plateau.bad_evals) == (on_plateau.best, on_plateau.num_bad_epochs)
        assert min(used) < train.learning_rate / 4 or losses[-1] < 2


def test_a_cosine_stays_at_its_minimum_past_the_end() -> None:
    train = Train(8, learning_rate=1.0, min_learning_rate=0.1, warmup_steps=2)
    rates = [lr_at(step, train) for step in range(2, 30)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0 and set(rates[6:]) == {0.1}


def test_the_plateau_halves_after_evaluations_without_improvement_and_not_during_warm_up() -> None:
    train = Train(100, learning_rate=1.0, min_learning_rate=0.2, schedule="plateau", warmup_steps=4)
    plateau, halved = Plateau(), []
    for step in range(1, 41):
        new = after_evaluation(plateau, step, train, val_loss=3.0)
        halved += [step] if new.factor < plateau.factor else []
        plateau = new
    assert halved[0] == 4 + PLATEAU_PATIENCE + 1
    assert lr_at(40, train, plateau) == 0.2


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_other_schedules_mind_no_evaluation(schedule: str) -> None:
    assert after_evaluation(Plateau(), 9, Train(20, schedule=schedule), 3.0) == Plateau()


def test_the_plateau_is_plain_numbers() -> None:
    plateau = Plateau().after(3.0).after(3.0)
    assert plateau == Plateau(1.0, 3.0, 1) == Plateau(**json.loads(json.dumps(asdict(plateau))))
