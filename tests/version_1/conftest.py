"""The workspace that version 0.1.0 has left, copied for each test, and the program that reads it.

workspace/      experiments, data, and a run in every state
exports/        what the run `finished` was exported to
settings.toml   what the dashboard remembered
expected.json   what version 0.1.0 itself made of the runs: resumed, evaluated, generating greedily
make.py         how they were made; they are never made again
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.runs.run import Run
from engine.runs.workspace import Workspace

HERE = Path(__file__).parent
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the workspace, with its own place for `/version-1/workspace` in its files; the current folder."""
    root = tmp_path / "workspace"
    shutil.copytree(HERE / "workspace", root)
    for path in root.glob("runs/*/*"):
        for file in (path / "metrics.jsonl", path / "run.json"):
            if file.is_file():
                file.write_bytes(file.read_bytes().replace(b"/version-1/workspace", os.fsencode(root)))
        os.utime(path, (1.8e9, 1.8e9))  # as after a checkout of long ago: a run that was just made is queued
    monkeypatch.chdir(root)
    return Workspace(root)


@pytest.fixture
def run_of(workspace: Workspace) -> Callable[[str], Run]:
    """The only run of an experiment."""
    return workspace.find_run


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """What version 0.1.0 made of the runs."""
    return json.loads((HERE / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture
def program(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Program:
    """Calls `slm-tui ARGUMENTS` in this process, in the workspace."""
    from slm_tui.__main__ import main

    def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        monkeypatch.setattr(sys, "argv", ["slm-tui", *arguments])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        said = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)

    return call
