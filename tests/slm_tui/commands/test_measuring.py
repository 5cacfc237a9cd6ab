"""`slm-tui prepare`, as a person calls it. `evaluate`: tests/slm_tui/commands/test_exchanging.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]


def test_json_tells_facts_and_nothing_of_how_they_came(program: Program) -> None:
    document = json.loads(program("prepare", "tiny", "--json").stdout)
    assert document["vocab_size"] == 400 and "data/tiny-" in document["directory"]
    assert not {"event", "t", "clock"} & document.keys()


def test_ctrl_c_ends_a_preparation_and_says_what_is_kept(workspace: Workspace) -> None:
    command = [sys.executable, "-m", "slm_tui", "prepare", "tiny", "--set", "data.stories=200_000"]
    with subprocess.Popen(
        command, cwd=workspace.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as preparing:
        assert preparing.stderr is not None
        preparing.stderr.readline()  # its first phase
        os.killpg(preparing.pid, signal.SIGINT)  # as a terminal does: to both processes
        out, said = preparing.communicate()
    assert (preparing.returncode, out) == (130, "")
    last = said.splitlines()[-1]
    assert last == "interrupted: what is done so far is kept, and the same command goes on from there"
    assert "Traceback" not in said
