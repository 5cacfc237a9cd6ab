"""On a real NVIDIA GPU: what the tests beside this one can only emulate."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engine.contract.experiment import Hardware, Train
from engine.device.choice import choose_device, prepare_device
from engine.device.compilation import compiled
from engine.device.memory import give_back, is_out_of_memory, release_memory, reserve_memory
from engine.device.precision import autocast, precisions
from engine.runs.devices import find_device
from engine.runs.run import Run

pytestmark = pytest.mark.cuda


def test_the_gpu_of_the_queue_is_the_gpu_of_torch() -> None:
    device = prepare_device(Hardware())
    assert (device.type, device.index) == ("cuda", 0) and choose_device("cuda") == device
    assert find_device("auto").label == str(device)
    assert find_device("auto").key == f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def test_every_precision_multiplies() -> None:
    device = prepare_device(Hardware())
    for precision in precisions(device):
        with autocast(precision, device):
            product = torch.ones(64, 64, device=device) @ torch.ones(64, 64, device=device)
        assert (product == 64).all(), precision


def test_a_reservation_is_kept_and_given_back_and_too_much_is_told() -> None:
    device = prepare_device(Hardware())
    reserve_memory(device, 0.2)
    release_memory()
    assert torch.cuda.memory_reserved(device) > 0.19 * torch.cuda.mem_get_info(device)[1]
    with pytest.raises(torch.OutOfMemoryError) as error:
        torch.empty(torch.cuda.mem_get_info(device)[1], dtype=torch.uint8, device=device)
    assert is_out_of_memory(error.value)
    give_back(device)
    assert torch.cuda.memory_reserved(device) < 0.1 * torch.cuda.mem_get_info(device)[1]


def test_a_compiled_loss_is_the_loss() -> None:
    device = prepare_device(Hardware())
    model = torch.nn.Linear(64, 64).to(device)

    def loss(ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (model(ids) - targets).square().mean()

    batch = torch.ones(8, 64, device=device), torch.zeros(8, 64, device=device)
    said: list[object] = []
    assert compiled(loss, lambda: torch.compile(loss), model, Train(1), device, said.append)(
        *batch
    ).item() == pytest.approx(loss(*batch).item(), rel=1e-2)
    assert not said


def test_a_run_trains_by_default(new_run: Callable[..., Run]) -> None:
    from support import engine

    run = new_run("hardware.device=auto", "train.compile=false")
    assert engine(run) == 0, run.log.read_text()
    info = run.info()
    assert info is not None and info.device == "cuda:0"
