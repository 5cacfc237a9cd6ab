"""Memory that is short, kept or given back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch

from engine.contract.errors import UserError
from engine.contract.loading import parse_experiment
from engine.contract.overrides import apply_overrides
from engine.device import memory
from engine.device.memory import give_back, is_out_of_memory, memory_warning, release_memory, reserve_memory

GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def nothing_reserved() -> Iterator[None]:
    yield
    memory._reserved.clear()


def test_memory_is_warned_of_where_the_kernel_would_end_the_training(tiny: str) -> None:
    experiment = parse_experiment(tiny, "tiny")
    assert memory_warning(experiment, torch.device("cpu")) is None
    large = parse_experiment(apply_overrides(tiny, ["train.batch_size=1000000", "model.block_size=4096"]), "large")
    assert re.match(r"training takes about [\d,.]+ GiB", memory_warning(large, torch.device("cpu")) or "")
    assert memory_warning(large, torch.device("cuda")) is None, "a GPU says itself when it is full"


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_told_from_other_errors(error: Exception, short: bool) -> None:
    assert is_out_of_memory(error) is short


def test_a_run_can_ask_before_torch_is_loaded() -> None:
    program = (
        "import sys, engine.device.memory as m; assert m.is_out_of_memory(MemoryError()); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of tensors that were made on the GPU."""
    sizes: list[int] = []

    def empty(size: int, dtype: torch.dtype, device: torch.device) -> object:
        sizes.append(size)
        return object()

    monkeypatch.setattr(torch, "empty", empty)
    return sizes


def test_a_reservation_outlives_the_release_of_other_memory(gpus: Callable[..., object], taken: list[int]) -> None:
    fake = gpus((8, 0))
    reserve_memory(GPU, 0.5)
    assert taken == [int(0.5 * fake.total * 0.98)]  # type: ignore[attr-defined]
    release_memory()  # as when a corpus has been translated
    assert ("empty_cache", ()) not in fake.calls  # type: ignore[attr-defined]
    give_back(GPU)
    assert fake.calls[-2:] == [("set_fraction", (1.0, 0)), ("empty_cache", ())]  # type: ignore[attr-defined]


def test_memory_without_a_reservation_is_given_back(gpus: Callable[..., object]) -> None:
    fake = gpus((8, 0))
    release_memory()
    assert fake.calls == [("empty_cache", ())]  # type: ignore[attr-defined]


def test_more_than_is_free_is_not_reserved(
    gpus: Callable[..., object], taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus((8, 0))
    with pytest.raises(UserError, match=r"memory_fraction = 0.9: wants 70.6 GiB, but 70.0 GiB of 80.0 GiB are free"):
        reserve_memory(GPU, 0.9)
    assert not taken

    def in_pieces(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch, "empty", in_pieces)
    with pytest.raises(UserError, match=r"memory_fraction = 0\.5: wants"):
        reserve_memory(GPU, 0.5)
