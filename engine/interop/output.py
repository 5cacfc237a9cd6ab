"""Where an export goes: to a place that was free, whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from engine.contract.errors import UserError


def check_free(path: Path) -> None:
    """Nothing stands at `path`.

    Raises:
        UserError: something does.
    """
    if os.path.lexists(path):
        what = "folder" if path.is_dir() else "file"
        raise UserError(f"{path}: this {what} exists already, and an export overwrites nothing; name another one")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `path` if the block ends well; parents are made.

    Raises:
        UserError: something stands at `path`, or it cannot be written.
    """
    with _beside(path) as temporary:
        temporary.mkdir()
        yield temporary


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """The name of a file to write, which becomes `path` if the block ends well; parents are made.

    Raises:
        UserError: something stands at `path`, or it cannot be written.
    """
    with _beside(path) as temporary:
        yield temporary


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    check_free(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        check_free(path)
        temporary.rename(path)
    except (OSError, SafetensorError) as error:
        # a library that writes for us has words of its own for a full disk
        reason = getattr(error, "strerror", None) or f"{error}; is the disk full?"
        raise UserError(f"{path}: cannot be written: {reason}") from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # where nothing can be written, nothing is to be removed
                temporary.unlink()
