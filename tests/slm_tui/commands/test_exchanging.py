"""`slm-tui export` and `slm-tui import`, as a person calls them: out, in again, and the same stories."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import engine
from warm_engine import answer

from engine.contract.events import RunEnded, RunStarted, Step
from engine.runs.run import Run
from engine.runs.workspace import Workspace

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def trained(new_run: Callable[..., Run]) -> Run:
    """A run that has trained."""
    run = new_run()
    run.metrics.unlink()
    assert engine(run) == 0, run.log.read_text()
    return run


def test_weights_go_out_and_come_back_as_a_run_like_any_other(
    program: Program, workspace: Workspace, trained: Run
) -> None:
    out = program("export", "tiny", "--format", "huggingface", "-o", "out/tiny")
    assert out.returncode == 0, out.stderr
    assert out.stdout == f"{trained}, best checkpoint, step 24: out/tiny\n"
    assert "AutoModelForCausalLM.from_pretrained" in out.stderr

    back = program("import", "out/tiny", "--experiment", "back", "--set", "data.stories=200", "--json")
    assert back.returncode == 0, back.stderr
    facts = json.loads(back.stdout)
    run = Run(Path(facts["run"]))
    assert facts["written"] and facts["model"]["n_head"] == 2 and facts["notes"] == []
    assert (workspace.root / "experiments" / "back.toml").is_file()

    listed = json.loads(program("runs", "--json").stdout)
    assert [(entry["run"], entry["imported"]) for entry in listed] == [(str(run), True), (str(trained), False)]
    shown = program("show", run.id)
    assert shown.returncode == 0 and "imported, just now" in shown.stdout and "steps  " not in shown.stdout
    assert program("validate", "back").returncode == 0

    def story(name: str) -> str:
        told = program("generate", name, "--prompt", "Once upon", "--temperature", "0", "--max-new-tokens", "20")
        assert told.returncode == 0, told.stderr
        return told.stdout

    assert story("back") == story("tiny")

    evaluated = program("evaluate", "back", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    original = answer("evaluate", str(trained.path), "--device", "cpu").stdout.splitlines()[-1]
    assert json.loads(evaluated.stdout)["val_loss"] == pytest.approx(json.loads(original)["val_loss"], rel=1e-6)
    resumed = program("run", "back", "--resume")
    assert resumed.returncode == 2 and "Traceback" not in resumed.stderr


def test_nanogpts_file_goes_out_and_comes_into_the_same_experiment(program: Program, trained: Run) -> None:
    assert program("export", trained.id, "--format", "nanogpt", "-o", "ckpt.pt", "--checkpoint", "last").returncode == 0
    back = program("import", "ckpt.pt", "--experiment", "tiny")
    assert back.returncode == 0, back.stderr
    assert back.stdout.endswith(" parameters, a vocabulary of 400\n")
    assert "was written" not in back.stderr and "slm-tui generate" in back.stderr
    imported = back.stdout.partition(":")[0]
    assert program("list").stdout.splitlines()[1].split()[:2] == ["tiny", "imported"]
    assert [line.split()[:2] for line in program("runs").stdout.splitlines()[1:]] == [
        [imported, "imported"],
        [str(trained), "finished"],
    ]
    compared = program("compare", "tiny", "--json")
    assert [run["run"] for run in json.loads(compared.stdout)["runs"]] == [str(trained)]
    assert compared.stderr == (
        f"{imported} has no step: it was imported; this is of {trained}, the newest run that has one\n"
    )
    assert json.loads(program("compare", imported, "--json").stdout)["runs"][0]["run"] == imported


def test_metrics_go_out_without_a_checkpoint(
    program: Program, workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    new_run([RunStarted(1, "here"), Step(1, 4.0, 1e-3, 0.5, 128), RunEnded("failed")])
    out = program("export", "tiny", "--format", "csv", "-o", "metrics.csv", "--json")
    assert out.returncode == 0, out.stderr
    assert json.loads(out.stdout)["points"] == 1
    assert (workspace.root / "metrics.csv").read_text().startswith("event,t,step,tokens,loss,")


@pytest.mark.parametrize("format", ["huggingface", "csv"])
def test_an_export_overwrites_nothing(
    program: Program, workspace: Workspace, new_run: Callable[..., Run], format: str
) -> None:
    run = new_run([RunStarted(1, "here"), Step(1, 4.0, 1e-3, 0.5, 128), RunEnded("finished")])
    (run.checkpoints / "best").mkdir(parents=True)
    (workspace.root / "mine").mkdir()
    out = program("export", "tiny", "--format", format, "-o", "mine")
    assert (out.returncode, out.stdout) == (2, "")
    assert out.stderr == (
        "slm-tui: mine: this folder already exists, and an export overwrites nothing; choose another path\n"
    )
    assert list((workspace.root / "mine").iterdir()) == []


def test_a_run_without_a_checkpoint_has_no_weights_to_export(program: Program, new_run: Callable[..., Run]) -> None:
    new_run([RunStarted(1, "here"), RunEnded("failed")])
    out = program("export", "tiny", "--format", "gguf", "-o", "model.gguf")
    assert out.returncode == 2 and "has no best checkpoint: it failed" in out.stderr


def test_what_cannot_be_imported_is_said_and_nothing_is_made(program: Program, workspace: Workspace) -> None:
    (workspace.root / "weights.pt").write_bytes(b"no weights")
    back = program("import", "weights.pt", "--experiment", "back")
    assert back.returncode == 2 and back.stderr.startswith("slm-tui: weights.pt: ")
    assert "Traceback" not in back.stderr
    assert not workspace.runs.exists() and not (workspace.root / "experiments" / "back.toml").exists()
