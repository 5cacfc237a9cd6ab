"""How fast a GPU could be, by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engine.device.peak_rates import peak_flops, peak_of


def test_an_unknown_peak_is_none_not_a_guess() -> None:
    assert peak_flops(torch.device("cpu"), "fp32") is None


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA B200", 2250),
        ("NVIDIA GB200", 2500),
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA GH200 144G HBM3e", 989),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("A100-PCIE-40GB", 312),
        ("NVIDIA A40", 149.7),
        ("NVIDIA A30", 165),
        ("NVIDIA A10G", 70),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L4", 121),
        ("NVIDIA RTX A6000", 154.8),
        ("NVIDIA RTX 6000 Ada Generation", 364.2),
        ("NVIDIA GeForce RTX 3080 Ti", 68),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4080 SUPER", 104),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 4090 D", 147),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 79),
        ("NVIDIA GeForce RTX 5090", 209.5),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", None),
        ("NVIDIA A40-48Q", None),  # a part of one, for a virtual machine
        ("NVIDIA RTX A1000", None),
        ("Quadro RTX 6000", None),
        ("NVIDIA GeForce RTX 5090 D", None),
        ("NVIDIA GeForce RTX 3050 6GB Laptop GPU", None),
        ("Tesla T4", None),  # has no bf16
    ],
)
def test_a_gpu_is_known_by_its_whole_name(name: str, peak: float | None) -> None:
    found = peak_of(name)
    assert found is peak is None or found == pytest.approx(peak * 1e12, rel=0.01)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("NVIDIA A100-SXM4-80GB", {"bf16": 312, "fp16": 312, "fp32": 156}),  # fp32 is TF32
        ("NVIDIA GeForce RTX 3090", {"bf16": 71, "fp16": 71, "fp32": 35.6}),
        ("Tesla T4", {"bf16": None, "fp16": 65, "fp32": 8.1}),
        ("Tesla V100-SXM2-16GB", {"bf16": None, "fp16": 125, "fp32": 15.7}),
        ("Tesla V100-PCIE-32GB", {"bf16": None, "fp16": 112, "fp32": 14}),
    ],
)
def test_a_rate_is_that_of_the_precision(name: str, rates: dict[str, float | None]) -> None:
    for precision, peak in rates.items():
        found = peak_of(name, precision)
        assert found is peak is None or found == pytest.approx(peak * 1e12, rel=0.01)  # type: ignore[operator]


def test_the_gpu_that_trains_is_asked_for_its_name(gpus: Callable[..., object]) -> None:
    fake = gpus((9, 0), (8, 0))
    fake.names[0] = "NVIDIA H200"  # type: ignore[attr-defined]
    assert peak_flops(torch.device("cuda", 0), "bf16") == 989e12
    assert peak_flops(torch.device("cuda", 1), "bf16") == 312e12
