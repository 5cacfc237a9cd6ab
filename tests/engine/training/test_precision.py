"""Precisions and compilation as a training goes through them: what is computed in them, and what it comes to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import events_of
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.modules.module import register_module_forward_hook
from trainings import evaluations, losses, overflowing_gradient, train_here

from engine.contract.events import Step
from engine.runs.run import Run

NewRun = Callable[..., Run]
BRIEF = ("train.max_steps=6", "train.eval_interval=3")


def grad_norms(run: Run) -> list[float | None]:
    return [event.grad_norm for event in events_of(run) if isinstance(event, Step)]


def computed_in(run: Run) -> dict[str, set[torch.dtype]]:
    """Train `run`; the types of what its matrices gave, in training and in evaluation."""
    seen: dict[str, set[torch.dtype]] = {"training": set(), "evaluation": set()}

    def look(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear) and len(output) > 1:  # a story is one text, of which no type is promised
            seen["training" if torch.is_grad_enabled() else "evaluation"].add(output.dtype)

    with register_module_forward_hook(look):
        assert train_here(run) == "finished"
    return seen


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_passes_are_computed_in_16_bits_and_weights_kept_in_32(
    new_run: NewRun, precision: str, kind: torch.dtype, optimizer: str
) -> None:
    full = new_run(*BRIEF, f"train.optimizer={optimizer}", "train.precision=fp32")
    half = new_run(*BRIEF, f"train.optimizer={optimizer}", f"train.precision={precision}")
    assert computed_in(full) == {"training": {torch.float32}, "evaluation": {torch.float32}}
    assert computed_in(half) == {"training": {kind}, "evaluation": {kind}}
    assert {weight.dtype for weight in load_file(half.checkpoints / "last" / "model.safetensors").values()} == {
        torch.float32
    }
    ours, theirs = losses(events_of(half)), losses(events_of(full))
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=1e-3)
    assert list(ours.values()) != list(theirs.values())
    assert grad_norms(half) == pytest.approx(grad_norms(full), rel=0.02), "of the gradients as they are, unscaled"
    for step, told in evaluations(events_of(full)).items():
        assert evaluations(events_of(half))[step] == pytest.approx(told, rel=1e-3)


def test_auto_is_32_bits_on_a_cpu(new_run: NewRun) -> None:
    assert computed_in(new_run(*BRIEF, "train.precision=auto"))["training"] == {torch.float32}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_whose_16_bit_gradient_overflows_moves_no_weight_and_the_training_goes_on(
    new_run: NewRun, optimizer: str
) -> None:
    keys = ("model.n_layer=1", "train.warmup_steps=0", "train.schedule=constant", "train.precision=fp16")
    two, three, six = (new_run(*keys, f"train.optimizer={optimizer}", f"train.max_steps={n}") for n in (2, 3, 6))
    train_here(two)
    for run in (three, six):
        with overflowing_gradient(in_pass=3):
            assert train_here(run) == "finished"
    assert [norm is None for norm in grad_norms(six)] == [False, False, True, False, False, False]
    moved = load_file(three.checkpoints / "last" / "model.safetensors")
    for name, weight in load_file(two.checkpoints / "last" / "model.safetensors").items():
        assert torch.equal(moved[name], weight), name


def compiled_and_not(new_run: NewRun) -> None:
    """Train with and without compilation: the one has graphs, the other none, and they learn the same."""
    found, ran = [], []
    for wanted in ("false", "true"):
        torch._dynamo.reset()
        counters.clear()
        run = new_run(*BRIEF, "model.dropout=0.0", f"train.compile={wanted}")
        assert train_here(run) == "finished"
        found.append(counters["stats"]["unique_graphs"])
        ran.append(run)
    torch._dynamo.reset()
    assert found[0] == 0 < found[1]
    assert list(losses(events_of(ran[1])).values()) == pytest.approx(list(losses(events_of(ran[0])).values()), rel=1e-4)
    assert evaluations(events_of(ran[1])).keys() == evaluations(events_of(ran[0])).keys()


def test_a_training_is_compiled_where_it_is_to_be(new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graphs are found as ever, and run as they are: turning them into machine code is what takes long."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    compiled_and_not(new_run)


@pytest.mark.slow
def test_a_compiled_training_learns_the_same(new_run: NewRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    compiled_and_not(new_run)
