"""One process at a time makes a thing; the others say that they wait for it, and find it made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from engine.contract.events import Emit, Prepare


@contextmanager
def locked(path: Path, waiting: str, emit: Emit) -> Iterator[None]:
    """Hold the lock at `path`; `waiting` is the phase that is told while another process holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        emit(Prepare(phase=waiting, done=0))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
