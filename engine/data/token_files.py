"""Stories -> `.bin` files of token ids, tokenized on every core in one pass; what is interrupted resumes.

Beside each unfinished file lies its journal: how much of the file is whole, and how many stories that is. A few blocks
of text are in memory at a time, whatever the corpus' size.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
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

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")


class SplitManifest(msgspec.Struct, frozen=True):
    """What one .bin file holds. Bits per byte = loss in nats × tokens / (bytes × ln 2)."""

    stories: int
    tokens: int  # end-of-text tokens included
    bytes: int  # UTF-8 of the original text, without end-of-text


class _Writer:
    """A `.bin` file that is written, and its journal."""

    def __init__(self, file: BinaryIO, journal: Path, done: SplitManifest, width: int) -> None:
        """`done` is what `file` holds already; what stands behind that, in tokens of `width` bytes, is cut off."""
        self._file, self._journal, self.done = file, journal, done
        file.truncate(done.tokens * width)
        file.seek(0, os.SEEK_END)

    def write(self, ids: npt.NDArray[Any], stories: int, text_bytes: int) -> None:
        self._file.write(ids.data)
        done = self.done
        self.done = SplitManifest(done.stories + stories, done.tokens + len(ids), done.bytes + text_bytes)

    def tell(self) -> None:
        """Write into the journal what is on the disk then."""
        self._file.flush()
        os.fsync(self._file.fileno())
        replace_file(self._journal, msgspec.json.encode(self.done))


def write_tokens(
    paths: Mapping[Key, Path], stories: Iterable[tuple[Key, str]], tokenizer: Tokenizer, dtype: str
) -> dict[Key, SplitManifest]:
    """Write the tokens of all stories, each to the file that its key names, after those that an interrupted call has
    left there.

    `stories` and `tokenizer` are the same ones in both calls: the caller sees to it.
    """

    def encode(item: tuple[Key, list[str]]) -> tuple[Key, npt.NDArray[Any], int, int]:
        key, block = item
        # the bytes of joined texts: one conversion a block, while the other threads wait for Python
        return key, tokenizer.encode_stories(block).astype(dtype), len(block), len("".join(block).encode())

    with ExitStack() as opened:
        writers: dict[Key, _Writer] = {}
        for key, path in paths.items():
            journal, width = path.with_suffix(".json"), np.dtype(dtype).itemsize
            done = _whole(path, journal, width)
            file = opened.enter_context(open(path, "r+b" if path.exists() else "wb"))
            writers[key] = _Writer(file, journal, done, width)
        kept = {key: writer.done.stories for key, writer in writers.items()}
        told = time.monotonic()
        for key, ids, block_stories, block_bytes in _in_threads(encode, _blocks(_after(kept, stories))):
            writers[key].write(ids, block_stories, block_bytes)
            if time.monotonic() - told >= JOURNAL_INTERVAL:
                for writer in writers.values():
                    writer.tell()
                told = time.monotonic()
        for writer in writers.values():
            writer.tell()
        return {key: writer.done for key, writer in writers.items()}


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


def _after(kept: dict[Key, int], stories: Iterable[tuple[Key, str]]) -> Iterator[tuple[Key, str]]:
    """The stories without the first ones of each key, which its file holds already."""
    left = dict(kept)
    for key, story in stories:
        if left[key]:
            left[key] -= 1
        else:
            yield key, story


def _blocks(stories: Iterable[tuple[Key, str]]) -> Iterator[tuple[Key, list[str]]]:
    """Stories of one key each, in its order."""
    blocks: dict[Key, list[str]] = {}
    characters: dict[Key, int] = {}
    for key, story in stories:
        blocks.setdefault(key, []).append(story)
        characters[key] = characters.get(key, 0) + len(story)
        if characters[key] >= BLOCK:
            yield key, blocks.pop(key)
            del characters[key]
    yield from blocks.items()


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
