"""Memory of the device and of the machine: reserving, releasing, and telling when it is short.

torch is imported where it is used: a run whose torch cannot be loaded still says why it failed.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import psutil

from engine.contract.errors import UserError
from engine.contract.experiment import Experiment
from engine.contract.shape import training_memory

if TYPE_CHECKING:
    import torch

_CONTEXT = 0.98  # of a fraction is reserved in one piece; the rest is for the context and for small tensors
_reserved: set[torch.device] = set()


def reserve_memory(device: torch.device, fraction: float) -> None:
    """Take `fraction` of the GPU's memory now, in one piece, so that nothing else can take it later.

    `release_memory` leaves it with this process; `give_back` does not.

    Raises:
        UserError: so much is not free.
    """
    import torch

    torch.cuda.set_per_process_memory_fraction(fraction, device)
    free, total = torch.cuda.mem_get_info(device)
    size = int(fraction * total * _CONTEXT)
    try:
        block = torch.empty(size, dtype=torch.uint8, device=device) if size <= free else None
    except torch.OutOfMemoryError:  # what is free lies in pieces
        block = None
    if block is None:
        raise UserError(
            f"hardware.memory_fraction = {fraction:g}: wants {size / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB "
            f"of {total / 2**30:.1f} GiB are free"
        )
    _reserved.add(device)
    del block  # torch's allocator keeps the block for this process


def give_back(device: torch.device) -> None:
    """End the reservation: memory that no tensor holds is anybody's again."""
    import torch

    _reserved.discard(device)
    torch.cuda.set_per_process_memory_fraction(1.0, device)
    release_memory()


def release_memory() -> None:
    """Give what no tensor holds any more back to the device, but for what was reserved."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        if not _reserved:
            torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def memory_warning(experiment: Experiment, device: torch.device) -> str | None:
    """What to say where a training on the CPU is likely to take more memory than is free.

    There, the kernel ends the process without a word; a GPU that is full is an error, which says so itself.
    """
    needed, free = training_memory(experiment), psutil.virtual_memory().available
    if device.type != "cpu" or needed <= free:
        return None
    return (
        f"training takes about {needed / 2**30:,.1f} GiB of memory, and {free / 2**30:,.1f} GiB are free: the system "
        "may end it at any moment; a smaller train.batch_size, with more train.grad_accum_steps, takes less"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the device's or the machine's, was too short.

    CUDA says so by a class of torch's, the others in words only, of a RuntimeError: "MPS backend out of memory …",
    "DefaultCPUAllocator: can't allocate memory …", and cuBLAS CUBLAS_STATUS_ALLOC_FAILED.
    """
    words = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # without importing torch
        return True
    return isinstance(error, RuntimeError) and any(each in str(error) for each in words)
