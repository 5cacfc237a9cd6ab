"""Stories -> a `.bin` file of token ids, tokenized on every core; what is interrupted goes on where it was.

Beside the unfinished file lies its journal: how much of the file is whole, and how many stories that is. A few blocks
of text are in memory at a time, whatever the corpus' size.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from engine.contract.files import replace_file
from engine.data.tokenizers.tokenizer import Tokenizer

BLOCK = 500_000  # characters that one thread tokenizes at a time
JOURNAL_INTERVAL = 5.0  # seconds of work that a kill may cost
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

Item = TypeVar("Item")
Result = TypeVar("Result")


class SplitManifest(msgspec.Struct, frozen=True):
    """What one .bin file holds. Bits per byte = loss in nats × tokens / (bytes × ln 2)."""

    stories: int
    tokens: int  # end-of-text tokens included
    bytes: int  # UTF-8 of the original text, without end-of-text


def write_tokens(path: Path, stories: Iterable[str], tokenizer: Tokenizer, dtype: str) -> SplitManifest:
    """Write the tokens of all stories, after those that an interrupted call has left at `path`.

    `stories` and `tokenizer` are the same ones in both calls: the caller sees to it.
    """
    journal = path.with_suffix(".json")
    width = np.dtype(dtype).itemsize
    done = _whole(path, journal, width)

    def encode(block: list[str]) -> tuple[npt.NDArray[Any], int, int]:
        # the bytes of joined texts: one conversion a block, while the other threads wait for Python
        return tokenizer.encode_stories(block).astype(dtype), len(block), len("".join(block).encode())

    with open(path, "r+b" if path.exists() else "wb") as file:
        file.truncate(done.tokens * width)
        file.seek(0, os.SEEK_END)
        told = time.monotonic()
        for ids, block_stories, block_bytes in _in_threads(
            encode, _blocks(itertools.islice(stories, done.stories, None))
        ):
            file.write(ids.data)
            done = SplitManifest(done.stories + block_stories, done.tokens + len(ids), done.bytes + block_bytes)
            if time.monotonic() - told >= JOURNAL_INTERVAL:
                _tell(file, journal, done)
                told = time.monotonic()
        _tell(file, journal, done)
    return done


def remove_journal(path: Path) -> None:
    """Of a `.bin` file that is whole."""
    path.with_suffix(".json").unlink(missing_ok=True)


def _whole(path: Path, journal: Path, width: int) -> SplitManifest:
    """What the journal says of the file; nothing where one of them is missing, or the file shorter than it says."""
    try:
        done = msgspec.json.decode(journal.read_bytes(), type=SplitManifest)
        return done if path.stat().st_size >= done.tokens * width else SplitManifest(0, 0, 0)
    except (FileNotFoundError, ValueError):  # msgspec's, and bytes that are not UTF-8
        return SplitManifest(0, 0, 0)


def _tell(file: BinaryIO, journal: Path, done: SplitManifest) -> None:
    file.flush()
    os.fsync(file.fileno())
    replace_file(journal, msgspec.json.encode(done))


def _blocks(stories: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    characters = 0
    for story in stories:
        block.append(story)
        characters += len(story)
        if characters >= BLOCK:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`function` of each item, in order; at most two items a thread are under way."""
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == 2 * THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
