"""What every test stands on: no user directory is touched, and a tiny experiment that trains in seconds."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest

TINY = """
description = "as small as it gets"
[data]
source = "builtin"
stories = 200
[tokenizer]
kind = "byte_bpe"
vocab_size = 400
[model]
n_layer = 2
n_head = 2
n_embd = 32
block_size = 32
dropout = 0.1
[train]
max_steps = 24
batch_size = 4
learning_rate = 3e-3
warmup_steps = 4
eval_interval = 8
eval_batches = 2
checkpoint_interval = 4
[hardware]
device = "cpu"
num_threads = 1
[sampling]
prompts = ["Once"]
max_new_tokens = 8
"""


def pytest_configure() -> None:
    """One thread for a tensor, in tests and in what they start: there are more tests at once than cores, and threads
    that wait for each other's cores are several times slower than one.

    Started in the background, or by nohup, this process ignores signals, and so would all that the tests start.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what wants an NVIDIA GPU where there is none."""
    for_gpus = [item for item in items if item.get_closest_marker("cuda")]
    if for_gpus:
        import torch

        if not torch.cuda.is_available():
            for item in for_gpus:
                item.add_marker(pytest.mark.skip(reason="torch finds no CUDA device here"))


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as cores: a third of the tests' time goes by while they wait for processes and terminals."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


def pytest_collection_finish() -> None:
    """Looking through all that is imported, again and again, took a sixth of the dashboard's tests' time."""
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


@pytest.fixture(autouse=True)
def isolated_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every directory of the user's into `tmp_path`."""
    home = tmp_path / "home"
    for variable in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HF_HOME"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.delenv("SLM_TUI_WORKSPACE", raising=False)


@pytest.fixture(scope="session")
def tiny() -> str:
    """The text of an experiment that prepares and trains in a few seconds on one core."""
    return TINY


@pytest.fixture
def mirror() -> Path:
    """The offline mirror with real data, where there is one."""
    path = os.environ.get("SLM_DATA_MIRROR")
    if not path or not Path(path).is_dir():
        pytest.skip("SLM_DATA_MIRROR names no folder: the real data are not here")
    return Path(path).resolve()
