"""Checkpoints of the first version: one or two torch optimizers by number, and torch's schedulers."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau

from engine.contract.experiment import Train
from engine.optim.optimizer import build_optimizer
from engine.optim.schedule import Plateau, lr_at
from engine.optim.version_1 import optimizer_state, plateau

MATRICES = {"h.0.attn.c_attn.weight": (6, 2), "h.0.attn.c_proj.weight": (2, 2), "h.0.mlp.c_fc.weight": (8, 2)}
PARAMETERS = {  # in the model's order
    "wte.weight": (9, 2),
    "wpe.weight": (4, 2),
    "h.0.ln_1.weight": (2,),
    "h.0.attn.c_attn.weight": (6, 2),
    "h.0.attn.c_attn.bias": (6,),
    "h.0.attn.c_proj.weight": (2, 2),
    "h.0.mlp.c_fc.weight": (8, 2),
    "ln_f.weight": (2,),
    "lm_head.weight": (9, 2),
}


class Model(nn.Module):
    """Parameters by name; a name's dots are modules."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, shape in PARAMETERS.items():
            module: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_parameter(last, nn.Parameter(torch.randn(shape)))


def give_gradients(model: nn.Module, seed: int) -> None:
    torch.manual_seed(seed)
    for name in PARAMETERS:
        model.get_parameter(name).grad = torch.randn(PARAMETERS[name])


def torchs_adamw(model: Model, without: list[str]) -> torch.optim.AdamW:
    """As the first version built it."""
    rest = [p for name, p in model.named_parameters() if name not in without]
    groups = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8, fused=False)


def test_adamw_goes_on_where_the_first_version_stopped() -> None:
    theirs, ours = Model(), Model()
    assert list(dict(ours.named_parameters())) == list(PARAMETERS)
    before = torchs_adamw(theirs, without=[])
    for seed in range(3):
        give_gradients(theirs, seed)
        before.step()
    ours.load_state_dict(theirs.state_dict())
    after = build_optimizer(ours, Train(9, learning_rate=0.01))
    saved = {"members": [copy.deepcopy(before.state_dict())], "scaler": {}}
    after.load_state_dict(optimizer_state(saved, ours.named_parameters()))
    for name, parameter in ours.named_parameters():
        old = before.state[theirs.get_parameter(name)]
        assert all(torch.equal(after.state[parameter][key], old[key]) for key in ("step", "exp_avg", "exp_avg_sq"))
    for model, optimizer in ((theirs, before), (ours, after)):
        give_gradients(model, 3)
        optimizer.step()
    for name in PARAMETERS:
        torch.testing.assert_close(ours.get_parameter(name), theirs.get_parameter(name), rtol=1e-6, atol=1e-7)


def muons(momenta: list[Tensor]) -> dict[str, Any]:
    """The state of the first version's Muon."""
    group = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.95, "params": [0, 1, 2], "initial_lr": 0.01}
    return {"state": {number: {"momentum": m} for number, m in enumerate(momenta)}, "param_groups": [group]}


def test_muons_momenta_and_adamws_state_go_to_their_parameters() -> None:
    theirs, ours = Model(), Model()
    adamw = torchs_adamw(theirs, without=list(MATRICES))
    give_gradients(theirs, 0)
    adamw.step()
    momenta = [torch.randn(shape) for shape in MATRICES.values()]
    saved = {"members": [muons(momenta), adamw.state_dict()], "scaler": {}}
    after = build_optimizer(ours, Train(9, optimizer="muon"))
    after.load_state_dict(optimizer_state(saved, ours.named_parameters()))
    for name, momentum in zip(MATRICES, momenta, strict=True):
        assert torch.equal(after.state[ours.get_parameter(name)]["momentum"], momentum)
    for name in PARAMETERS.keys() - MATRICES.keys():
        old = adamw.state[theirs.get_parameter(name)]
        assert torch.equal(after.state[ours.get_parameter(name)]["exp_avg_sq"], old["exp_avg_sq"])
    give_gradients(ours, 1)
    after.step()


def test_a_checkpoint_from_before_the_first_step_has_no_state() -> None:
    model = Model()
    saved = {"members": [torchs_adamw(model, without=[]).state_dict()], "scaler": {}}
    assert optimizer_state(saved, model.named_parameters()) == {"state": {}}


def test_a_state_of_another_number_of_parameters_is_refused() -> None:
    model = Model()
    saved = {"members": [muons([torch.zeros(6, 2)]), torchs_adamw(model, list(MATRICES)).state_dict()], "scaler": {}}
    with pytest.raises(ValueError):
        optimizer_state(saved, model.named_parameters())


def schedule_after(losses: list[float], train: Train) -> tuple[dict[str, Any], float]:
    """The first version's schedule after warm-up and these evaluations, and its rate."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=train.learning_rate)
    warmup = LinearLR(optimizer, start_factor=1 / (train.warmup_steps + 1), total_iters=train.warmup_steps)
    on_plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_lr=train.min_learning_rate)
    for _ in range(train.warmup_steps if losses else 1):
        optimizer.step()
        warmup.step()
    for loss in losses:
        on_plateau.step(loss)
    state = {"steps": [warmup.state_dict()], "plateaus": [on_plateau.state_dict()]}
    return state, optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], Plateau()),
        ([3.0, 2.0, 2.5], Plateau(1.0, 2.0, 1)),
        ([3.0] * 4, Plateau(0.5, 3.0, 0)),
        ([3.0] * 8, Plateau(0.25, 3.0, 1)),
        ([3.0] * 40, Plateau(0.1, 3.0, 0)),  # at its minimum
    ],
)
def test_a_plateau_goes_on_where_the_first_version_stopped(losses: list[float], expected: Plateau) -> None:
    train = Train(99, learning_rate=0.02, min_learning_rate=0.002, schedule="plateau", warmup_steps=5)
    state, rate = schedule_after(losses, train)
    found = plateau(state, train)
    assert found == expected or (math.isclose(found.factor, expected.factor) and found.best == expected.best)
    if losses:
        assert lr_at(50, train, found) == pytest.approx(rate, rel=1e-12)
    else:
        assert lr_at(5, train, found) == 0.02
