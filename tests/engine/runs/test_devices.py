"""The device of a run, told without torch, is the one that torch chooses."""

from __future__ import annotations

import pytest

from engine.runs.devices import DeviceName, find_device, visible_gpus

GPUS = ["GPU-aa11", "GPU-aa22", "GPU-bb33"]


@pytest.mark.parametrize(
    ("variable", "left"),
    [
        (None, GPUS),
        ("0,1,2", GPUS),
        ("2, 0", ["GPU-bb33", "GPU-aa11"]),
        ("GPU-bb,GPU-aa1", ["GPU-bb33", "GPU-aa11"]),
        ("MIG-GPU-aa11/1/0,MIG-7", ["MIG-GPU-aa11-1-0", "MIG-7"]),
        ("", []),
        ("-1", []),
        ("none", []),
        ("1,7,0", ["GPU-aa22"]),  # all up to the first that is not there
        ("GPU-aa", []),  # two begin so
        ("1,1", []),
    ],
)
def test_gpus_are_hidden_and_ordered_by_cudas_own_rules(variable: str | None, left: list[str]) -> None:
    assert visible_gpus(GPUS, variable) == left


@pytest.mark.parametrize("wanted", ["cpu", "mps"])
def test_a_device_that_is_named_is_that_device(wanted: str) -> None:
    assert find_device(wanted) == DeviceName(wanted, wanted)


def test_a_gpu_that_is_not_there_keeps_the_name_it_was_asked_for_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_device("cuda") == find_device("cuda:0") == DeviceName("cuda:0", "cuda-0")
    assert find_device("cuda:7") == DeviceName("cuda:7", "cuda-7")


def test_the_device_is_the_one_that_torch_chooses() -> None:
    import torch

    from engine.device.choice import choose_device

    chosen, found = choose_device("auto"), find_device("auto")
    if chosen.type == "cuda":
        assert found == DeviceName("cuda:0", f"GPU-{torch.cuda.get_device_properties(chosen).uuid}")
    else:
        assert found == DeviceName(chosen.type, chosen.type)
