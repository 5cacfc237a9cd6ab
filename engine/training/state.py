"""Everything that a resumed run needs to continue as if it had never stopped."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from engine.checkpoints.read import DamagedCheckpoint, last_line, load_model, trainer_state
from engine.contract.errors import UserError
from engine.contract.files import settled_directory
from engine.data.batches import TrainingBatches
from engine.model.gpt import GPT
from engine.optim.optimizer import Optimizers, Schedule
from engine.runs.run import Run


@dataclass
class Progress:
    """Where training stands, in numbers."""

    step: int = 0
    tokens: int = 0
    val_loss: float | None = None  # of the latest evaluation
    best_val_loss: float = math.inf
    evals_since_best: int = 0
    train_loss_sum: float = 0.0  # of the steps since the latest evaluation
    train_loss_steps: int = 0

    def note_step(self, loss: float) -> None:
        """Take in a step's loss, for the training loss of the next evaluation."""
        self.train_loss_sum += loss
        self.train_loss_steps += 1

    def note_evaluation(self, val_loss: float) -> tuple[float, bool]:
        """Take in an evaluation; returns the mean training loss since the one before, and whether it is the best."""
        train_loss = self.train_loss_sum / max(1, self.train_loss_steps)
        best = val_loss < self.best_val_loss
        self.val_loss = val_loss
        self.best_val_loss = min(val_loss, self.best_val_loss)
        self.evals_since_best = 0 if best else self.evals_since_best + 1
        self.train_loss_sum, self.train_loss_steps = 0.0, 0
        return train_loss, best


@dataclass
class TrainingState:
    """The parts of a training that change with every step. The model's weights are saved apart from the rest."""

    model: GPT
    optimizers: Optimizers
    schedule: Schedule
    batches: TrainingBatches
    progress: Progress

    def state_dict(self) -> dict[str, Any]:
        """All but the weights, as tensors and plain values."""
        return {
            "optimizers": self.optimizers.state_dict(),
            "schedule": self.schedule.state_dict(),
            "batches": self.batches.position,
            "progress": asdict(self.progress),
            "random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.optimizers.load_state_dict(state["optimizers"])
        self.schedule.load_state_dict(state["schedule"])
        self.batches.position = state["batches"]
        self.progress.__dict__.update(state["progress"])
        torch.set_rng_state(state["random"])
        if len(state["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_random"])


def load_state(run: Run, state: TrainingState, device: torch.device) -> None:
    """Bring `state` to where `last/` was saved; a run that has no checkpoint begins at its beginning.

    Raises:
        UserError: the checkpoint is damaged, or does not fit the experiment.
    """
    directory = settled_directory(run.checkpoints / "last")
    if not directory.exists():
        return
    try:
        weights = load_model(run, "last", device)[0].state_dict()
        trainer = trainer_state(run)
    except DamagedCheckpoint as error:
        raise UserError(f"{error.damage}; the run cannot be resumed from it") from error
    try:
        state.model.load_state_dict(weights)
        state.load_state_dict(trainer)
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{directory} cannot be resumed from: {last_line(error)}") from error
