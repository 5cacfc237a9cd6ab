"""Exports never overwrite, and leave nothing half-done."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm_engine import answer

from engine.commands.export_ import export
from engine.contract.errors import UserError
from engine.contract.export_formats import EXPORT_FORMATS
from engine.interop.output import new_file, new_folder
from engine.runs.run import Run


@pytest.mark.parametrize("format", EXPORT_FORMATS)
@pytest.mark.parametrize("what", ["folder", "empty folder", "file", "broken link"])
def test_what_stands_there_is_never_touched(
    make_run: Callable[..., Run], tmp_path: Path, format: Any, what: str
) -> None:
    place = tmp_path / "there"
    if what == "file":
        place.write_text("mine")
    elif what == "broken link":
        place.symlink_to("nowhere")
    else:
        place.mkdir()
        if what == "folder":
            (place / "mine").write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*") if "runs" not in path.parts)
    with pytest.raises(UserError, match="already exists, and an export overwrites nothing"):
        export(make_run(), "best", format, place)
    assert sorted(path.name for path in tmp_path.rglob("*") if "runs" not in path.parts) == before
    assert place.is_symlink() or not place.is_file() or place.read_text() == "mine"


@pytest.mark.parametrize("new", [new_file, new_folder])
def test_what_fails_in_the_middle_leaves_nothing(tmp_path: Path, new: Any) -> None:
    with pytest.raises(RuntimeError), new(tmp_path / "a" / "b") as place:
        if not place.is_dir():
            place.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [], "the folder that was made for it is gone too"


@pytest.mark.parametrize("new", ["new_file", "new_folder"])
def test_what_a_killed_export_left_is_removed_by_the_next_one_there(tmp_path: Path, new: str) -> None:
    script = f"""
import os, signal, sys
from pathlib import Path
from engine.interop.output import {new}
with {new}(Path(sys.argv[1])) as place:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with new_folder(tmp_path / "slow") as slow:  # another one, which is alive
        killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")])
        assert killed.returncode == -signal.SIGKILL
        assert len(list(tmp_path.glob(".out*"))) == 1
        with new_file(tmp_path / "other") as place:
            place.write_text("whole")
        assert list(tmp_path.glob(".out*")) == []
        (slow / "file").write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "slow"]


def test_what_came_to_stand_there_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already exists"), new_file(tmp_path / "out") as place:
        place.write_text("ours")
        (tmp_path / "out").write_text("theirs")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out"]
    assert (tmp_path / "out").read_text() == "theirs"


@pytest.mark.parametrize("format", [name for name, row in EXPORT_FORMATS.items() if row.content == "weights"])
def test_a_disk_that_is_too_small_is_told_in_words(make_run: Callable[..., Run], tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    small = {resource.RLIMIT_FSIZE: 50_000}
    done = answer("export", str(make_run().path), "--format", format, "--output", str(out), limits=small)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"{out}: cannot be written: ") and "Traceback" not in done.stderr
    assert "enforce" not in done.stderr, "torch's words tell of the inside of its file format"
    assert list(tmp_path.glob("*out*")) == list(tmp_path.glob(".out*")) == []


def test_a_place_that_cannot_be_written_is_told_in_a_line(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run()
    script = 'mount -t tmpfs -o ro tmpfs "$0" && "${@:1}"'
    place = tmp_path / "readonly"
    place.mkdir()
    as_root = ["unshare", "--map-root-user", "--mount", "bash", "-c", script, str(place)]
    if subprocess.run([*as_root, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a disk")
    for output, format in (("folder", "huggingface"), ("file.csv", "csv")):
        command = [sys.executable, "-m", "engine", "export", str(run.path), "--format", format]
        done = subprocess.run([*as_root, *command, "--output", str(place / output)], capture_output=True, text=True)
        assert done.stderr == f"{place / output}: cannot be written: Read-only file system\n"
        assert done.returncode == 2
