"""The real program in a real pseudo-terminal, or with pipes, in a workspace that a module's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest
from terminals import PROGRAM, Terminal

from engine.runs.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Workspace:
    """Made by `slm-tui init`, with the experiment `tiny` beside the shipped ones."""
    root = tmp_path_factory.mktemp("workspace")
    subprocess.run([PROGRAM, "init", root], check=True, capture_output=True)
    (root / "experiments" / "tiny.toml").write_text(tiny, encoding="utf-8")
    return Workspace(root)


@pytest.fixture
def program(workspace: Workspace) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `slm-tui ARGUMENTS` in the workspace, without a terminal."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=workspace.root,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return call


@pytest.fixture
def terminal(workspace: Workspace) -> Iterator[Callable[..., Terminal]]:
    """Opens terminals that run `slm-tui ARGUMENTS` in the workspace."""
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(workspace.root, arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
