"""Everything that a resumed run needs to continue as if it had never stopped.

On a CPU it continues bit for bit. On a GPU it continues with the same data, state and schedule, and its losses differ
by the noise of the GPU's kernels; with `[train] deterministic = true` they are equal there too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch.amp.grad_scaler import GradScaler

from engine.checkpoints.read import DamagedCheckpoint, last_line, load_model, trainer_state
from engine.contract.errors import UserError
from engine.contract.events import Emit, Warning
from engine.contract.experiment import Train
from engine.contract.files import settled_directory
from engine.data.batches import TrainingBatches
from engine.model.gpt import GPT
from engine.optim import version_1
from engine.optim.optimizer import MuonAdamW, load_scaler
from engine.optim.schedule import Plateau
from engine.runs.run import Run

FORMAT = 2  # of trainer.pt; version 0.1.0 wrote none
_SCHEDULE = ("schedule", "max_steps", "warmup_steps", "learning_rate", "min_learning_rate")  # keys of [train]


class Progress(msgspec.Struct, forbid_unknown_fields=True):
    """Where training stands, in numbers."""

    step: int = 0
    tokens: int = 0
    val_loss: float | None = None  # of the latest evaluation
    best_val_loss: float = math.inf
    evals_since_best: int = 0
    train_loss_sum: float = 0.0  # of the steps since the latest evaluation
    train_loss_steps: int = 0
    plateau: Plateau = msgspec.field(default_factory=Plateau)

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
    optimizer: MuonAdamW
    scaler: GradScaler
    batches: TrainingBatches
    progress: Progress
    train: Train
    device: torch.device

    def state_dict(self) -> dict[str, Any]:
        """All but the weights, as tensors and plain values."""
        return {
            "format": FORMAT,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "schedule": {key: getattr(self.train, key) for key in _SCHEDULE},
            "batches": self.batches.position,
            "progress": msgspec.to_builtins(self.progress),
            "random": random_state(self.device),
        }

    def load_state_dict(self, state: dict[str, Any], emit: Emit) -> None:
        """Go on from `state`, of this version or of version 0.1.0. What cannot be had again is a warning.

        Raises:
            UserError: it is of a newer version, or of another schedule.
            ValueError, KeyError, TypeError, AttributeError, RuntimeError: it is damaged or of another model.
        """
        if state.get("format", 1) > FORMAT:
            raise UserError("it was written by a newer version of slm-tui")
        if "format" not in state:
            state = _from_version_1(state, self.model, self.train, self.device)
        _check_schedule(state["schedule"], self.train)
        progress = msgspec.convert(state["progress"], Progress)
        if not isinstance(state["batches"], int):
            raise TypeError("its position in the data is no number")
        self.optimizer.load_state_dict(state["optimizer"])
        load_scaler(self.scaler, state["scaler"])
        self.batches.position = state["batches"]
        for field in Progress.__struct_fields__:
            setattr(self.progress, field, getattr(progress, field))
        if not set_random_state(state["random"], self.device):
            emit(
                Warning(
                    f"the run goes on on {self.device}, whose random numbers its checkpoint does not hold: "
                    "dropout draws others from here on"
                )
            )


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of the generators that a training on `device` draws from, by the kind of their device."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> bool:
    """Go on from a `random_state`; whether it has that of the device."""
    torch.set_rng_state(state["cpu"])
    if device.type not in state:
        return False
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state["mps"])
    return True


def _check_schedule(saved: dict[str, Any], train: Train) -> None:
    """A run keeps the schedule that it began with: a cosine of another length would let the rate rise again."""
    for key in _SCHEDULE:
        if key in saved and saved[key] != getattr(train, key):
            raise UserError(f"train.{key} = {getattr(train, key)}: the run began with {saved[key]}")


def _from_version_1(state: dict[str, Any], model: GPT, train: Train, device: torch.device) -> dict[str, Any]:
    """What version 0.1.0 saved, as this one does."""
    schedule = state["schedule"]
    progress = {**state["progress"], "plateau": msgspec.to_builtins(version_1.plateau(schedule, train))}
    random = {"cpu": state["random"]}
    number = device.index or 0
    if len(state["cuda_random"]) > number:  # of every GPU that it saw
        random["cuda"] = state["cuda_random"][number]
    return {
        "optimizer": version_1.optimizer_state(state["optimizers"], model.named_parameters()),
        "scaler": state["optimizers"]["scaler"],
        "schedule": version_1.schedule_of(schedule),
        "batches": state["batches"],
        "progress": progress,
        "random": random,
    }


def load_state(run: Run, state: TrainingState, emit: Emit) -> None:
    """Bring `state` to where `last/` was saved; a run that has no checkpoint begins at its beginning.

    Raises:
        UserError: the checkpoint is damaged, or does not fit the experiment.
    """
    directory = settled_directory(run.checkpoints / "last")
    if not directory.exists():
        return
    try:
        weights = load_model(run, "last", state.device)[0].state_dict()
        trainer = trainer_state(run)
    except DamagedCheckpoint as error:
        raise UserError(f"{error.damage}; the run cannot be resumed from it") from error
    try:
        state.model.load_state_dict(weights)
        state.load_state_dict(trainer, emit)
    except (UserError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{directory} cannot be resumed from: {last_line(error)}") from error
