"""Memory of the device and of the machine: reserving, releasing, and telling when it is short."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

import psutil
import torch

from engine.contract.errors import UserError
from engine.contract.experiment import Experiment
from engine.contract.shape import training_memory


def reserve_memory(device: torch.device, fraction: float) -> None:
    """Take `fraction` of the GPU's memory now, in one piece, so that nothing else can take it later.

    Raises:
        UserError: so much is not free.
    """
    torch.cuda.set_per_process_memory_fraction(fraction, device)
    free, total = torch.cuda.mem_get_info(device)
    size = int(fraction * total * 0.98)  # the rest is for the context and rounding
    if size > free:
        raise UserError(
            f"hardware.memory_fraction = {fraction:g}: wants {size / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB "
            f"of {total / 2**30:.1f} GiB are free"
        )
    block = torch.empty(size, dtype=torch.uint8, device=device)
    del block  # torch's allocator keeps the block for this process


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


def keep_large_buffers() -> None:
    """Ask glibc to keep freed memory instead of giving it back to the kernel.

    Logits are hundreds of megabytes that each step frees and takes again; faulting them in anew costs 10 to 40 %
    of a step on a CPU. Elsewhere than on glibc nothing is done.
    """
    if not sys.platform.startswith("linux") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        trim_threshold, mmap_threshold, largest = -1, -3, 2**31 - 1  # of malloc.h
        mallopt(mmap_threshold, largest)
        mallopt(trim_threshold, largest)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the device's or the machine's, was too short. Some say so by their class, some in words only."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("DefaultCPUAllocator", "out of memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def release_memory() -> None:
    """Give what no tensor holds any more back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
