"""Hashes of files are remembered while the files do not change, and only then."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.data import content_hashes as module
from engine.data.content_hashes import ContentHashes, HashedFile
from engine.runs.workspace import Workspace

CONTENT = bytes(range(256)) * 40


def hash_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def hashes(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> ContentHashes:
    """That remember a file just written as if it had been written long ago."""
    monkeypatch.setattr(module, "SETTLED", -(10**12))
    return ContentHashes(Workspace(tmp_path))


def later(tmp_path: Path) -> ContentHashes:
    """What the next start knows."""
    return ContentHashes(Workspace(tmp_path))


def test_a_hash_is_known_to_the_next_start(tmp_path: Path, path: Path, hashes: ContentHashes) -> None:
    assert hashes.known(path) is None
    assert hashes.of(path) == hash_of(CONTENT)
    assert later(tmp_path).known(path) is None, "not saved yet"
    hashes.save()
    assert later(tmp_path).known(path) == hash_of(CONTENT)
    path.chmod(0o200)
    assert later(tmp_path).known(path) is None, "its inode has changed, so it may have been written to"


def test_an_edit_that_keeps_size_and_mtime_is_noticed(tmp_path: Path, path: Path, hashes: ContentHashes) -> None:
    hashes.of(path)
    hashes.save()
    status = path.stat()
    while path.stat().st_ctime_ns == status.st_ctime_ns:  # until the file system's clock has ticked
        path.write_bytes(CONTENT[::-1])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert later(tmp_path).known(path) is None
    assert later(tmp_path).of(path) == hash_of(CONTENT[::-1])


def test_a_file_that_changed_shortly_before_is_hashed_again(tmp_path: Path, path: Path) -> None:
    """Another change within the same tick of the clock could not be told from it."""
    hashes = ContentHashes(Workspace(tmp_path))
    os.utime(path, (0, 0))  # an mtime of long ago does not help: when that was set is the ctime
    assert hashes.of(path) == hash_of(CONTENT)
    hashes.save()
    assert later(tmp_path).known(path) is None


def test_a_file_put_in_the_place_of_another_is_hashed(tmp_path: Path, path: Path, hashes: ContentHashes) -> None:
    hashes.of(path)
    hashes.save()
    other = tmp_path / "other"
    other.write_bytes(CONTENT[::-1])
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.rename(path)
    assert later(tmp_path).of(path) == hash_of(CONTENT[::-1])


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"format": 99, "files": {}}', b'{"format": 1, "files": {"/a": [1, 2]}}']
)
def test_a_damaged_or_foreign_index_is_ignored_and_written_anew(
    tmp_path: Path, path: Path, hashes: ContentHashes, content: bytes
) -> None:
    hashes.of(path)
    hashes.save()
    index = tmp_path / "data" / ".content-hashes.json"
    index.write_bytes(content)
    again = later(tmp_path)
    assert again.known(path) is None
    assert again.of(path) == hash_of(CONTENT)
    again.save()
    assert later(tmp_path).known(path) == hash_of(CONTENT)


def test_two_starts_keep_what_the_other_has_hashed_and_forget_what_is_gone(
    tmp_path: Path, path: Path, hashes: ContentHashes
) -> None:
    paths = [path, tmp_path / "b", tmp_path / "c"]
    for other in paths[1:]:
        other.write_bytes(b"abc")
    second = later(tmp_path)
    hashes.of(paths[0])
    hashes.of(paths[1])
    second.of(paths[2])
    hashes.save()
    paths[1].unlink()
    second.save()
    assert [later(tmp_path).known(path) for path in (paths[0], paths[2])] == [hash_of(CONTENT), hash_of(b"abc")]
    assert str(paths[1]) not in (tmp_path / "data" / ".content-hashes.json").read_text()


def test_an_index_that_cannot_be_written_is_done_without(tmp_path: Path, path: Path, hashes: ContentHashes) -> None:
    (tmp_path / "data").write_text("not a folder")
    assert hashes.of(path) == hash_of(CONTENT)
    hashes.save()
    assert later(tmp_path).known(path) is None


def test_a_file_that_changes_while_it_is_read_is_a_user_error(path: Path, hashes: ContentHashes) -> None:
    with pytest.raises(UserError, match=r"a\.csv: changed while it was read"), hashes.reading(path):
        path.write_bytes(CONTENT + b"more")
    assert hashes.known(path) is None


@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_whatever_is_read_of_a_file_and_in_whatever_order_its_hash_is_of_all(
    path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    for reads in ([], [(0, 100)], [(0, 100), (50, 200)], [(5000, 10), (100, 7000)], [(10_000, 9000), (0, 20_000)]):
        with open(path, "rb", buffering=0) as file:
            hashed = HashedFile(file)
            for start, count in reads:
                hashed.seek(start)
                assert hashed.read(count) == CONTENT[start : start + count]
            hashed.close()
            assert hashed.content_hash() == hash_of(CONTENT), reads
