"""How fast a GPU could be, by its vendor's figures: what MFU is measured against."""

from __future__ import annotations

import re

import torch

# Dense matrix products in bf16 that add up in fp32, TFLOP a second; fp16 is as fast, and TF32 half as fast. From the
# datasheets (which print twice as much, with sparsity, from Ampere on) and the architectures' white papers.
TENSOR_TFLOPS = {
    "B100": 1750.0,
    "B200": 2250.0,
    "GB200": 2500.0,
    "GH200": 989.0,
    "H200": 989.0,
    "H200 NVL": 835.0,
    "H100": 989.0,
    "H100 NVL": 835.0,
    "H100 PCIE": 756.0,
    "H800": 989.0,
    "H800 PCIE": 756.0,
    "H20": 148.0,
    "A100 SXM4": 312.0,
    "A100 PCIE": 312.0,
    "A800 SXM4": 312.0,
    "A800 PCIE": 312.0,
    "A40": 149.7,
    "A30": 165.0,
    "A10": 125.0,
    "A10G": 70.0,
    "A16": 17.9,
    "A2": 18.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "RTX A6000": 154.8,
    "RTX A5000": 111.1,
    "RTX A4500": 94.6,
    "RTX A4000": 76.7,
    "RTX 6000 ADA GENERATION": 364.2,
    "RTX 5000 ADA GENERATION": 261.1,
    "RTX PRO 6000 BLACKWELL WORKSTATION EDITION": 503.8,
}

# GeForce, by CUDA cores and boost clock in MHz: a core stands for 4 FLOP of such products a cycle. For a laptop the
# clock is the highest of the range that NVIDIA leaves to its makers.
GEFORCE = {
    "RTX 3060": (3584, 1777),
    "RTX 3060 TI": (4864, 1665),
    "RTX 3070": (5888, 1725),
    "RTX 3070 TI": (6144, 1770),
    "RTX 3080": (8704, 1710),
    "RTX 3080 TI": (10240, 1665),
    "RTX 3090": (10496, 1695),
    "RTX 3090 TI": (10752, 1860),
    "RTX 3060 LAPTOP GPU": (3840, 1703),
    "RTX 3070 LAPTOP GPU": (5120, 1620),
    "RTX 3070 TI LAPTOP GPU": (5888, 1485),
    "RTX 3080 LAPTOP GPU": (6144, 1710),
    "RTX 3080 TI LAPTOP GPU": (7424, 1590),
    "RTX 4060": (3072, 2460),
    "RTX 4060 TI": (4352, 2535),
    "RTX 4070": (5888, 2475),
    "RTX 4070 SUPER": (7168, 2475),
    "RTX 4070 TI": (7680, 2610),
    "RTX 4070 TI SUPER": (8448, 2610),
    "RTX 4080": (9728, 2505),
    "RTX 4080 SUPER": (10240, 2550),
    "RTX 4090": (16384, 2520),
    "RTX 4090 D": (14592, 2520),
    "RTX 4050 LAPTOP GPU": (2560, 2370),
    "RTX 4060 LAPTOP GPU": (3072, 2370),
    "RTX 4070 LAPTOP GPU": (4608, 2175),
    "RTX 4080 LAPTOP GPU": (7424, 2280),
    "RTX 4090 LAPTOP GPU": (9728, 2040),
    "RTX 5060": (3840, 2497),
    "RTX 5060 TI": (4608, 2572),
    "RTX 5070": (6144, 2512),
    "RTX 5070 TI": (8960, 2452),
    "RTX 5080": (10752, 2617),
    "RTX 5090": (21760, 2407),
}

# Older ones have no bf16 and no TF32: (fp16 on tensor cores, fp32), TFLOP a second
WITHOUT_BF16 = {
    "T4": (65.0, 8.1),
    "V100 SXM2": (125.0, 15.7),
    "V100 PCIE": (112.0, 14.0),
    "V100S PCIE": (130.0, 16.4),
}


def peak_flops(device: torch.device, precision: str) -> float | None:
    """The device's peak rate for matrix products in `precision` (fp32 is TF32 where there is that), FLOP a second;
    None where it is unknown, as for bf16 on a GPU that has none."""
    return peak_of(torch.cuda.get_device_name(device), precision) if device.type == "cuda" else None


def peak_of(name: str, precision: str = "bf16") -> float | None:
    """The same of the GPU that its driver calls `name`. A part of one (MIG) is as unknown as any name that says more
    than the table's, but for the size and the kind of its memory."""
    words = name.upper().replace("-", " ").removeprefix("NVIDIA ").removeprefix("TESLA ")
    if words.startswith("GEFORCE "):
        cores, megahertz = GEFORCE.get(words.removeprefix("GEFORCE "), (0, 0))
        tensor = cores * megahertz * 4e-6
    else:
        words = " ".join(re.sub(r"\b\d+GB?\b|\bHBM\w*", "", words).split())
        tensor = TENSOR_TFLOPS.get(words, 0.0)
    rates = {"bf16": tensor, "fp16": tensor, "fp32": tensor / 2}
    if words in WITHOUT_BF16:
        rates["fp16"], rates["fp32"] = WITHOUT_BF16[words]
    return rates[precision] * 1e12 or None
