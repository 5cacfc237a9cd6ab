"""The learning rate: linear warm-up, then cosine, constant, or halved where the validation loss stops falling.

It is a function of the optimizer's steps, never of micro-batches, and keeps no state but the plateau's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from engine.contract.experiment import Train

PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 2  # evaluations
PLATEAU_THRESHOLD = 1e-4  # of the best loss: a smaller gain is none


@dataclass(frozen=True)
class Plateau:
    """What the plateau schedule remembers of the evaluations since warm-up."""

    factor: float = 1.0  # of the learning rate
    best: float = math.inf  # validation loss
    bad_evals: int = 0  # evaluations since `best`, or since the rate was halved

    def after(self, val_loss: float) -> Plateau:
        """The plateau after another evaluation."""
        if val_loss < self.best * (1 - PLATEAU_THRESHOLD):
            return replace(self, best=val_loss, bad_evals=0)
        if self.bad_evals < PLATEAU_PATIENCE:
            return replace(self, bad_evals=self.bad_evals + 1)
        return replace(self, factor=self.factor * PLATEAU_FACTOR, bad_evals=0)


_NEW = Plateau()


def after_evaluation(plateau: Plateau, step: int, train: Train, val_loss: float) -> Plateau:
    """The plateau after an evaluation when `step` steps were made; only its own schedule minds, after warm-up."""
    return plateau.after(val_loss) if train.schedule == "plateau" and step >= train.warmup_steps else plateau


def lr_at(step: int, train: Train, plateau: Plateau = _NEW) -> float:
    """The learning rate of step `step`, which is 0 for the first. From max_steps on a cosine stays at its minimum."""
    peak, least = train.learning_rate, train.min_learning_rate
    if step < train.warmup_steps:
        return peak * (step + 1) / (train.warmup_steps + 1)
    if train.schedule == "plateau":
        return max(peak * plateau.factor, least)
    if train.schedule == "constant":
        return peak
    if step >= train.max_steps:
        return least
    done = (step - train.warmup_steps) / (train.max_steps - train.warmup_steps)
    return least + (peak - least) * (1 + math.cos(math.pi * done)) / 2
