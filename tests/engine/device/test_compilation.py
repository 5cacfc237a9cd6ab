"""Training is compiled where that works, and goes on without where it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.contract.errors import UserError
from engine.contract.events import Event, Warning
from engine.contract.experiment import Train
from engine.device import compilation
from engine.device.compilation import compiled, should_compile

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
Gpus = Callable[..., object]


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def loss(self, ids: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor:
        return (nn.functional.dropout(self.linear(ids), 0.5) - targets).square().mean()


BATCH = torch.ones(2, 4), torch.zeros(2, 1)


def test_compilation_is_for_gpus_unless_told_otherwise() -> None:
    assert not should_compile(Train(1), CPU)
    assert should_compile(Train(1, compile=True), CPU)
    assert should_compile(Train(1), torch.device("cuda"))
    assert not should_compile(Train(1, compile=False), torch.device("cuda"))


def test_what_is_not_to_be_compiled_is_left_as_it_is() -> None:
    model, said = Model(), list[Event]()
    assert compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), CPU, said.append) == model.loss
    assert not said


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton and a compiler, as far as a look tells."""
    import torch._dynamo

    monkeypatch.setattr(torch._dynamo, "reset", lambda: None)  # it would look for CUDA's own code
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(compilation.shutil, "which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("capability", "lacking", "reason"),
    [
        ((6, 1), None, "GTX 1080 has compute capability 6.1, which wants to be 7.0"),
        ((8, 6), "triton", "the package triton is not installed"),
        ((8, 6), "compiler", r"there is no compiler \(gcc, clang, cc\)"),
        ((8, 6), "own", r"there is no compiler \(CC = nowhere\)"),
    ],
)
def test_a_gpu_for_which_nothing_can_be_compiled_trains_without(
    gpus: Gpus, triton: None, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], lacking: str, reason: str
) -> None:
    gpus(capability, name="NVIDIA GTX 1080")
    monkeypatch.delenv("CC", raising=False)
    if lacking == "triton":
        monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda name: None)
    elif lacking:
        monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    if lacking == "own":
        monkeypatch.setenv("CC", "nowhere -O2")
        reason = r"there is no compiler \(CC = nowhere -O2\)"
    model, said = Model(), list[Event]()
    assert compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), GPU, said.append) == model.loss
    (warning,) = said
    assert isinstance(warning, Warning)
    with pytest.raises(UserError, match=f"train.compile = true: .*{reason}"):
        compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1, compile=True), GPU, said.append)
    assert warning.message.startswith("trains without torch.compile")


def failing(forward: bool) -> Callable[..., Callable[..., Tensor]]:
    """A torch.compile whose code cannot be compiled: at once, or only as the backward pass wants its own."""

    class Backward(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, loss: Tensor) -> Tensor:
            return loss.clone()

        @staticmethod
        def backward(ctx: object, *gradients: Tensor) -> Tensor:
            raise RuntimeError("CalledProcessError:\nptxas: error: no such target")

    def fake_compile(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*batch: Tensor) -> Tensor:
            if forward:
                raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable")
            loss: Tensor = Backward.apply(function(*batch))
            return loss

        return call

    return fake_compile


@pytest.mark.parametrize("forward", [True, False])
def test_a_compilation_that_fails_is_told_and_the_training_is_what_it_would_have_been(
    gpus: Gpus, triton: None, monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    gpus((8, 0))
    monkeypatch.setattr(torch, "compile", failing(forward))
    model, said = Model(), list[Event]()
    loss_of = compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), GPU, said.append)
    torch.manual_seed(1)
    losses = [loss_of(*BATCH).item() for _ in range(2)]
    torch.manual_seed(1)
    assert losses == [model.loss(*BATCH).item() for _ in range(2)], "the same dropout"
    assert all(parameter.grad is None for parameter in model.parameters())
    (warning,) = said
    assert isinstance(warning, Warning)
    assert ("Failed to find C compiler" if forward else "ptxas: error: no such target") in warning.message


def test_an_evaluation_before_the_first_step_proves_nothing(
    gpus: Gpus, triton: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus((8, 0))
    monkeypatch.setattr(torch, "compile", failing(forward=False))
    model, said = Model(), list[Event]()
    loss_of = compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), GPU, said.append)
    with torch.no_grad():
        loss_of(*BATCH)
    loss_of(*BATCH).backward()  # type: ignore[no-untyped-call]
    assert len(said) == 1


def test_what_fails_uncompiled_too_is_no_compilers_fault(
    gpus: Gpus, triton: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus((8, 0))
    monkeypatch.setattr(torch, "compile", failing(forward=True))
    model, said = Model(), list[Event]()
    loss_of = compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), GPU, said.append)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        loss_of(torch.ones(2, 3), BATCH[1])
    assert not said


def test_too_little_memory_is_no_compilers_fault_either(
    gpus: Gpus, triton: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus((8, 0))

    def fake_compile(function: object) -> Callable[..., Tensor]:
        def call(*_: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory.")

        return call

    monkeypatch.setattr(torch, "compile", fake_compile)
    model, said = Model(), list[Event]()
    with pytest.raises(torch.OutOfMemoryError):
        compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1), GPU, said.append)(*BATCH)
    assert not said


def test_a_compiler_that_does_not_compile_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """torch's own compilation, with a compiler that ends with 1 whatever it is asked."""
    import torch._inductor.config as inductor

    monkeypatch.setenv("CXX", "/bin/false")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model, said = Model(), list[Event]()
    loss_of = compiled(model.loss, lambda: torch.compile(model.loss), model, Train(1, compile=True), CPU, said.append)
    wrong = pytest.raises(UserError, match=r'train.compile = true: \w+: .*; "auto" trains without it')
    with inductor.patch({"cpp.cxx": (None, "/bin/false"), "force_disable_caches": True}), wrong:
        loss_of(*BATCH)
