"""Prepares an experiment's data: stories become `train.bin` and `val.bin`, flat files of token ids.

    slm-tui prepare NAME

data/NAME-HASH/    HASH is over everything that shaped the tokens, so experiments alike in that share one
    train.bin val.bin   uint16 or uint32, end-of-text after every story
    tokenizer/          trained on the training split only
    manifest.json       written last
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy.typing as npt
from filelock import FileLock, Timeout

from engine.contract.errors import UserError
from engine.contract.events import Emit, Prepare, Warning
from engine.contract.experiment import Experiment
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.contract.files import replaced_directory
from engine.contract.workspace import Workspace
from engine.data.locate import DISK_FULL
from engine.data.progress import Progress
from engine.data.sources import Source, Splits, open_source
from engine.data.tokenizers import TRAINING_CHARACTERS, Tokenizer, gpt2, train_byte_bpe

FORMAT = 1  # goes up when the same texts and tables would give other files
BLOCK = 500_000  # characters that one thread tokenizes at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


class SplitManifest(msgspec.Struct, frozen=True):
    """What one .bin file holds. Bits per byte = loss in nats × tokens / (bytes × ln 2)."""

    stories: int
    tokens: int  # end-of-text tokens included
    bytes: int  # UTF-8 of the original text, without end-of-text


class Manifest(msgspec.Struct, frozen=True):
    """manifest.json: what the prepared data is, and what it was made of."""

    key: dict[str, Any]  # everything that shaped the data; the directory's HASH is its hash
    vocab_size: int
    dtype: Literal["uint16", "uint32"]
    train: SplitManifest
    val: SplitManifest
    warnings: list[str]
    created: str  # ISO 8601, UTC


@dataclass(frozen=True)
class PreparedData:
    """A directory of prepared data."""

    directory: Path
    manifest: Manifest
    cached: bool = True  # found, not made

    @property
    def train(self) -> Path:
        return self.directory / "train.bin"

    @property
    def val(self) -> Path:
        return self.directory / "val.bin"

    def tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self.directory / "tokenizer")

    @classmethod
    def load(cls, directory: Path) -> PreparedData:
        """The prepared data in `directory`.

        Raises:
            UserError: it is not there whole.
        """
        try:
            manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)
            prepared = cls(directory, manifest)
            width = 2 if manifest.dtype == "uint16" else 4
            for path, split in ((prepared.train, manifest.train), (prepared.val, manifest.val)):
                if path.stat().st_size != split.tokens * width:
                    raise UserError(f"{path}: is damaged: wants {split.tokens * width:,} bytes; delete {directory}")
        except (OSError, msgspec.MsgspecError) as error:
            raise UserError(f"{directory}: is no whole prepared data: {error}; delete it") from None
        return prepared


def prepare(name: str, experiment: Experiment, workspace: Workspace, mirror: Path | None, emit: Emit) -> PreparedData:
    """The data of the experiment `name`, from an earlier preparation if there is one alike, or else made now.

    A second preparation of the same data waits for the first. Memory stays bounded whatever the corpus' size,
    but for some 20 bytes a row while the split is made.

    Raises:
        UserError: the data cannot be found, read or written, or is too small.
    """
    with _write_errors_explained(workspace):
        source = open_source(experiment.data, workspace, mirror, emit)
        key = _key(source, experiment)
        digest = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=6).hexdigest()
        workspace.data.mkdir(parents=True, exist_ok=True)
        with _locked(workspace.data / f".{digest}.lock", emit):
            prepared = _find(workspace, digest)
            if prepared is None:
                directory = workspace.data / f"{name}-{digest}"
                with replaced_directory(directory) as new:
                    splits = source.divide(emit)
                    tokenizer, warnings = _make_tokenizer(experiment.tokenizer, splits, workspace, mirror, emit)
                    _write(new, key, splits, tokenizer, warnings, emit)
                prepared = replace(PreparedData.load(directory), cached=False)
    for message in prepared.manifest.warnings:
        emit(Warning(message=message))
    return prepared


def _key(source: Source, experiment: Experiment) -> dict[str, Any]:
    """Everything that shapes the tokens."""
    data = experiment.data
    split = {"val_fraction": data.val_fraction, "split_seed": data.split_seed} if source.val_rows is None else {}
    return {
        "format": FORMAT,
        "source": source.fingerprint,
        "fraction": data.fraction,
        **split,
        "tokenizer": msgspec.to_builtins(experiment.tokenizer),
    }


def _find(workspace: Workspace, digest: str) -> PreparedData | None:
    """The data of that hash, whoever prepared it. Removes what a killed preparation left. Wants the lock."""
    for killed in workspace.data.glob(f".*-{digest}.new"):
        shutil.rmtree(killed)
    for directory in sorted(workspace.data.glob(f"*-{digest}")):
        with suppress(UserError):  # damaged by hand: made anew
            return PreparedData.load(directory)
    return None


def _make_tokenizer(
    table: TokenizerTable, splits: Splits, workspace: Workspace, mirror: Path | None, emit: Emit
) -> tuple[Tokenizer, list[str]]:
    """The tokenizer that `[tokenizer]` wants, and what its user should know of it."""
    if table.kind == "gpt2":
        return gpt2(workspace.data / "downloads" / "tiktoken", mirror), []
    if table.kind != "byte_bpe" or table.vocab_size is None:
        raise UserError(f'tokenizer.kind = "{table.kind}": cannot be prepared; wants "gpt2" or "byte_bpe"')
    progress = Progress(emit, "train tokenizer", splits.train_count)
    step = math.ceil(splits.train_characters / TRAINING_CHARACTERS)  # from all over the split, not its first files
    stories = itertools.islice(progress.of(splits.train()), None, None, max(1, step))
    tokenizer = train_byte_bpe(stories, table.vocab_size, table.min_frequency)
    progress.finish()
    if tokenizer.vocab_size == table.vocab_size:
        return tokenizer, []
    return tokenizer, [
        f"tokenizer.vocab_size = {table.vocab_size:,}: the training stories give only {tokenizer.vocab_size:,} "
        f"entries at min_frequency = {table.min_frequency}; the model gets that many"
    ]


def _write(
    new: Path, key: dict[str, Any], splits: Splits, tokenizer: Tokenizer, warnings: list[str], emit: Emit
) -> None:
    """Fill the directory `new`."""
    dtype: Literal["uint16", "uint32"] = "uint16" if tokenizer.vocab_size <= 2**16 else "uint32"
    tokenizer.save(new / "tokenizer")
    progress = Progress(emit, "tokenize train", splits.train_count)
    train = _write_tokens(new / "train.bin", progress.of(splits.train()), tokenizer, dtype)
    if not train.stories:
        why = f": all {splits.repeated:,} are validation stories too" if splits.repeated else ""
        raise UserError(f"data: the training split holds no story{why}")
    progress.finish()
    progress = Progress(emit, "tokenize validation", splits.val_count)
    val = _write_tokens(new / "val.bin", progress.of(splits.validation()), tokenizer, dtype)
    progress.finish()
    if splits.repeated:
        warnings = [*warnings, f"{splits.repeated:,} training stories left out: the validation split holds the same"]
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    manifest = Manifest(key, tokenizer.vocab_size, dtype, train, val, warnings, created)
    (new / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def _write_tokens(path: Path, stories: Iterable[str], tokenizer: Tokenizer, dtype: str) -> SplitManifest:
    """Tokenize on every core, a bounded number of blocks at a time."""

    def encode(block: list[str]) -> tuple[npt.NDArray[Any], int, int]:
        return tokenizer.encode_stories(block).astype(dtype), len(block), sum(len(s.encode()) for s in block)

    story_count = token_count = byte_count = 0
    with open(path, "wb") as file:
        for ids, block_stories, block_bytes in _in_threads(encode, _blocks(stories)):
            file.write(ids.data)
            story_count += block_stories
            token_count += len(ids)
            byte_count += block_bytes
    return SplitManifest(story_count, token_count, byte_count)


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
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _locked(path: Path, emit: Emit) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        emit(Prepare(phase="wait for another preparation of the same data", done=0))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _write_errors_explained(workspace: Workspace) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            place = workspace.data if workspace.data.is_dir() else workspace.root
            free = shutil.disk_usage(place).free / 2**20  # what was half-written is gone again
            raise UserError(
                f"the disk is full: the data does not fit into the {free:,.0f} MB free at {place}"
            ) from None
        if error.errno in (errno.EACCES, errno.EROFS):
            raise UserError(f"{error.filename or workspace.data}: cannot be written: {error.strerror}") from None
        raise
