"""Writes an export or an import to a new path: completely, or not at all.

.NAME.PID.new/    beside NAME while it is written: a lock, and what will become NAME
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from engine.contract.errors import UserError
from engine.runs.run import Run

if TYPE_CHECKING:
    from engine.checkpoints.write import CheckpointInfo
    from engine.data.tokenizers.tokenizer import Tokenizer
    from engine.model.gpt import GPT

_LOCK = "slm-tui.lock"


@dataclass(frozen=True)
class TrainedModel:
    """What a writer of weights is given: one of a run's checkpoints, on the CPU."""

    run: Run
    model: GPT
    info: CheckpointInfo
    tokenizer: Tokenizer


def check_free(path: Path) -> None:
    """Check that nothing exists at `path`.

    Raises:
        UserError: something exists there.
    """
    if os.path.lexists(path):
        what = "folder" if path.is_dir() else "file"
        raise UserError(f"{path}: this {what} already exists, and an export overwrites nothing; choose another path")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path` if the block ends well; parents are made.

    Raises:
        UserError: `path` exists already, or it cannot be written.
    """
    with _beside(path) as temporary:
        temporary.mkdir()
        yield temporary


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """The name of a file to write, which becomes `path` if the block ends well; parents are made.

    Raises:
        UserError: `path` exists already, or it cannot be written.
    """
    with _beside(path) as temporary:
        yield temporary


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A path in a temporary folder beside `path`; renamed to `path` at the block's end."""
    check_free(path)
    missing = list(takewhile(lambda folder: not folder.exists(), path.parents))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_overs(path.parent)
        with _own_folder(path.with_name(f".{path.name}.{os.getpid()}.new")) as folder:
            yield folder / path.name
            check_free(path)
            (folder / path.name).rename(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        for folder in missing:
            with suppress(OSError):  # it holds something
                folder.rmdir()


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """A new folder, locked for the block and removed after it."""
    folder.mkdir()
    try:
        with FileLock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_overs(parent: Path) -> None:
    """Remove what killed processes have left in `parent`: their locks are free."""
    for left in parent.glob(f".*.new/{_LOCK}"):
        with suppress(OSError, Timeout), FileLock(left, timeout=0):
            shutil.rmtree(left.parent, ignore_errors=True)
