"""Token files -> batches on the device.

Training takes each window of the corpus once a pass, in an order shuffled anew for every pass: at equal tokens
this learns more than windows drawn with replacement. Where it stands is one number, so a resumed run continues
with exactly the batches that were to come.

On a GPU that has room for them the tokens lie in its memory, and only the windows' starts are sent there. Where they do
not fit, a thread gathers the next batch from disk while the step before it runs. A CPU gathers a batch within a
thousandth of a step's time, and needs no thread for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Thread

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]  # ids and the same shifted by one, both int64 (batch, block_size)

RESIDENT_SHARE = 0.1  # of a GPU's free memory, that a token file may take


class TokenFile:
    """A memory-mapped `.bin`: one flat array of token ids."""

    def __init__(self, path: Path, dtype: str, block_size: int, device: torch.device) -> None:
        """`dtype` is "uint16" or "uint32", as the manifest says."""
        # copied on write, which never happens: torch warns of memory that it must not write to
        self.tokens: npt.NDArray[np.unsignedinteger] = np.memmap(path, dtype=dtype, mode="c")
        self.block_size = block_size
        self.device = device
        self.resident = _fits(self.tokens.nbytes, device)  # the ids lie on the device
        # (tokens,): torch gathers signed integers on every device; 16 bits past the sign are put right in `batch`
        self._ids = torch.from_numpy(self.tokens.view(np.int16 if self.tokens.itemsize == 2 else np.int32))
        self._offsets = torch.arange(block_size + 1)
        if self.resident:
            self._ids, self._offsets = self._ids.to(device), self._offsets.to(device)

    def batch(self, starts: npt.NDArray[np.int64]) -> Batch:
        """The windows that begin at `starts`."""
        return self.on_device(self.gathered(starts))

    def gathered(self, starts: npt.NDArray[np.int64]) -> Tensor:
        """The windows in the file's width, (batch, block_size + 1): on the device where the file is, else in memory
        that a GPU copies from."""
        first = torch.from_numpy(starts)
        if self.resident and self.device.type == "cuda":
            first = first.pin_memory().to(self.device, non_blocking=True)
        windows = self._ids[first[:, None] + self._offsets]
        return windows.pin_memory() if self.device.type == "cuda" and not self.resident else windows

    def on_device(self, windows: Tensor) -> Batch:
        """What `gathered` has given, as a batch."""
        windows = windows.to(self.device, non_blocking=self.device.type == "cuda").long()
        if self.tokens.itemsize == 2:
            windows &= 0xFFFF
        return windows[:, :-1], windows[:, 1:]


def _fits(size: int, device: torch.device) -> bool:
    """Whether `size` bytes are a small part of what is free on a GPU."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for what comes
    return size <= RESIDENT_SHARE * (free + kept)


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
        self._prefetches = file.device.type == "cuda" and not file.resident
        self._ahead: _Ahead | None = None

    def next(self) -> Batch:
        """The next `batch_size` windows; a batch may reach over the end of a pass."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.position == self.position:
            windows = ahead.windows()
        else:
            windows = self.file.gathered(self._starts_at(self.position))
        self.position += self.batch_size
        if self._prefetches:
            self._ahead = _Ahead(self.file, self.position, self._starts_at(self.position))
        return self.file.on_device(windows)

    def _starts_at(self, position: int) -> npt.NDArray[np.int64]:
        return np.array([self._start(position + index) for index in range(self.batch_size)])

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


class _Ahead:
    """A batch that a thread gathers, which ends with it: nobody has to stop it."""

    def __init__(self, file: TokenFile, position: int, starts: npt.NDArray[np.int64]) -> None:
        self.position = position  # of the batch
        self._windows: Tensor | None = None
        self._error: Exception | None = None
        self._thread = Thread(target=self._gather, args=(file, starts), name="next batch", daemon=True)
        self._thread.start()

    def windows(self) -> Tensor:
        """The windows, once they are there; raises what gathering them raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._windows is not None, "the thread has ended"
        return self._windows

    def _gather(self, file: TokenFile, starts: npt.NDArray[np.int64]) -> None:
        # each thread has a current GPU of its own; pinning on another one would make a context there
        on_gpu = torch.cuda.device(file.device) if file.device.type == "cuda" else nullcontext()
        try:
            with on_gpu:
                self._windows = file.gathered(starts)
        except Exception as error:  # noqa: BLE001  whatever it is, `windows` raises it in the thread that trains
            self._error = error


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
