"""Which device a run will get, without torch: a run waits for its device while its process is still small.

The answer is that of `engine.device.choice`. Where the two might differ (a driver that NVML can ask and CUDA cannot
use), a run waits for a device that it then does not use.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DeviceName:
    """A device by its two names."""

    label: str  # what this process calls it, such as cuda:0
    key: str  # what every process of the machine calls it: a GPU's UUID, whatever CUDA_VISIBLE_DEVICES hides


def find_device(wanted: str) -> DeviceName:
    """The device that `hardware.device` means here. A GPU that is not there keeps the name it was asked for by."""
    if wanted == "auto":
        wanted = "cuda" if _torch_has_cuda() and _visible_gpus() else "mps" if _is_apple_silicon() else "cpu"
    if not wanted.startswith("cuda"):
        return DeviceName(wanted, wanted)
    index = int(wanted.partition(":")[2] or 0)
    gpus = _visible_gpus()
    return DeviceName(f"cuda:{index}", gpus[index] if index < len(gpus) else f"cuda-{index}")


def visible_gpus(gpus: Sequence[str], variable: str | None) -> list[str]:
    """Those of the machine's `gpus` (UUIDs) that a CUDA_VISIBLE_DEVICES of `variable` leaves, in its order.

    CUDA's own rules: numbers, beginnings of UUIDs, or parts of GPUs (MIG), up to the first that names nothing;
    a GPU named twice leaves none.
    """
    if variable is None:
        return list(gpus)
    chosen: list[str] = []
    for name in map(str.strip, variable.split(",")):
        if name.startswith("MIG-"):
            found = [name.replace("/", "-")]
        elif name.isdecimal():
            found = list(gpus[int(name) : int(name) + 1])
        else:
            found = [gpu for gpu in gpus if name.startswith("GPU-") and gpu.startswith(name)]
        if len(found) != 1:
            break
        if found[0] in chosen:
            return []
        chosen += found
    return chosen


def _visible_gpus() -> list[str]:
    return visible_gpus(_all_gpus(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def _all_gpus() -> list[str]:
    """The UUIDs of the machine's NVIDIA GPUs; [] where there is no driver to ask."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, by its version file: importing it would take seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    return re.search(r"^cuda\b[^=\n]*=\s*['\"]", version, re.MULTILINE) is not None


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"
