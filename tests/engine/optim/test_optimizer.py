"""Schedules that go where they say, weight decay where it belongs, and Muon's orthogonal updates."""

from __future__ import annotations

import pytest
import torch

from engine.contract.experiment import Model, Train
from engine.model.gpt import GPT
from engine.optim.muon import Muon, orthogonalised
from engine.optim.optimizer import PLATEAU_PATIENCE, Optimizers, Schedule

CPU = torch.device("cpu")


def setup(train: Train) -> tuple[Optimizers, Schedule]:
    model = GPT(Model(n_layer=1, n_head=1, n_embd=8, block_size=4), 300)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers = Optimizers(model, train, CPU, scale_gradients=False)
    return optimizers, Schedule(optimizers, train)


def rates(train: Train) -> list[float]:
    """The learning rate that each step uses."""
    optimizers, schedule = setup(train)
    used = []
    for _ in range(train.max_steps):
        used.append(schedule.lr)
        for optimizer in optimizers.members:
            optimizer.step()
        schedule.step()
    return used


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_cosine_warms_up_peaks_and_ends_at_the_minimum(optimizer: str) -> None:
    used = rates(Train(100, learning_rate=1.0, min_learning_rate=0.1, warmup_steps=10, optimizer=optimizer))
    assert used[0] == pytest.approx(1 / 11)
    assert used[10] == pytest.approx(1.0)
    assert used[:11] == sorted(used[:11])
    assert used[10:] == sorted(used[10:], reverse=True)
    assert used[55] == pytest.approx(0.55, abs=0.01)
    assert used[-1] == pytest.approx(0.1, abs=0.01)


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert rates(Train(10, learning_rate=1.0))[0] == 1.0


def test_constant_stays_after_warm_up() -> None:
    used = rates(Train(20, learning_rate=1.0, schedule="constant", warmup_steps=5))
    assert used[5:] == pytest.approx([1.0] * 15)


def test_plateau_halves_after_evaluations_without_improvement_and_not_during_warm_up() -> None:
    train = Train(100, learning_rate=1.0, min_learning_rate=0.2, schedule="plateau", warmup_steps=4)
    optimizers, schedule = setup(train)
    for step in range(1, 41):
        for optimizer in optimizers.members:
            optimizer.step()
        schedule.step()
        schedule.after_evaluation(step, val_loss=3.0)
        if step == 4 + PLATEAU_PATIENCE:
            assert schedule.lr == 1.0
        if step == 4 + PLATEAU_PATIENCE + 1:
            assert schedule.lr == 0.5
    assert schedule.lr == 0.2


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_only_matrices_decay_and_every_parameter_is_optimised_once(optimizer: str) -> None:
    optimizers, _ = setup(Train(1, optimizer=optimizer, weight_decay=0.3))
    groups = [group for member in optimizers.members for group in member.param_groups]
    for group in groups:
        assert all((p.ndim >= 2) == (group["weight_decay"] == 0.3) for p in group["params"])
    optimised = [id(p) for group in groups for p in group["params"]]
    assert sorted(optimised) == sorted(id(p) for p in optimizers.parameters)


def test_muon_takes_the_blocks_matrices_and_adamw_the_rest() -> None:
    optimizers, _ = setup(Train(1, optimizer="muon"))
    muon, adamw = optimizers.members
    assert isinstance(muon, Muon)
    assert sorted(tuple(p.shape) for p in muon.param_groups[0]["params"]) == [(8, 8), (8, 32), (24, 8), (32, 8)]
    assert (300, 8) in [tuple(p.shape) for p in adamw.param_groups[0]["params"]]


@pytest.mark.parametrize("shape", [(96, 64), (192, 64), (64, 256)])
def test_an_orthogonalised_matrix_has_singular_values_near_one_and_its_own_directions(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalised(torch.stack([torch.eye(*shape), matrix]))[1]
    values = (left.T @ result @ right.T).diagonal()
    assert values.min() > 0.5 and values.max() < 1.3
    assert (result - left @ torch.diag(values) @ right).norm() < 1e-2


def test_muon_agrees_with_torchs_own_but_for_bf16() -> None:
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.randn(48, 32, generator=torch.Generator().manual_seed(1))) for _ in "ab")
    optimizers = [
        Muon([ours], lr=0.01, weight_decay=0.1),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    start = ours.detach().clone()
    for step in range(3):
        gradient = torch.randn(48, 32, generator=torch.Generator().manual_seed(step))
        ours.grad, theirs.grad = gradient, gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    difference = (ours - theirs).norm() / (theirs - start).norm()
    assert difference < 0.03


def test_gradients_are_clipped_to_the_norm_and_the_norm_before_is_told() -> None:
    optimizers, _ = setup(Train(1, grad_clip=0.5))
    before = sum(p.grad.square().sum() for p in optimizers.parameters) ** 0.5
    assert optimizers.clip().item() == pytest.approx(before.item())
    after = sum(p.grad.square().sum() for p in optimizers.parameters) ** 0.5
    assert after.item() == pytest.approx(0.5, rel=1e-3)


def test_no_clipping_leaves_gradients_alone() -> None:
    optimizers, _ = setup(Train(1, grad_clip=0))
    optimizers.clip()
    assert all(p.grad.eq(1).all() for p in optimizers.parameters)


def test_the_scale_of_a_loss_is_told_before_it_is_scaled() -> None:
    model = GPT(Model(n_layer=1, n_head=2, n_embd=8, block_size=8), 300)
    optimizers = Optimizers(model, Train(1), CPU, scale_gradients=True)
    scale, loss = optimizers.loss_scale, model.wte.weight.sum()
    optimizers.backward(loss)
    assert model.wte.weight.grad is not None and scale is not None
    assert model.wte.weight.grad.eq(scale).all() and scale > 1
    assert Optimizers(model, Train(1), CPU, scale_gradients=False).loss_scale is None
