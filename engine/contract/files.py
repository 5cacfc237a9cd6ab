"""Files and directories are replaced, not rewritten: a reader, or the next start, sees the old one or the new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that it is there whole or not at all, also after a power cut.

    Raises:
        OSError: it could not be written; what stood at `path` stands there still.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None  # the caller does not know the temporary name
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory to fill; it takes the place of `path` if the block ends well.

    What stood at `path` is set aside for an instant between two renames; `settled_directory` finds it even if
    the process dies in that instant.

    Raises:
        OSError: it could not be written; what stood at `path` stands there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    settled_directory(path)
    new, old = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        for file in new.rglob("*"):
            _sync(file)
        _sync(new)
    except BaseException:  # Ctrl-C too: nothing incomplete may be found
        shutil.rmtree(new, ignore_errors=True)
        raise
    if path.exists():
        path.rename(old)
    new.rename(path)
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def settled_directory(path: Path) -> Path:
    """`path`, put back first if a process died while it was replacing it. For the directory's owner only."""
    old = path.with_name(f".{path.name}.old")
    if old.exists():
        if path.exists():
            shutil.rmtree(old)
        else:
            old.rename(path)
    return path


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
