"""Batches: every window once a pass, targets shifted by one, and a position that can be put back."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.data import batches as batches_module
from engine.data.batches import TokenFile, TrainingBatches, validation_windows, whole_split

CPU = torch.device("cpu")
BLOCK = 8


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    """203 tokens, each its own index."""
    np.arange(203, dtype=np.uint16).tofile(tmp_path / "train.bin")
    return TokenFile(tmp_path / "train.bin", "uint16", BLOCK, CPU)


def test_targets_are_the_ids_shifted_by_one(tokens: TokenFile) -> None:
    ids, targets = TrainingBatches(tokens, 4, seed=1).next()
    assert ids.shape == targets.shape == (4, BLOCK)
    assert ids.dtype == torch.int64
    torch.testing.assert_close(targets, ids + 1)


def test_a_pass_takes_no_token_twice_and_nearly_every_token_once(tokens: TokenFile) -> None:
    batches = TrainingBatches(tokens, 1, seed=1)
    seen = torch.cat([batches.next()[1].flatten() for _ in range(batches.windows_per_pass)])
    assert len(seen.unique()) == len(seen)
    assert len(seen) >= len(tokens.tokens) - 1 - 2 * BLOCK


def test_each_pass_has_its_own_order_and_borders(tokens: TokenFile) -> None:
    batches = TrainingBatches(tokens, 1, seed=1)
    passes = [[int(batches.next()[0][0, 0]) for _ in range(batches.windows_per_pass)] for _ in range(6)]
    assert len({tuple(order) for order in passes}) == 6
    assert len({order[0] % BLOCK for order in passes}) > 1
    assert all(sorted(order) != order for order in passes)


def test_a_position_brings_back_the_batches_that_were_to_come(tokens: TokenFile) -> None:
    first = TrainingBatches(tokens, 5, seed=1)
    for _ in range(7):
        first.next()
    resumed = TrainingBatches(tokens, 5, seed=1)
    resumed.position = first.position
    for _ in range(12):
        torch.testing.assert_close(resumed.next()[0], first.next()[0])


def test_micro_batches_are_the_same_windows_as_one_large_batch(tokens: TokenFile) -> None:
    small, large = TrainingBatches(tokens, 4, seed=1), TrainingBatches(tokens, 16, seed=1)
    torch.testing.assert_close(torch.cat([small.next()[0] for _ in range(4)]), large.next()[0])


@pytest.mark.parametrize("length", [BLOCK + 1, BLOCK + 2, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK + 5])
def test_the_shortest_data_give_windows_that_lie_inside(tmp_path: Path, length: int) -> None:
    np.arange(length, dtype=np.uint16).tofile(tmp_path / "short.bin")
    batches = TrainingBatches(TokenFile(tmp_path / "short.bin", "uint16", BLOCK, CPU), 3, seed=1)
    for _ in range(40):
        ids, targets = batches.next()
        torch.testing.assert_close(targets, ids + 1)


def test_validation_windows_are_fixed_and_do_not_overlap(tokens: TokenFile) -> None:
    first, again = (validation_windows(tokens, 4, 3, seed=7) for _ in range(2))
    assert [list(starts) for starts in first] == [list(starts) for starts in again]
    starts = np.concatenate(first)
    assert len(starts) == 12
    assert all(np.diff(starts) >= BLOCK)


def test_a_short_validation_split_is_evaluated_whole(tokens: TokenFile) -> None:
    assert len(np.concatenate(validation_windows(tokens, 4, 100, seed=7))) == 202 // BLOCK


def test_the_whole_split_predicts_every_token_once(tokens: TokenFile) -> None:
    predicted = torch.cat([targets.flatten() for _, targets in whole_split(tokens, 4)])
    assert predicted.tolist() == list(range(1, 203))


def test_large_vocabularies_are_read_as_uint32(tmp_path: Path) -> None:
    np.full(BLOCK + 1, 70_000, dtype=np.uint32).tofile(tmp_path / "wide.bin")
    ids, _ = TrainingBatches(TokenFile(tmp_path / "wide.bin", "uint32", BLOCK, CPU), 1, seed=1).next()
    assert ids.unique().tolist() == [70_000]


def test_tokens_past_the_sign_bit_come_back_as_they_are(tmp_path: Path) -> None:
    ids = np.array([0, 32_767, 32_768, 65_535] * 3, dtype=np.uint16)
    ids.tofile(tmp_path / "high.bin")
    file = TokenFile(tmp_path / "high.bin", "uint16", BLOCK, CPU)
    assert file.batch(np.array([0]))[0][0].tolist() == ids[:BLOCK].tolist()
    assert [t for _, targets in whole_split(file, 4) for t in targets.flatten().tolist()] == ids[1:].tolist()


@pytest.fixture
def no_pinning(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads that pin memory, where there is no GPU to pin it for."""
    threads: list[str] = []

    def pinned(windows: torch.Tensor) -> torch.Tensor:
        threads.append(threading.current_thread().name)
        return windows

    monkeypatch.setattr(torch.Tensor, "pin_memory", pinned)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    return threads


