"""Use of the machine, every few seconds, as `system` events. What is unknown is None, never 0."""

from __future__ import annotations

import threading
from typing import Any

import psutil
import torch

from engine.contract.events import Emit, System

INTERVAL = 5.0  # seconds


class Monitor:
    """A context: while it is open, a thread emits `system` events."""

    def __init__(self, device: torch.device, emit: Emit) -> None:
        self.emit = emit
        self._process = psutil.Process()
        self._gpu = _nvml_handle(device)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)

    def __enter__(self) -> None:
        self._process.cpu_percent()  # the first call only starts the measurement
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.emit(self.sample())
            except OSError:  # a full disk: the loop's own events will say so, and end the run
                return

    def sample(self) -> System:
        """One reading."""
        return System(
            cpu_percent=self._process.cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            **_gpu_use(self._gpu),
        )


def _nvml_handle(device: torch.device) -> Any:
    if device.type != "cuda":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        # By UUID: NVML numbers all GPUs, torch only those in CUDA_VISIBLE_DEVICES.
        uuid = torch.cuda.get_device_properties(device).uuid
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError:
        return None


def _gpu_use(handle: Any) -> dict[str, Any]:
    if handle is None:
        return {}
    import pynvml

    readings = {
        "gpu_percent": lambda: float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "gpu_memory_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
        "gpu_memory_total_bytes": lambda: int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        "gpu_power_watts": lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,
    }
    use = {}
    for name, read in readings.items():
        try:
            use[name] = read()
        except pynvml.NVMLError:  # this GPU does not tell
            use[name] = None
    return use
