"""Parameter groups, optimizers, and the learning-rate schedule.

A run has one torch optimizer (AdamW) or two (Muon for the blocks' matrices, AdamW for the rest). `Optimizers`
and `Schedule` move them together.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from engine.contract.experiment import Train
from engine.model.gpt import GPT
from engine.optim.muon import Muon

PLATEAU_FACTOR = 0.5
PLATEAU_PATIENCE = 2  # evaluations


class Optimizers:
    """The run's optimizers and its gradient scaler (which does nothing unless the precision is fp16)."""

    def __init__(self, model: GPT, train: Train, device: torch.device, *, scale_gradients: bool) -> None:
        self.members = _build(model, train, fused=device.type == "cuda")
        self.scaler = GradScaler(device.type, enabled=scale_gradients)
        self.parameters = list(model.parameters())
        self.max_norm = train.grad_clip or float("inf")

    @property
    def loss_scale(self) -> Tensor | None:
        """What `backward` multiplies a loss by, a scalar on the device; None where that is nothing."""
        return self.scaler.scale(self.parameters[0].new_ones(())) if self.scaler.is_enabled() else None

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss`, scaled where fp16 needs it."""
        self.scaler.scale(loss).backward()

    def clip(self) -> Tensor:
        """Unscale the gradients, clip them, and return the norm that they had before (a scalar on the device)."""
        for optimizer in self.members:
            self.scaler.unscale_(optimizer)
        return nn.utils.clip_grad_norm_(self.parameters, self.max_norm)

    def step(self) -> None:
        """Move the parameters (unless fp16 overflowed) and forget the gradients."""
        for optimizer in self.members:
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {
            "members": [optimizer.state_dict() for optimizer in self.members],
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimizer, saved in zip(self.members, state["members"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])


class Schedule:
    """Linear warm-up, then cosine, constant, or halving where the validation loss stops falling.

    It moves with the optimizer's steps, never with micro-batches.
    """

    def __init__(self, optimizers: Optimizers, train: Train) -> None:
        self.steps = [_per_step(optimizer, train) for optimizer in optimizers.members]
        self.plateaus = [_plateau(optimizer, train) for optimizer in optimizers.members]
        self.warmup_steps = train.warmup_steps
        self.follows_val_loss = train.schedule == "plateau"
        self._optimizers = optimizers

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizers.members[-1].param_groups[0]["lr"])

    def step(self) -> None:
        """After each optimizer step."""
        for scheduler in self.steps:
            scheduler.step()

    def after_evaluation(self, step: int, val_loss: float) -> None:
        """After each evaluation; only the plateau schedule minds, and only once warm-up is over."""
        if self.follows_val_loss and step >= self.warmup_steps:
            for plateau in self.plateaus:
                plateau.step(val_loss)

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": [scheduler.state_dict() for scheduler in self.steps],
            "plateaus": [plateau.state_dict() for plateau in self.plateaus],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for scheduler, saved in zip(self.steps, state["steps"], strict=True):
            scheduler.load_state_dict(saved)
        for plateau, saved in zip(self.plateaus, state["plateaus"], strict=True):
            plateau.load_state_dict(saved)


def _build(model: GPT, train: Train, *, fused: bool) -> list[torch.optim.Optimizer]:
    """AdamW, or Muon before AdamW. Weight decay is for matrices: biases and norms never decay."""
    in_blocks = [p for p in model.h.parameters() if p.ndim == 2]
    muon = train.optimizer == "muon"
    for_muon = {id(p) for p in in_blocks} if muon else set()
    rest = [p for p in model.parameters() if id(p) not in for_muon]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": train.weight_decay},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=train.learning_rate,
        betas=train.betas,
        eps=train.eps,
        fused=fused,
    )
    if not muon:
        return [adamw]
    return [Muon(in_blocks, train.learning_rate, train.weight_decay), adamw]


def _per_step(optimizer: torch.optim.Optimizer, train: Train) -> LRScheduler:
    warmup = LinearLR(optimizer, start_factor=1 / (train.warmup_steps + 1), total_iters=train.warmup_steps)
    if train.schedule != "cosine":
        return warmup
    decay_steps = train.max_steps - train.warmup_steps
    cosine = CosineAnnealingLR(optimizer, T_max=decay_steps, eta_min=train.min_learning_rate)
    return SequentialLR(optimizer, [warmup, cosine], milestones=[train.warmup_steps])


def _plateau(optimizer: torch.optim.Optimizer, train: Train) -> ReduceLROnPlateau:
    return ReduceLROnPlateau(
        optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE, min_lr=train.min_learning_rate
    )
