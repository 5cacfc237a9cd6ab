"""Telling stories: which run's checkpoint is used, and what is said where that cannot be."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from support import engine

from engine.contract.events import EndReason, RunEnded, RunStarted
from engine.contract.run import Run

Program = Callable[..., "subprocess.CompletedProcess[str]"]
NewRun = Callable[..., Run]

STARTED = RunStarted(pid=1, host="here")


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_an_older_run_that_has_a_checkpoint_is_used_and_named(program: Program, new_run: NewRun, command: str) -> None:
    older = new_run([STARTED, RunEnded("finished")])
    (older.checkpoints / "best").mkdir(parents=True)
    assert "newest" not in program(command, "tiny").stderr
    newest = new_run([STARTED, RunEnded("failed", error="why")])
    said = program(command, "tiny").stderr
    assert f"{newest} has no best checkpoint: it failed; this is of {older}, the newest run that has one\n" in said
    assert f"checkpoint {older.checkpoints / 'best'} is damaged: config.json is missing" in said
    by_id = program(command, newest.id)
    assert by_id.returncode == 2 and "this is of" not in by_id.stderr


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("finished", "it has finished; slm-tui run tiny starts a new one"),
        ("failed", "it failed; slm-tui run tiny starts a new one"),
        ("diverged", "it diverged; slm-tui run tiny starts a new one"),
        ("stopped", "it was stopped; slm-tui run tiny --resume ID goes on with it"),
        (None, "it is lost; slm-tui run tiny --resume ID goes on with it"),
    ],
)
def test_where_there_is_no_checkpoint_the_way_to_one_is_told(
    program: Program, new_run: NewRun, reason: EndReason | None, said: str
) -> None:
    run = new_run([STARTED, *([RunEnded(reason)] if reason else [])])
    result = program("generate", "tiny")
    wanted = f"slm-tui: {run} has no best checkpoint: {said.replace('ID', run.id)}\n"
    assert (result.returncode, result.stderr, result.stdout) == (2, wanted, "")


def test_a_run_with_the_other_checkpoint_only_is_said_to_have_it(program: Program, new_run: NewRun) -> None:
    run = new_run([STARTED, RunEnded("stopped")])
    (run.checkpoints / "last").mkdir(parents=True)
    assert (
        "has no best checkpoint: it was stopped; --checkpoint last takes its last one"
        in program("generate", "tiny").stderr
    )


def test_a_story_that_breaks_off_ends_its_line(program: Program, new_run: NewRun) -> None:
    run = new_run()
    assert engine(run) == 0, run.log.read_text()
    weights = run.checkpoints / "best" / "model.safetensors"
    content = weights.read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    weights.write_bytes(content[:data] + b"\xff" * (len(content) - data))  # nothing but NaN
    result = program("generate", "tiny", "--prompt", "Once upon")
    assert result.returncode == 1
    assert result.stdout == "Once upon\n"
