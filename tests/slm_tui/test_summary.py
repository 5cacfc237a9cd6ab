"""What a run says at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from support import engine

from engine.contract.events import EndReason, RunEnded, RunStarted
from engine.runs.run import Run
from slm_tui.facts import run_facts
from slm_tui.summary import next_commands

NewRun = Callable[..., Run]


def ended(new_run: NewRun, reason: EndReason, *kinds: Literal["best", "last"], error: str | None = None) -> Run:
    run = new_run([RunStarted(pid=1, host="here"), RunEnded(reason, error=error)])
    for kind in kinds:
        (run.checkpoints / kind).mkdir(parents=True)
    return run


@pytest.mark.parametrize(
    ("reason", "kinds", "wanted"),
    [
        ("finished", ("best", "last"), ["slm-tui generate tiny --prompt Once"]),
        ("stopped", ("last",), ["slm-tui run tiny --resume ID"]),
        ("stopped", (), ["slm-tui run tiny --resume ID"]),
        ("failed", ("best", "last"), ["slm-tui generate tiny --prompt Once", "slm-tui run tiny --resume ID"]),
        ("failed", (), []),
    ],
)
def test_the_next_step_fits_the_end(
    new_run: NewRun, reason: EndReason, kinds: tuple[Literal["best", "last"], ...], wanted: list[str]
) -> None:
    run = ended(new_run, reason, *kinds)
    assert next_commands(run, run_facts(run)) == [command.replace("ID", run.id) for command in wanted]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("last", ["slm-tui generate tiny --prompt Once", "slm-tui run tiny"]),
        ("best", ["slm-tui generate tiny --checkpoint last --prompt Once", "slm-tui run tiny --resume ID"]),
    ],
)
def test_a_checkpoint_that_a_real_engine_calls_damaged_is_not_suggested(
    new_run: NewRun, kind: str, wanted: list[str]
) -> None:
    run = new_run()
    assert engine(run) == 0, run.log.read_text()
    weights = run.checkpoints / kind / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert engine(run, "--resume") == 1  # all steps are made: it loads `last`, then tells stories from `best`
    facts = run_facts(run)
    assert f"{kind} is damaged: model.safetensors cannot be read; " in (facts.error or "")
    assert next_commands(run, facts) == [command.replace("ID", run.id) for command in wanted]
