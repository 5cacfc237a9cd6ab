"""The device, its precision, and what a wrong choice is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import torch

from engine.commands.doctor import describe
from engine.contract.errors import UserError
from engine.contract.experiment import Hardware, Train
from engine.contract.loading import parse_experiment
from engine.contract.overrides import apply_overrides
from engine.device.choice import choose_device, prepare_device
from engine.device.cores import FreeCores
from engine.device.memory import memory_warning
from engine.device.peak_rates import peak_flops, peak_of
from engine.device.precision import autocast, choose_precision, should_compile

CPU = torch.device("cpu")


def test_auto_takes_the_fastest_device_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r'hardware.device = "cuda": this torch .* sees 0 CUDA devices'):
        choose_device("cuda")


def test_a_cpu_trains_in_fp32_unless_told_otherwise() -> None:
    assert choose_precision("auto", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with autocast("bf16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_compilation_is_for_gpus_unless_told_otherwise() -> None:
    assert not should_compile(Train(1), CPU)
    assert should_compile(Train(1, compile=True), CPU)
    assert should_compile(Train(1), torch.device("cuda"))
    assert not should_compile(Train(1, compile=False), torch.device("cuda"))


def test_an_unknown_peak_is_none_not_a_guess() -> None:
    assert peak_flops(CPU, "fp32") is None


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA GH200 480GB", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("NVIDIA L40", None),
        ("NVIDIA RTX A1000", None),
        ("NVIDIA GB200", None),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA GeForce RTX 4080 SUPER", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("Tesla T4", None),
    ],
)
def test_a_gpu_is_known_by_its_whole_name(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak


def test_memory_is_warned_of_where_the_kernel_would_end_the_training(tiny: str) -> None:
    experiment = parse_experiment(tiny, "tiny")
    assert memory_warning(experiment, torch.device("cpu")) is None
    large = parse_experiment(apply_overrides(tiny, ["train.batch_size=1000000", "model.block_size=4096"]), "large")
    assert re.match(r"training takes about [\d,.]+ GiB", memory_warning(large, torch.device("cpu")) or "")
    assert memory_warning(large, torch.device("cuda")) is None, "a GPU says itself when it is full"


def test_threads_are_as_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        assert prepare_device(Hardware(device="cpu", num_threads=1)) == CPU
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_the_doctor_says_what_this_machine_has() -> None:
    facts = describe()
    assert facts["torch"] == torch.__version__
    assert facts["device"] == str(choose_device("auto"))
    assert len(facts["gpus"]) == torch.cuda.device_count()


FREES = """
import resource
import torch
from engine.device.memory import keep_large_buffers

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
left = faults()
keep_large_buffers()
faults(), faults()  # until the heap is large enough
print(left, faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc only")
def test_freed_buffers_are_kept_instead_of_being_faulted_in_again() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    command = [sys.executable, "-c", FREES]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    left, kept = map(int, answer.stdout.split())
    # 10 buffers of 64 MB are 156,000 pages
    assert left - kept > 100_000, (left, kept)


class Counted(FreeCores):
    """With these readings of the clock and of other processes' work."""

    def __init__(self, *readings: tuple[float, float]) -> None:
        self._readings = iter(readings)
        super().__init__()

    def _now(self) -> tuple[float, float]:
        return next(self._readings)


def test_threads_are_as_many_as_other_processes_leave_cores() -> None:
    every, most = os.cpu_count() or 1, torch.get_num_threads()
    cores = Counted((0.0, 50.0), (2.0, 50.0 + 2 * (every - 0.1)), (2.1, 999.0), (4.0, 50.0 + 2 * (every - 0.1)))
    assert cores.count() == 1, "all are busy"
    assert cores.count() == 1, "a tenth of a second tells nothing"
    assert cores.count() == min(most, every), "nobody has worked since"
