"""How fast a GPU could be, by its vendor's datasheet: what MFU is measured against."""

from __future__ import annotations

import torch

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
