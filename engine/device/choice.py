"""Which device a run gets, and setting it up as the experiment asks."""

from __future__ import annotations

import torch

from engine.contract.errors import UserError
from engine.contract.experiment import Hardware
from engine.device.memory import reserve_memory


def choose_device(wanted: str) -> torch.device:
    """`auto` is cuda, then mps, then cpu.

    Raises:
        UserError: the device asked for is not there.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UserError(
            f'hardware.device = "{wanted}": this torch ({torch.__version__}) sees {torch.cuda.device_count()} '
            "CUDA devices; slm-tui doctor tells more"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError('hardware.device = "mps": no Apple GPU here')
    return device


def prepare_device(hardware: Hardware) -> torch.device:
    """Choose the device and set it up as the experiment asks: threads, matrix precision, memory."""
    if hardware.num_threads:
        torch.set_num_threads(hardware.num_threads)
    device = choose_device(hardware.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32
        if hardware.memory_fraction is not None:
            reserve_memory(device, hardware.memory_fraction)
    return device


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
