"""A machine with GPUs, as far as torch's own Python checks tell: what they call in C is recorded instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch


@dataclass
class FakeGpus:
    """GPUs by name and compute capability, and what was asked of the driver."""

    names: list[str]
    capabilities: list[tuple[int, int]]
    free: int = 70 << 30
    total: int = 80 << 30
    calls: list[tuple[str, object]] = field(default_factory=list)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeGpus]:
    """Makes torch see GPUs of these compute capabilities; `built_for` is what its code is compiled for."""

    def make(
        *capabilities: tuple[int, int], name: str = "NVIDIA A100-SXM4-80GB", built_for: str = "sm_75 sm_80"
    ) -> FakeGpus:
        fake = FakeGpus([name] * len(capabilities), list(capabilities))

        def record(name: str) -> Callable[..., None]:
            return lambda *arguments: fake.calls.append((name, arguments))

        def number(device: torch.device) -> int:
            assert device.index is not None, "torch would ask the current GPU, whichever that is"
            return int(device.index)

        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
        monkeypatch.setattr(torch.cuda, "get_arch_list", built_for.split)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: fake.capabilities[number(device)])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: fake.names[number(device)])
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (fake.free, fake.total))
        monkeypatch.setattr(torch.cuda, "empty_cache", record("empty_cache"))
        monkeypatch.setattr(torch.cuda.memory, "_lazy_init", lambda: None)
        monkeypatch.setattr(torch._C, "_cuda_setDevice", record("set_device"), raising=False)
        monkeypatch.setattr(torch._C, "_cuda_setMemoryFraction", record("set_fraction"), raising=False)
        return fake

    return make
