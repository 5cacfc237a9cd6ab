"""Workspaces with runs in them, made of real events; the program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.contract.events import Event, EventWriter
from engine.contract.run import Run
from engine.contract.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def workspace(tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with the experiment `tiny`, which is the current folder too."""
    root = tmp_path / "workspace"
    (root / "experiments").mkdir(parents=True)
    (root / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    monkeypatch.chdir(root)
    return Workspace(root)


@pytest.fixture
def new_run(workspace: Workspace, tiny: str) -> Callable[..., Run]:
    """Makes a run of `tiny` with these events in it."""

    def make(events: Sequence[Event] = ()) -> Run:
        run = workspace.new_run("tiny")
        run.experiment_file.write_text(tiny, encoding="utf-8")
        writer = EventWriter(run.metrics)
        for event in events:
            writer(event)
        writer.close()
        return run

    return make


@pytest.fixture
def program(workspace: Workspace) -> Program:
    """Runs `slm-tui ARGUMENTS` in the workspace and returns what came of it."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "slm_tui", *arguments],
            cwd=workspace.root,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return call
