"""Workspaces with runs in them, made of real events; the program in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import engine

from engine.contract.events import Event, EventWriter
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run
from engine.runs.workspace import Workspace

BRIEFLY = ("train.max_steps=20", "train.warmup_steps=2", "sampling.max_new_tokens=12", 'sampling.prompts=["Once"]')
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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """A workspace with a run of `tiny` that has been trained for a moment; to be copied."""
    root = tmp_path_factory.mktemp("trained")
    (root / "experiments").mkdir()
    text = apply_overrides(tiny, BRIEFLY)
    (root / "experiments" / "tiny.toml").write_text(text, encoding="utf-8")
    run = Workspace(root).new_run("tiny")
    run.experiment_file.write_text(text, encoding="utf-8")
    assert engine(run) == 0
    return root


@pytest.fixture
def trained_workspace(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a run of `tiny` that can write stories, which is the current folder too."""
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    monkeypatch.chdir(root)
    return Workspace(root)


@pytest.fixture
def warm_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generation processes that this process starts begin with torch imported."""
    from warm_engine import popen

    import slm_tui.generator

    monkeypatch.setattr(slm_tui.generator, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": popen}))


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window and without a word to the network."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium on this machine's PATH")
    offline = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's does not work for root
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=[*offline, *sandbox])
        yield opened
        opened.close()
