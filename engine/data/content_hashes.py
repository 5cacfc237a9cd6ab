"""Content hashes of files, remembered in the workspace, so that a file that has not changed is hashed once.

    data/.content-hashes.json

A hash is trusted while the file at its path has the size, the times of its last change (mtime and ctime) and the inode
that it had when it was hashed. Writing to a file sets its ctime, and no program can set that back: an edit that keeps
size and mtime is seen too. A clock ticks, though: of two changes within one tick only one is seen. So a file that
changed shortly before it was hashed is not remembered, as git does not trust an index as young as its files. A file
system whose clock is behind this machine's by more than that, and a disk written to below its file system, are not
guarded against. An index that is damaged or of another format is ignored, and written anew.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.errors import UserError
from engine.contract.files import replace_file
from engine.runs.workspace import Workspace

CHUNK = 1 << 20  # bytes hashed at once
SETTLED = 3_000_000_000  # nanoseconds without a change before a hash is remembered; FAT's clock ticks every 2 s
_FORMAT = 1


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file as it was when it was hashed."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    content_hash: str

    @classmethod
    def of(cls, status: os.stat_result, content_hash: str = "") -> _Entry:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, content_hash)


class _Index(msgspec.Struct, frozen=True):
    format: int
    files: dict[str, _Entry]  # by absolute path


class ContentHashes:
    """The hashes of files' bytes: BLAKE2b of 16 bytes, as hex digits."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.data / ".content-hashes.json"
        self._entries = self._read()
        self._new: dict[str, _Entry] = {}  # that `save` writes

    def of(self, path: Path) -> str:
        """The hash of the file at `path`, which is read where its hash is not known.

        Raises:
            OSError: the file cannot be read.
            UserError: it changed meanwhile.
        """
        known = self.known(path)
        if known is None:
            with self.reading(path):
                pass
            known = self._entries[os.path.abspath(path)].content_hash
        return known

    def known(self, path: Path) -> str | None:
        """The hash of the file at `path`, where it is known without reading it.

        Raises:
            OSError: the file is not there.
        """
        entry = self._entries.get(os.path.abspath(path))
        return entry.content_hash if entry == _Entry.of(os.stat(path), entry.content_hash if entry else "") else None

    @contextmanager
    def reading(self, path: Path) -> Iterator[HashedFile]:
        """The file at `path`, to be read; its hash is known afterwards, whatever was read of it.

        Raises:
            OSError: the file cannot be read.
            UserError: it changed meanwhile.
        """
        begun = time.time_ns()
        with open(path, "rb", buffering=0) as file:
            before = _Entry.of(os.fstat(file.fileno()))
            hashed = HashedFile(file)
            yield hashed
            content_hash = hashed.content_hash()
            after = os.fstat(file.fileno())
        if _Entry.of(after) != before:
            raise UserError(f"{path}: changed while it was read; start again once it is complete")
        entry = _Entry.of(after, content_hash)
        self._entries[os.path.abspath(path)] = entry
        if max(entry.mtime_ns, entry.ctime_ns) + SETTLED < begun:
            self._new[os.path.abspath(path)] = entry

    def save(self) -> None:
        """Remember what was hashed. Where that cannot be written, the next start hashes again."""
        if not self._new:
            return
        there = {path: entry for path, entry in self._read().items() if os.path.exists(path)}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, msgspec.json.encode(_Index(_FORMAT, {**there, **self._new})))
            self._new = {}

    def _read(self) -> dict[str, _Entry]:
        """What is on disk; another process may have written it since."""
        with suppress(OSError, ValueError):  # msgspec's errors are ValueErrors, and so is text that is not UTF-8
            index = msgspec.json.decode(self._path.read_bytes(), type=_Index)
            if index.format == _FORMAT:
                return index.files
        return {}


class HashedFile(io.RawIOBase):
    """A file whose bytes are hashed in their order as they are read, and what is skipped is read for its hash alone.

    Closing it leaves `file` open, which `content_hash` reads to its end.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self._content = hashlib.blake2b(digest_size=16)
        self._hashed = 0  # bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        start = self._file.tell()
        if start > self._hashed:
            self._hash_to(start)
        count = self._file.readinto(buffer) or 0
        if start + count > self._hashed:
            self._content.update(memoryview(buffer).cast("B")[self._hashed - start : count])
            self._hashed = start + count
        return count

    def content_hash(self) -> str:
        """The hash of the whole file."""
        self._hash_to(None)
        return self._content.hexdigest()

    def _hash_to(self, end: int | None) -> None:
        """Hash the bytes up to `end`, or the file's, and stand there."""
        self._file.seek(self._hashed)
        while chunk := self._file.read(CHUNK if end is None else min(CHUNK, end - self._hashed)):
            self._content.update(chunk)
            self._hashed += len(chunk)
