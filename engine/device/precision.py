"""The precision of forward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def choose_precision(wanted: str, device: torch.device) -> str:
    """fp32, bf16 or fp16. `auto` is bf16 where the GPU has it, fp16 on an older NVIDIA one, and otherwise fp32:
    a CPU without bf16 units runs bf16 at a third of fp32's speed."""
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    return "bf16" if _has_bf16(device) else "fp16"


def precisions(device: torch.device) -> list[str]:
    """Those in which `device` can train, emulation left out: an Apple GPU has bf16 from macOS 14 on."""
    if device.type == "cuda" and not _has_bf16(device):
        return ["fp32", "fp16"]
    if device.type == "mps" and not torch.backends.mps.is_macos_or_newer(14, 0):
        return ["fp32", "fp16"]
    return ["fp32", "bf16", "fp16"]


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which forward passes run."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def _has_bf16(device: torch.device) -> bool:
    """Of this GPU; torch.cuda.is_bf16_supported asks the current one."""
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
