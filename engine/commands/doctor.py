"""What torch finds on this machine, as one JSON document.

python -m engine doctor
"""

from __future__ import annotations

from typing import Any

import torch

from engine.contract.errors import UserError
from engine.device.choice import choose_device
from engine.device.precision import choose_precision


def describe() -> dict[str, Any]:
    """What `python -m engine doctor` prints."""
    device, problem = torch.device("cpu"), None
    try:
        device = choose_device("auto")
    except UserError as error:
        problem = str(error)
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "device": str(device),
        "problem": problem,  # why an experiment that says auto cannot train
        "precision": choose_precision("auto", device),
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in gpus],
        "mps": torch.backends.mps.is_available(),
        "num_threads": torch.get_num_threads(),
    }
