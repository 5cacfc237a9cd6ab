"""Which device a run gets, and setting it up as the experiment asks."""

from __future__ import annotations

import os
import re
import warnings

import torch

from engine.contract.errors import UserError
from engine.contract.experiment import DEVICE_NAMES, DEVICE_PATTERN, Hardware

_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8"))  # the values with which cuBLAS is deterministic


def choose_device(wanted: str) -> torch.device:
    """`auto` is cuda, then mps, then cpu. An NVIDIA GPU has its number: torch.cuda refuses some calls without one.

    Raises:
        UserError: the device asked for is not there, or this torch cannot use it.
    """
    if not re.fullmatch(DEVICE_PATTERN, wanted):
        raise UserError(f'device = "{wanted}": wants {DEVICE_NAMES}')
    if wanted == "auto":
        wanted = "cuda" if _has_cuda() else "mps" if torch.backends.mps.is_available() else "cpu"
    if wanted == "mps" and not torch.backends.mps.is_available():
        raise UserError('device = "mps": no Apple GPU here')
    if not wanted.startswith("cuda"):
        return torch.device(wanted)
    if not _has_cuda():
        raise UserError(f'device = "{wanted}": {why_no_cuda()}; slm-tui doctor tells more')
    device, count = torch.device("cuda", int(wanted.partition(":")[2] or 0)), torch.cuda.device_count()
    if device.index >= count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise UserError(f'device = "{wanted}": torch sees {there} here (CUDA_VISIBLE_DEVICES may hide others)')
    if problem := _too_old(device):
        raise UserError(f'device = "{wanted}": {problem}; device = "cpu" works, and so does a torch built for this GPU')
    return device


def prepare_device(hardware: Hardware, *, deterministic: bool = False) -> torch.device:
    """Choose the device and set it up as the experiment asks: threads, the precision of fp32 products, determinism.

    Every command that computes begins with this, before anything else touches the GPU.

    Raises:
        UserError: as `choose_device`.
    """
    if hardware.num_threads:
        torch.set_num_threads(hardware.num_threads)
    if deterministic:
        make_deterministic()
    device = choose_device(hardware.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32
    return device


def make_deterministic() -> None:
    """Only kernels that add up in the same order every time; an operation that has none raises RuntimeError.

    https://docs.pytorch.org/docs/stable/notes/randomness.html. cuBLAS reads its variable as the first matrix is
    multiplied, and inductor then chooses kernels by rule, as a choice by measuring may differ after a resume.
    """
    name, values = _CUBLAS
    if os.environ.get(name) not in values:
        os.environ[name] = values[0]
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"  # read when torch.compile is first used
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def why_no_cuda() -> str:
    """Why torch finds no NVIDIA GPU: the first sentence of its own answer, or that it is built without CUDA."""
    if not torch.backends.cuda.is_built():
        return f"this torch ({torch.__version__}) is built without CUDA"
    reason = "it cannot say why"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:  # no driver, or one too old, or no GPU
        reason = re.split(r"[.] |$", str(error), maxsplit=1, flags=re.MULTILINE)[0]
    return f"this torch ({torch.__version__}) finds no GPU: {reason}"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _has_cuda() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a driver that is too old; `why_no_cuda` tells it
        return torch.cuda.is_available()


def _too_old(device: torch.device) -> str | None:
    """Why this torch has no code for the GPU, if it has none.

    `sm_86` is code for 8.6 and for later 8.x, `compute_90` is compiled by the driver for 9.0 and for all later ones.
    """
    major, minor = torch.cuda.get_device_capability(device)
    built = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", each) for each in torch.cuda.get_arch_list()]
    known = [(each[1], int(each[2]), int(each[3])) for each in built if each]
    if not known:  # ROCm names its GPUs otherwise
        return None
    if any((kind == "compute" or of == major) and (of, at) <= (major, minor) for kind, of, at in known):
        return None
    codes = ", ".join(f"{of}.{at}" for _, of, at in known)
    return (
        f"{torch.cuda.get_device_name(device)} has compute capability {major}.{minor}, "
        f"and this torch ({torch.__version__}) is built for {codes}"
    )
