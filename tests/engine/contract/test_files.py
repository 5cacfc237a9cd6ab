"""Replacing: the old or the new, never half of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.contract.files import replace_file, replaced_directory, settled_directory


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    for content in (b"one", b"", b"two" * 100_000):
        replace_file(tmp_path / "a", content)
        assert tree(tmp_path) == {"a": content}


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a" / "inside").mkdir(parents=True)  # a directory in the way: the rename fails, the writing does not
    with pytest.raises(OSError):
        replace_file(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "inside").is_dir()


WRITE_TOO_MUCH = """
import resource, sys
from pathlib import Path
from engine.contract.files import replace_file
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
replace_file(Path(sys.argv[1]), b"x" * 5000)
"""


def test_a_file_that_cannot_be_written_whole_keeps_the_old(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    failed = subprocess.run(
        [sys.executable, "-c", WRITE_TOO_MUCH, str(tmp_path / "a")], capture_output=True, check=False
    )
    assert b"OSError: [Errno 27]" in failed.stderr  # EFBIG, as ENOSPC would
    assert tree(tmp_path) == {"a": b"old"}


def test_a_directory_is_made_and_replaced(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "best"
    for files in ({"x": b"1", "y": b"1"}, {"x": b"2"}):
        with replaced_directory(target) as new:
            assert list(new.iterdir()) == [], "it begins empty"
            for name, content in files.items():
                (new / name).write_bytes(content)
            (new / "empty").mkdir()
        assert tree(target) == files
        assert [path.name for path in target.parent.iterdir()] == ["best"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_directory(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "best"
    target.mkdir()
    (target / "x").write_bytes(b"old")
    with pytest.raises(failure), replaced_directory(target) as new:
        (new / "x").write_bytes(b"half")
        raise failure
    assert tree(tmp_path) == {"best/x": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


KILLED = """
import os, signal, sys
from pathlib import Path
from engine.contract.files import replaced_directory
target = Path(sys.argv[1])
renamed = 0

def die(event, arguments):  # an audit hook sees each rename before it happens
    global renamed
    if event == "os.rename":
        renamed += 1
        if renamed == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

with replaced_directory(target) as new:
    (new / "x").write_bytes(b"new")
    sys.addaudithook(die)
"""


@pytest.mark.parametrize("rename", [1, 2])
def test_a_kill_at_either_rename_loses_nothing(tmp_path: Path, rename: int) -> None:
    target = tmp_path / "best"
    target.mkdir()
    (target / "x").write_bytes(b"old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(target), str(rename)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert target.exists() == (rename == 1), "between the two renames nothing has the name"
    assert tree(settled_directory(target)) == {"x": b"old"}
    with replaced_directory(target) as new:
        assert list(new.iterdir()) == [], "what the killed process left is gone"
        (new / "x").write_bytes(b"newer")
    assert tree(tmp_path) == {"best/x": b"newer"}
    assert os.listdir(tmp_path) == ["best"]


def test_what_was_set_aside_is_put_back_by_the_next_replacement_too(tmp_path: Path) -> None:
    (tmp_path / ".best.old").mkdir()
    (tmp_path / ".best.old" / "x").write_bytes(b"old")
    with pytest.raises(RuntimeError), replaced_directory(tmp_path / "best"):
        raise RuntimeError
    assert tree(tmp_path) == {"best/x": b"old"}


def test_the_new_one_wins_where_both_stand(tmp_path: Path) -> None:
    for name, content in (("best", b"new"), (".best.old", b"old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(content)
    settled_directory(tmp_path / "best")
    assert tree(tmp_path) == {"best/x": b"new"}


def test_settling_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    assert not settled_directory(tmp_path / "best").exists()
    assert list(tmp_path.iterdir()) == []
