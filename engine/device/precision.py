"""The precision of forward passes, and whether they are compiled."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from engine.contract.experiment import Train


def choose_precision(wanted: str, device: torch.device) -> str:
    """fp32, bf16 or fp16. `auto` is bf16 where the GPU has it, fp16 on an older NVIDIA one, and otherwise fp32:
    a CPU without bf16 units runs bf16 at a third of fp32's speed."""
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context in which forward passes run."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype={"bf16": torch.bfloat16, "fp16": torch.float16}[precision])


def should_compile(train: Train, device: torch.device) -> bool:
    """`auto` compiles on NVIDIA GPUs only: on a CPU it takes 40 s and gains nothing."""
    return device.type == "cuda" if train.compile == "auto" else train.compile
