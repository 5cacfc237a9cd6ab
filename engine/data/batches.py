"""Token files -> batches on the device.

Training takes each window of the corpus once a pass, in an order shuffled anew for every pass: at equal tokens
this learns more than windows drawn with replacement. Where it stands is one number, so a resumed run goes on
with exactly the batches that were to come.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]  # ids and the same shifted by one, both int64 (batch, block_size)


class TokenFile:
    """A memory-mapped `.bin`: one flat array of token ids."""

    def __init__(self, path: Path, dtype: str, block_size: int, device: torch.device) -> None:
        self.tokens: npt.NDArray[np.unsignedinteger] = np.memmap(path, dtype=dtype, mode="r")
        self.block_size = block_size
        self.device = device
        self._offsets = np.arange(block_size + 1)

    def batch(self, starts: npt.NDArray[np.int64]) -> Batch:
        """The windows that begin at `starts`."""
        windows = torch.from_numpy(self.tokens[starts[:, None] + self._offsets].astype(np.int64))
        if self.device.type == "cuda":
            windows = windows.pin_memory().to(self.device, non_blocking=True)
        else:
            windows = windows.to(self.device)
        return windows[:, :-1], windows[:, 1:]


class TrainingBatches:
    """Endless training batches; `position` is how many windows have been served, and may be set."""

    def __init__(self, file: TokenFile, batch_size: int, seed: int) -> None:
        self.file = file
        self.batch_size = batch_size
        self.seed = seed
        self.position = 0
        self.windows_per_pass = max(1, (len(file.tokens) - 1) // file.block_size - 1)
        self._pass = -1
        self._starts: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def next(self) -> Batch:
        """The next `batch_size` windows; a batch may reach over the end of a pass."""
        starts = [self._start(self.position + index) for index in range(self.batch_size)]
        self.position += self.batch_size
        return self.file.batch(np.array(starts))

    def _start(self, position: int) -> int:
        number, index = divmod(position, self.windows_per_pass)
        if number != self._pass:
            self._pass, self._starts = number, self._shuffled(number)
        return int(self._starts[index])

    def _shuffled(self, number: int) -> npt.NDArray[np.int64]:
        """The starts of a pass: windows side by side from a random offset, so that their borders move."""
        block = self.file.block_size
        generator = np.random.default_rng((self.seed, number))
        room = len(self.file.tokens) - 1 - self.windows_per_pass * block  # tokens that no window covers
        offset = generator.integers(min(block, room + 1))
        return offset + block * generator.permutation(self.windows_per_pass)


def validation_windows(file: TokenFile, batch_size: int, count: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """The starts of the fixed validation windows, the same for every evaluation: `count` batches, or fewer where
    the split has fewer windows. They do not overlap."""
    windows = max(1, (len(file.tokens) - 1) // file.block_size)
    chosen = np.random.default_rng(seed).permutation(windows)[: count * batch_size]
    starts = np.sort(chosen) * file.block_size
    return [starts[first : first + batch_size] for first in range(0, len(starts), batch_size)]


def whole_split(file: TokenFile, batch_size: int) -> Iterator[Batch]:
    """Windows side by side that predict every token of the file but the first, once each; the last is shorter."""
    targets = len(file.tokens) - 1
    starts = np.arange(targets // file.block_size) * file.block_size
    for first in range(0, len(starts), batch_size):
        yield file.batch(starts[first : first + batch_size])
    if rest := targets % file.block_size:
        window = torch.from_numpy(file.tokens[-rest - 1 :].astype(np.int64)).to(file.device)[None]
        yield window[:, :-1], window[:, 1:]
