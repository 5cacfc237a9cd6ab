"""Editing an experiment from the command line, with an editor that is a small script."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]

REPLACES = (
    "import pathlib, sys; file = pathlib.Path(sys.argv[3]); file.write_text(file.read_text().replace(*sys.argv[1:3]))"
)
WAITS = """
import signal, sys
signal.signal(signal.SIGINT, lambda *_: print("not yet", flush=True))
print("open", flush=True)
sys.exit(int(input()))
"""


def editor(script: str, *arguments: str) -> str:
    """A command for $EDITOR."""
    return shlex.join([sys.executable, "-c", script, *arguments])


def test_a_file_that_is_right_afterwards_is_ok(program: Program, workspace: Workspace) -> None:
    said = program("edit", "tiny", EDITOR=editor(REPLACES, "max_steps = 24", "max_steps = 48"), VISUAL="")
    assert (said.returncode, said.stdout, said.stderr) == (0, "experiments/tiny.toml: ok\n", "")
    assert "max_steps = 48" in workspace.experiment_file("tiny").read_text(encoding="utf-8")


def test_what_is_wrong_afterwards_is_told_as_by_validate(program: Program, workspace: Workspace) -> None:
    said = program("edit", "tiny.toml", EDITOR=editor(REPLACES, "n_head", "n_heads"), VISUAL="")
    line = workspace.experiment_file("tiny").read_text(encoding="utf-8").split("n_heads")[0].count("\n") + 1
    assert f"experiments/tiny.toml:{line}: model.n_heads" in said.stdout and 'did you mean "n_head"?' in said.stdout
    assert (said.returncode, said.stdout) == (2, program("validate", "tiny").stdout)


def test_an_experiment_of_another_workspace_is_found(program: Program, workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "other" / "experiments").mkdir(parents=True)
    workspace.experiment_file("tiny").rename(tmp_path / "other" / "experiments" / "far.toml")
    said = program("--workspace", str(tmp_path / "other"), "edit", "far", EDITOR="true", VISUAL="")
    assert said.returncode == 0 and said.stdout.endswith("far.toml: ok\n")


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        ("tinny", "true", "did you mean tiny?"),
        ("tiny", "no-such-editor", "the editor no-such-editor cannot be started"),
        ("tiny", "false", "the editor false ended with exit code 1"),
    ],
)
def test_why_nothing_was_edited_is_told(program: Program, name: str, command: str, said: str) -> None:
    result = program("edit", name, EDITOR=command, VISUAL="")
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and "Traceback" not in result.stderr


def test_ctrl_c_is_the_editors(workspace: Workspace) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "slm_tui", "edit", "tiny"],
        cwd=str(workspace.root),
        env={**os.environ, "EDITOR": editor(WAITS), "VISUAL": ""},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("open")
    child.sendintr()
    child.expect("not yet")
    child.sendline("0")
    child.expect(r"tiny\.toml: ok")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