def on_gpu(monkeypatch: pytest.MonkeyPatch, path: Path, free: int) -> TokenFile:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    return TokenFile(path, "uint16", BLOCK, torch.device("cuda", 0))


@pytest.mark.parametrize("free", [3 * 4060, 4060])
def test_batches_are_the_same_wherever_the_tokens_lie(
    tokens: TokenFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pinning: list[str], free: int
) -> None:
    """406 bytes of tokens are a tenth of 4,060: resident where there are three times as many, else gathered ahead."""
    plain = TrainingBatches(tokens, 5, seed=1)
    file = on_gpu(monkeypatch, tmp_path / "train.bin", free - 500)
    assert file.resident == (free > 4060)
    other = TrainingBatches(file, 5, seed=1)
    for _ in range(12):  # over the ends of passes
        for mine, theirs in zip(plain.next(), other.next(), strict=True):
            assert torch.equal(mine, theirs)
        assert other.position == plain.position, "what is gathered ahead has not been served"
    plain.position = other.position = 35
    for _ in range(3):
        assert torch.equal(plain.next()[1], other.next()[1])
    assert [list(starts) for starts in validation_windows(file, 4, 3, seed=7)] == [
        list(starts) for starts in validation_windows(tokens, 4, 3, seed=7)
    ]
    assert torch.cat([t.flatten() for _, t in whole_split(file, 4)]).tolist() == list(range(1, 203))
    assert ("next batch" in no_pinning) == (not file.resident)


def test_no_thread_is_left_and_an_error_in_it_is_raised_by_next(
    tokens: TokenFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pinning: list[str]
) -> None:
    file = on_gpu(monkeypatch, tmp_path / "train.bin", 0)
    batches = TrainingBatches(file, 5, seed=1)
    before = batches.next()
    for thread in threading.enumerate():
        if thread.name == "next batch":
            thread.join(30)
            assert not thread.is_alive()

    def failing(starts: object) -> torch.Tensor:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(file, "gathered", failing)
    batches.next()  # gathered before
    with pytest.raises(RuntimeError, match="out of memory"):
        batches.next()
    assert batches.position == 10, "the failed batch has not been served"
    monkeypatch.undo()
    batches.position = 0
    assert torch.equal(TrainingBatches(tokens, 5, seed=1).next()[0], before[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("share", [0.1, 0.0])
def test_a_gpu_gets_the_batches_of_the_cpu(
    tokens: TokenFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(batches_module, "RESIDENT_SHARE", share)
    file = TokenFile(tmp_path / "train.bin", "uint16", BLOCK, torch.device("cuda", 0))
    assert file.resident == bool(share)
    here, there = TrainingBatches(tokens, 5, seed=1), TrainingBatches(file, 5, seed=1)
    for _ in range(12):
        for mine, theirs in zip(here.next(), there.next(), strict=True):
            assert torch.equal(mine, theirs.cpu())
