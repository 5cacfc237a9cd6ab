"""The precision of forward passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engine.device.precision import autocast, choose_precision, precisions

CPU = torch.device("cpu")


def test_a_cpu_trains_in_fp32_unless_told_otherwise() -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with autocast("bf16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_bf16_is_asked_of_the_gpu_that_trains(gpus: Callable[..., object]) -> None:
    gpus((9, 0), (7, 5))
    chosen = [choose_precision("auto", torch.device("cuda", number)) for number in (0, 1)]
    assert chosen == ["bf16", "fp16"]
    assert precisions(torch.device("cuda", 1)) == ["fp32", "fp16"]


@pytest.mark.parametrize(("is_sonoma", "known"), [(True, ["fp32", "bf16", "fp16"]), (False, ["fp32", "fp16"])])
def test_an_apple_gpu_has_bf16_from_macos_14_on(
    monkeypatch: pytest.MonkeyPatch, is_sonoma: bool, known: list[str]
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda major, minor: is_sonoma)
    assert precisions(torch.device("mps")) == known
    assert choose_precision("auto", torch.device("mps")) == "fp32"
