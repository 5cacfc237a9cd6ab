"""The device of a run, its precision, its memory, and how fast it could be.

python -m engine doctor
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psutil
import torch

from engine.contract.errors import UserError
from engine.contract.estimates import training_memory
from engine.contract.experiment import Experiment, Hardware, Train

# Dense bf16 matrix products, FLOP a second, from the vendor's datasheets; the first name that fits counts. What follows
# a name in a GPU's own may be its memory or its socket, or make it another GPU.
PEAK_FLOPS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 5090": 209e12,
    "RTX 4090": 165e12,
    "RTX 4080": 97e12,
    "RTX 3090": 71e12,
    "RTX 3080": 60e12,
}
_ANOTHER_GPU = ("NVL", "Ti", "SUPER", "D", "Laptop")


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


def peak_flops(device: torch.device, precision: str) -> float | None:
    """The device's peak rate for matrix products, FLOP a second; None where it is unknown."""
    if device.type != "cuda":
        return None
    peak = peak_of(torch.cuda.get_device_name(device))
    if peak is None or precision != "fp32":
        return peak
    return peak / 2  # TF32


def peak_of(name: str) -> float | None:
    """The peak rate in bf16 of the GPU that its driver calls `name`; None where it is unknown."""
    words = f" {name.replace('-', ' ')} "
    found = next((each for each in PEAK_FLOPS if f" {each} " in words), None)
    if found is None or words.partition(f" {found} ")[2].startswith(_ANOTHER_GPU):
        return None
    return PEAK_FLOPS[found]


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


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class FreeCores:
    """How many threads are worth having for work that waits for all of them many times a token.

    One that has to wait for a core that a training keeps busy holds up the others: with two threads on two busy cores
    a token takes up to ten times as long as with one.
    """

    def __init__(self) -> None:
        self._most = self._free = torch.get_num_threads()
        self._before = self._now()

    def count(self) -> int:
        """Cores that other processes have left free since the last call, at least 1, at most torch's threads."""
        now = self._now()
        seconds, others = (after - before for after, before in zip(now, self._before, strict=True))
        if seconds > 0.2:  # the system counts in hundredths
            self._free = min(self._most, max(1, round((os.cpu_count() or 1) - others / seconds)))
            self._before = now
        return self._free

    def _now(self) -> tuple[float, float]:
        """Seconds, and seconds of all cores that other processes have taken."""
        every, own = psutil.cpu_times(), os.times()
        idle = every.idle + getattr(every, "iowait", 0.0)
        return time.perf_counter(), sum(every[:8]) - idle - own.user - own.system


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, the device's or the machine's, was too short. Some say so by their class, some in words only."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = ("DefaultCPUAllocator", "out of memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def describe() -> dict[str, Any]:
    """What `python -m engine doctor` prints."""
    device = choose_device("auto")
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "device": str(device),
        "precision": choose_precision("auto", device),
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in gpus],
        "mps": torch.backends.mps.is_available(),
        "num_threads": torch.get_num_threads(),
    }


def release_memory() -> None:
    """Give what no tensor holds any more back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
