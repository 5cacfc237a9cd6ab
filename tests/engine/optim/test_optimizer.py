"""One optimizer: who moves what, as torch's AdamW and Muon would, and all or nothing where fp16 overflows."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from engine.contract.experiment import Train
from engine.optim.optimizer import MuonAdamW, build_optimizer, clip_gradients, load_scaler
from engine.optim.orthogonal import orthogonalised

WIDTH = 8
OPTIMIZERS = pytest.mark.parametrize("optimizer", ["adamw", "muon"])


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(WIDTH, 3 * WIDTH), "c_proj": nn.Linear(WIDTH, WIDTH)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(WIDTH, 4 * WIDTH), "c_proj": nn.Linear(4 * WIDTH, WIDTH)})


class Parameters(nn.Module):
    """A GPT's parameters, by their names."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.wte = nn.Embedding(30, WIDTH)
        self.wpe = nn.Embedding(4, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(2))
        self.ln_f = nn.LayerNorm(WIDTH)

    def loss(self, seed: int) -> Tensor:
        """One whose gradient differs by `seed`."""
        noise = torch.Generator().manual_seed(seed)
        return sum((p * torch.randn(p.shape, generator=noise)).sum() + p.square().sum() for p in self.parameters())  # type: ignore[return-value]


def steps(model: Parameters, optimizer: torch.optim.Optimizer, count: int, first: int = 0) -> None:
    for seed in range(first, first + count):
        model.loss(seed).backward()
        optimizer.step()
        optimizer.zero_grad()


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def equal(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@OPTIMIZERS
def test_only_matrices_decay_and_every_parameter_is_optimised_once(optimizer: str) -> None:
    model = Parameters()
    built = build_optimizer(model, Train(1, optimizer=optimizer, weight_decay=0.3))
    for group in built.param_groups:
        assert all((p.ndim >= 2) == (group["weight_decay"] == 0.3) for p in group["params"])
    optimised = [id(p) for group in built.param_groups for p in group["params"]]
    assert sorted(optimised) == sorted(id(p) for p in model.parameters())


def test_muon_takes_the_blocks_matrices_and_adamw_the_rest() -> None:
    built = build_optimizer(Parameters(), Train(1, optimizer="muon"))
    names = {}
    for group in built.param_groups:
        names[group["kind"]] = names.get(group["kind"], []) + group["param_names"]
    assert [name.removeprefix("h.0.") for name in names["muon"][:4]] == [
        "attn.c_attn.weight",
        "attn.c_proj.weight",
        "mlp.c_fc.weight",
        "mlp.c_proj.weight",
    ]
    assert len(names["muon"]) == 8 and {"wte.weight", "wpe.weight", "h.1.mlp.c_fc.bias"} <= set(names["adamw"])


@OPTIMIZERS
def test_adamw_is_torchs_own_to_the_bit(optimizer: str) -> None:
    train = Train(9, optimizer=optimizer, learning_rate=0.01, weight_decay=0.2)
    ours, theirs = Parameters(), Parameters()
    built = build_optimizer(ours, train)
    is_theirs = {name for g in built.param_groups if g["kind"] == "adamw" for name in g["param_names"]}
    left = [(name, p) for name, p in theirs.named_parameters() if name in is_theirs]
    groups = [
        {"params": [p for _, p in left if p.ndim >= 2], "weight_decay": 0.2},
        {"params": [p for _, p in left if p.ndim < 2], "weight_decay": 0.0},
    ]
    torchs = torch.optim.AdamW(groups, lr=0.01, betas=train.betas, eps=train.eps, fused=True)
    steps(ours, built, 5)
    steps(theirs, torchs, 5)
    assert is_theirs and all(torch.equal(ours.get_parameter(name), theirs.get_parameter(name)) for name in is_theirs)
    assert not torch.equal(ours.wte.weight, Parameters().wte.weight)


def test_muon_agrees_with_torchs_own_but_for_the_iteration() -> None:
    ours, theirs = Parameters(), Parameters()
    built = build_optimizer(ours, Train(9, optimizer="muon", learning_rate=0.01, weight_decay=0.1))
    name = "h.0.mlp.c_fc.weight"
    torchs = torch.optim.Muon(
        [theirs.get_parameter(name)], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw", momentum=0.95
    )
    steps(ours, built, 3)
    steps(theirs, torchs, 3)
    moved = theirs.get_parameter(name) - Parameters().get_parameter(name)
    assert (ours.get_parameter(name) - theirs.get_parameter(name)).norm() < 0.25 * moved.norm()


def test_query_key_and_value_are_three_matrices_to_muon() -> None:
    """A value gradient a hundred times the others' moves all three by the same amount."""
    model = Parameters()
    built = build_optimizer(model, Train(1, optimizer="muon", learning_rate=1.0, weight_decay=0.0))
    weight = model.get_parameter("h.0.attn.c_attn.weight")
    before = weight.detach().clone()
    weight.grad = torch.randn(3 * WIDTH, WIDTH)
    weight.grad[2 * WIDTH :] *= 100
    parts = weight.grad.clone().view(3, WIDTH, WIDTH)
    built.step()
    expected = -0.2 * WIDTH**0.5 * orthogonalised(parts, torch.float32).view_as(weight)
    torch.testing.assert_close(weight - before, expected)
    norms = (weight - before).view(3, WIDTH, WIDTH).norm(dim=(1, 2))
    assert norms.max() / norms.min() < 1.5


def test_the_learning_rate_is_set_for_all() -> None:
    model = Parameters()
    built = build_optimizer(model, Train(1, optimizer="muon"))
    before = values(model)
    built.set_lr(0.0)
    steps(model, built, 1)
    assert equal(values(model), before)
    built.set_lr(0.1)
    steps(model, built, 1)
    assert not any(torch.equal(value, before[name]) for name, value in values(model).items())


@OPTIMIZERS
def test_a_scaled_gradient_makes_the_same_step(optimizer: str) -> None:
    scaled, plain = Parameters(), Parameters()
    train = Train(9, optimizer=optimizer, learning_rate=0.01)
    built = build_optimizer(scaled, train)
    scaler = GradScaler("cpu", init_scale=1024.0)
    for seed in range(3):
        scaler.scale(scaled.loss(seed)).backward()
        scaler.unscale_(built)
        scaler.step(built)
        scaler.update()
        built.zero_grad()
    steps(plain, build_optimizer(plain, train), 3)
    assert equal(values(scaled), values(plain))


@pytest.mark.parametrize("bad", [float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["h.0.attn.c_attn.weight", "wte.weight", "h.1.ln_1.bias"])
def test_a_gradient_that_is_not_finite_skips_the_step_of_all(name: str, bad: float) -> None:
    model = Parameters()
    built = build_optimizer(model, Train(9, optimizer="muon", learning_rate=0.01))
    scaler = GradScaler("cpu", init_scale=1024.0)
    steps(model, built, 1)
    before, state = values(model), copy.deepcopy(built.state_dict())
    scaler.scale(model.loss(1)).backward()
    gradient = model.get_parameter(name).grad
    assert gradient is not None
    gradient.view(-1)[3] = bad
    scaler.unscale_(built)
    assert not clip_gradients(model.parameters(), 1.0).isfinite()
    scaler.step(built)
    scaler.update()
    built.zero_grad()
    assert equal(values(model), before)
    for parameter, saved in state["state"].items():
        assert equal(built.state_dict()["state"][parameter], saved)
    assert scaler.get_scale() == 512.0
    steps(model, built, 1)
    assert not equal(values(model), before) and all(value.isfinite().all() for value in values(model).values())


@OPTIMIZERS
def test_a_resumed_run_goes_on_to_the_bit(optimizer: str) -> None:
    train = Train(9, optimizer=optimizer, learning_rate=0.01, weight_decay=0.2)
    whole = Parameters()
    steps(whole, build_optimizer(whole, train), 5)

    first, file = Parameters(), io.BytesIO()
    built = build_optimizer(first, train)
    steps(first, built, 2)
    torch.save({"model": first.state_dict(), "optimizer": built.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = Parameters(seed=1)
    resumed.load_state_dict(saved["model"])
    again = build_optimizer(resumed, train)
    again.load_state_dict(saved["optimizer"])
    steps(resumed, again, 3, first=2)
    assert equal(values(resumed), values(whole))


def test_the_experiment_and_not_the_checkpoint_says_how_strongly_weights_decay() -> None:
    model = Parameters()
    built = build_optimizer(model, Train(9, weight_decay=0.2))
    steps(model, built, 1)
    other = build_optimizer(model, Train(9, weight_decay=0.3))
    other.load_state_dict(built.state_dict())
    assert [group["weight_decay"] for group in other.param_groups] == [0.3, 0.0]


def test_a_state_from_before_the_first_step_is_empty_and_loads() -> None:
    model = Parameters()
    built = build_optimizer(model, Train(9))
    steps(model, built, 1)
    built.load_state_dict(build_optimizer(model, Train(9)).state_dict())
    assert built.state_dict() == {"state": {}}


def stepped(optimizer: str = "adamw") -> tuple[MuonAdamW, dict[str, dict[str, Tensor]]]:
    model = Parameters()
    built = build_optimizer(model, Train(9, optimizer=optimizer))
    steps(model, built, 1)
    return built, built.state_dict()["state"]


def test_a_state_of_other_parameters_is_refused_by_name() -> None:
    built, state = stepped()
    del state["wpe.weight"]
    with pytest.raises(ValueError, match=r"differ in wpe\.weight"):
        built.load_state_dict({"state": state})


def test_a_state_of_another_shape_is_refused_by_name() -> None:
    built, state = stepped()
    state["wte.weight"]["exp_avg"] = torch.zeros(31, WIDTH)
    with pytest.raises(ValueError, match=r"wte\.weight"):
        built.load_state_dict({"state": state})


def test_a_state_of_the_other_optimizer_is_refused_and_changes_nothing() -> None:
    built, before = stepped()
    with pytest.raises(ValueError, match=r"c_attn\.weight does not fit adamw"):
        built.load_state_dict({"state": stepped("muon")[1]})
    assert all(equal(before[name], saved) for name, saved in built.state_dict()["state"].items())


def test_gradients_are_clipped_to_the_norm_and_the_norm_before_is_told() -> None:
    model = Parameters()
    model.loss(0).backward()
    before = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    assert clip_gradients(model.parameters(), 0.5).item() == pytest.approx(before.item())
    assert torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item() == pytest.approx(0.5, rel=1e-3)


def test_no_clipping_leaves_gradients_alone() -> None:
    model = Parameters()
    model.loss(0).backward()
    before = {name: p.grad.clone() for name, p in model.named_parameters()}
    norm = clip_gradients(model.parameters(), 0.0)
    assert norm > 1 and equal(before, {name: p.grad for name, p in model.named_parameters()})


def test_an_empty_scaler_state_leaves_the_scaler_as_it_is() -> None:
    scaler = GradScaler("cpu", init_scale=64.0)
    load_scaler(scaler, GradScaler("cpu", enabled=False).state_dict())
    scaler.scale(torch.ones(()))
    assert scaler.get_scale() == 64.0
    load_scaler(scaler, GradScaler("cpu", init_scale=32.0).state_dict())
    assert scaler.get_scale() == 32.0
