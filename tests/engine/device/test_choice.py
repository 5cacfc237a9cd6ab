"""Which device a run gets, and what a wrong choice is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import torch

from engine.contract.errors import UserError
from engine.contract.experiment import Hardware
from engine.device.choice import choose_device, prepare_device, why_no_cuda

Gpus = Callable[..., object]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def torch_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What preparing a device changes for the whole process."""
    for variable in ("CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_DETERMINISTIC"):
        monkeypatch.setenv(variable, "")  # so that it is put back
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    yield
    torch.set_num_threads(before[0])
    torch.set_float32_matmul_precision(before[1])
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


def test_auto_takes_the_fastest_device_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected


@pytest.mark.parametrize(("wanted", "chosen"), [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")])
def test_a_gpu_is_chosen_with_its_number_and_torch_takes_it(gpus: Gpus, wanted: str, chosen: str) -> None:
    fake = gpus((8, 0), (8, 0))
    device = prepare_device(Hardware(device=wanted))
    assert str(device) == chosen
    assert ("set_device", (device.index,)) in fake.calls  # type: ignore[attr-defined]
    torch.cuda.set_per_process_memory_fraction(0.5, device)


def test_products_in_fp32_are_tf32_on_a_gpu(gpus: Gpus) -> None:
    gpus((8, 0))
    prepare_device(Hardware())
    assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("wanted", ["cuda", "cuda:7"])
def test_without_a_gpu_cuda_is_refused(wanted: str) -> None:
    with pytest.raises(UserError, match=rf'device = "{wanted}": this torch .*(built without CUDA|finds no GPU)'):
        choose_device(wanted)


def test_a_gpu_that_is_not_there_is_refused(gpus: Gpus) -> None:
    gpus((8, 0), (8, 0))
    with pytest.raises(UserError, match='device = "cuda:7": torch sees cuda:0 to cuda:1 here'):
        choose_device("cuda:7")


@pytest.mark.parametrize("wanted", ["gpu", "xpu", "cuda:-1", "cuda:01", "", "cpu:0"])
def test_a_name_that_is_none_is_told_what_names_there_are(wanted: str) -> None:
    with pytest.raises(UserError, match="wants auto, cpu, mps, cuda or cuda:N"):
        choose_device(wanted)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Found no NVIDIA driver on your system. Please check that …", "Found no NVIDIA driver on your system"),
        (
            "The NVIDIA driver on your system is too old (found version 11040). Please update …",
            "The NVIDIA driver on your system is too old (found version 11040)",
        ),
        ("No CUDA GPUs are available", "No CUDA GPUs are available"),
    ],
)
def test_a_torch_that_cannot_use_its_cuda_says_why(
    gpus: Gpus, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    gpus()

    def init() -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(torch.cuda, "init", init)
    assert why_no_cuda() == f"this torch ({torch.__version__}) finds no GPU: {told}"
    with pytest.raises(UserError, match="finds no GPU: "):
        choose_device("cuda")
    assert choose_device("auto").type != "cuda"


@pytest.mark.parametrize(
    ("capability", "built_for", "works"),
    [
        ((8, 6), "sm_75 sm_80 sm_90", True),  # code for 8.0 runs on 8.6
        ((5, 2), "sm_75 sm_80 sm_90", False),
        ((7, 0), "sm_75 sm_80 sm_90", False),
        ((9, 0), "sm_75 sm_80", False),
        ((12, 0), "sm_80 sm_90 compute_90", True),  # the driver compiles it
        ((9, 0), "sm_80 sm_90a", True),
        ((8, 0), "sm_86", False),
        ((9, 0), "gfx90a gfx942", True),  # ROCm
    ],
)
def test_a_gpu_that_torch_has_no_code_for_is_refused(
    gpus: Gpus, capability: tuple[int, int], built_for: str, works: bool
) -> None:
    gpus(capability, name="NVIDIA GeForce GTX 970", built_for=built_for)
    if works:
        assert choose_device("auto") == torch.device("cuda:0")
        return
    with pytest.raises(
        UserError, match=r"GTX 970 has compute capability \d+\.\d, and this torch .* is built for 7.5|8.6"
    ):
        choose_device("auto")


def test_threads_are_as_asked_for() -> None:
    assert prepare_device(Hardware(device="cpu", num_threads=1)) == CPU
    assert torch.get_num_threads() == 1


def test_determinism_is_set_up_before_cuda_starts(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus((8, 0))
    seen: list[str | None] = []
    monkeypatch.setattr(
        torch.cuda, "is_available", lambda: bool(seen.append(os.environ["CUBLAS_WORKSPACE_CONFIG"])) or True
    )
    prepare_device(Hardware(), deterministic=True)
    assert seen[0] == ":4096:8"
    assert torch.are_deterministic_algorithms_enabled() and torch.backends.cudnn.deterministic
    assert os.environ["TORCHINDUCTOR_DETERMINISTIC"] == "1"


def test_a_deterministic_workspace_of_the_users_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    prepare_device(Hardware(device="cpu"), deterministic=True)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_without_being_asked_for_nothing_is_deterministic() -> None:
    prepare_device(Hardware(device="cpu"))
    assert not torch.are_deterministic_algorithms_enabled() and not os.environ["CUBLAS_WORKSPACE_CONFIG"]
