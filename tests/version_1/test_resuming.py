"""Each run that the first version left unfinished goes on, and comes out where the first version itself did."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from warm_engine import answer

from engine.runs.run import Run
from engine.runs.workspace import Workspace

RunOf = Callable[[str], Run]
# How far a loss may be off, relatively; version 0.1.0 itself resumes bit-equal on the CPU that made expected.json.
EXACT = 1e-4  # another order of sums moves the last bits, which eighteen steps multiply
HALF = 2e-3  # and by more where they are rounded to 8 or 11 bits
# At a rate of 2 a step multiplies the last bits by thousands, until an evaluation halves the rate sooner or later:
# what was saved shows in the first steps.
CHAOTIC = {"stopped_muon_plateau": 2, "stopped_plateau": 2}
TOLERANCES = {
    "stopped_adamw": EXACT,
    "stopped_muon": EXACT,
    "stopped_muon_plateau": HALF,
    "stopped_plateau": HALF,
    "stopped_constant": EXACT,
    "stopped_warming_up": EXACT,
    "stopped_bf16": HALF,
    "stopped_fp16": HALF,
    "stopped_muon_fp16": HALF,
    "lost": EXACT,
    "unknown": EXACT,
    "failed": EXACT,
}


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_run_goes_on_as_the_first_version_would_have(run_of: RunOf, expected: dict[str, Any], name: str) -> None:
    run, wanted = run_of(name), expected["resume"][name]
    before = run.metrics.stat().st_size
    ended = answer("train", str(run.path), "--resume")
    assert (ended.returncode, run.state()) == (0, wanted["reason"]), ended.stderr
    new = [json.loads(line) for line in run.metrics.read_bytes()[before:].splitlines() if line.startswith(b"{")]
    (resumed,) = [event for event in new if event["event"] == "resumed"]
    assert resumed["step"] == wanted["from"]
    assert [event["cached"] for event in new if event["event"] == "prepared"] == [True]

    steps = [event for event in new if event["event"] == "step"]
    assert [(each["step"], each["tokens"]) for each in steps] == [(step[0], step[4]) for step in wanted["steps"]]
    sure = CHAOTIC.get(name, len(steps))
    for each, (_, loss, lr, grad_norm, _) in zip(steps[:sure], wanted["steps"][:sure], strict=True):
        assert each["lr"] == pytest.approx(lr, rel=1e-9)
        assert each["loss"] == pytest.approx(loss, rel=TOLERANCES[name])
        assert each["grad_norm"] == pytest.approx(grad_norm, rel=50 * TOLERANCES[name])
    evaluations = [event for event in new if event["event"] == "eval"]
    assert [each["step"] for each in evaluations] == [each[0] for each in wanted["evals"]]
    for each, (_, train_loss, val_loss, bits_per_byte, best) in zip(evaluations, wanted["evals"], strict=True):
        if name in CHAOTIC:
            break
        assert each["train_loss"] == pytest.approx(train_loss, rel=TOLERANCES[name])
        assert each["val_loss"] == pytest.approx(val_loss, rel=TOLERANCES[name])
        assert each["bits_per_byte"] == pytest.approx(bits_per_byte, rel=TOLERANCES[name])
        assert each["best"] == best


def test_a_run_that_diverged_before_it_saved_anything_to_resume_diverges_again(
    run_of: RunOf, expected: dict[str, Any]
) -> None:
    run = run_of("diverged")
    assert not (run.checkpoints / "last").exists() and expected["resume"]["diverged"]["from"] == 0
    assert answer("train", str(run.path), "--resume").returncode == 1
    assert run.state() == expected["resume"]["diverged"]["reason"] == "diverged"


@pytest.mark.parametrize("name", ["queued", "preparing"])
def test_a_run_that_had_not_begun_to_train_begins(run_of: RunOf, workspace: Workspace, name: str) -> None:
    run = run_of(name)
    ended = answer("train", str(run.path), "--resume")
    assert (ended.returncode, run.state()) == (0, "finished"), ended.stderr
    assert (run.status().step, len(run.status().evals)) == (32, 8)
    assert run.status().evals[-1].val_loss < run.status().evals[0].val_loss
    if name == "preparing":
        assert not list(workspace.data.glob(".*.part")), "it goes on with what it had prepared when it was killed"


def test_the_states_that_are_resumed_are_of_every_kind(run_of: RunOf) -> None:
    """The fixtures hold what they are for: a plateau that has fallen, a scaler with a scale, a rate on its way up."""
    states = {
        name: torch.load(run_of(name).checkpoints / "last" / "trainer.pt", weights_only=True) for name in TOLERANCES
    }
    rates = {name: state["optimizers"]["members"][-1]["param_groups"][0]["lr"] for name, state in states.items()}
    assert rates["stopped_plateau"] < 2.0 and rates["stopped_muon_plateau"] < 2.0 and rates["stopped_constant"] == 0.01
    assert rates["stopped_warming_up"] < 0.01
    assert [len(states[name]["optimizers"]["members"]) for name in ("stopped_adamw", "stopped_muon")] == [1, 2]
    assert not states["stopped_bf16"]["optimizers"]["scaler"] and not states["stopped_adamw"]["optimizers"]["scaler"]
    assert states["stopped_fp16"]["optimizers"]["scaler"]["scale"] == 65536.0
