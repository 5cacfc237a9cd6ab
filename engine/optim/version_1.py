"""The optimizer and the schedule of checkpoints that the first version wrote.

It had one torch optimizer, AdamW, or two, Muon before AdamW; and for each of them torch's schedulers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from engine.contract.experiment import Train
from engine.optim.schedule import Plateau


def optimizer_state(optimizers: dict[str, Any], parameters: Iterable[tuple[str, Tensor]]) -> dict[str, Any]:
    """`MuonAdamW.state_dict()` of what such a checkpoint has under "optimizers"; its tensors are not copied.

    `parameters` are those of the model by name, in its order.

    Raises:
        ValueError: the state is of another number of parameters.
    """
    *muon, adamw = [member["state"] for member in optimizers["members"]]
    named = list(parameters)
    in_muon = [name for name, p in named if muon and name.startswith("h.") and p.ndim == 2]
    rest = [(name, p.ndim) for name, p in named if name not in in_muon]
    in_adamw = [name for name, ndim in rest if ndim >= 2] + [name for name, ndim in rest if ndim < 2]
    state: dict[str, Any] = {}
    for names, numbered in zip([in_muon, in_adamw] if muon else [in_adamw], [*muon, adamw], strict=True):
        if numbered:
            state |= zip(names, (numbered[number] for number in sorted(numbered)), strict=True)
    return {"state": state}


def plateau(schedule: dict[str, Any], train: Train) -> Plateau:
    """The plateau of what such a checkpoint has under "schedule"."""
    saved = schedule["plateaus"][-1]
    if saved["last_epoch"] == 0:  # no evaluation yet: the rate in it is that of a warm-up
        return Plateau()
    return Plateau(saved["_last_lr"][0] / train.learning_rate, saved["best"], saved["num_bad_epochs"])


def schedule_of(schedule: dict[str, Any]) -> dict[str, Any]:
    """The keys of [train] that such a "schedule" tells of: the length of a cosine."""
    for warmup, cosine in (steps["_schedulers"] for steps in schedule["steps"] if "_schedulers" in steps):
        return {"max_steps": warmup["total_iters"] + cosine["T_max"]}
    return {}
