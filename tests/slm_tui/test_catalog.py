"""What a scan of a workspace finds, and that a second scan reads only what changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.contract.events import Eval, Event, EventWriter, Resumed, RunEnded, RunStarted, Step
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui import catalog as catalog_module
from slm_tui.catalog import CatalogReader

STAND_IN = Path(__file__).with_name("stand_in.py")


def step(number: int) -> Step:
    return Step(step=number, loss=2.0, lr=1e-3, grad_norm=1.0, tokens=number * 10)


def evaluation(number: int, loss: float) -> Eval:
    return Eval(step=number, train_loss=loss, val_loss=loss, bits_per_byte=1.0, best=True)


def say(run: Run, *events: Event) -> None:
    writer = EventWriter(run.metrics)
    for event in events:
        writer(event)
    writer.close()


FINISHED = (RunStarted(1, "h"), step(1), evaluation(1, 3.0), step(2), evaluation(2, 2.5), RunEnded("finished"))


def test_experiments_stand_with_their_runs_newest_first(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    runs = [new_run(FINISHED) for _ in range(3)]
    [entry] = CatalogReader(workspace).scan().experiments
    assert entry.name == "tiny" and entry.exists and not entry.facts.problems
    assert [run.run for run in entry.runs] == sorted(runs, key=lambda run: run.id, reverse=True)
    assert entry.runs[0].facts.state == "finished" and entry.runs[0].val_losses == (3.0, 2.5)
    assert entry.facts.best is not None and entry.facts.best.val_loss == 2.5


def test_a_broken_file_is_listed_with_its_problem(workspace: Workspace) -> None:
    (workspace.experiments / "broken.toml").write_text("[model]\nn_layer = 'two'\n")
    broken = CatalogReader(workspace).scan().experiments[0]
    assert broken.name == "broken" and any("n_layer" in str(problem) for problem in broken.facts.problems)


def test_runs_whose_file_is_gone_are_still_listed(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    new_run(FINISHED)
    reader = CatalogReader(workspace)
    assert reader.scan().experiments[0].exists
    (workspace.experiments / "tiny.toml").unlink()
    [entry] = reader.scan().experiments
    assert not entry.exists and len(entry.runs) == 1


def test_nothing_is_read_again_that_has_not_changed(
    workspace: Workspace, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(FINISHED)
    reader = CatalogReader(workspace)
    before = reader.scan()
    read: list[object] = []
    monkeypatch.setattr(catalog_module, "file_facts", lambda path: read.append(path))
    monkeypatch.setattr(catalog_module, "run_facts", lambda *arguments: read.append(arguments))
    assert reader.scan() == before and read == []


def test_what_a_run_says_later_is_taken_in(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED[:3])
    reader = CatalogReader(workspace)
    assert reader.scan().runs()[0].val_losses == (3.0,)
    say(run, step(2), evaluation(2, 2.5), step(3), evaluation(3, 2.4))
    assert reader.scan().runs()[0].val_losses == (3.0, 2.5, 2.4)
    say(run, RunStarted(2, "h"), Resumed(step=2), step(3), evaluation(3, 2.2), RunEnded("stopped"))
    [entry] = reader.scan().runs()
    assert entry.val_losses == (3.0, 2.5, 2.2), "a resume takes back what came after its step"
    assert entry.facts.state == "stopped" and entry.facts.step == 3


def test_a_replaced_file_is_read_from_its_start(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    reader = CatalogReader(workspace)
    reader.scan()
    run.metrics.unlink()
    say(run, RunStarted(1, "h"), step(1), evaluation(1, 4.0), RunEnded("failed"))
    [entry] = reader.scan().runs()
    assert entry.val_losses == (4.0,) and entry.facts.state == "failed"


def test_a_run_deleted_meanwhile_is_left_out(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    reader = CatalogReader(workspace)
    assert reader.scan().find(run) is not None
    shutil.rmtree(run.path)
    assert reader.scan().find(run) is None


def test_a_killed_engine_is_seen_though_no_file_changes(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run()
    with subprocess.Popen([sys.executable, STAND_IN, str(run.path)], stdout=subprocess.PIPE) as engine:
        assert engine.stdout is not None and engine.stdout.readline() == b"ready\n"
        reader = CatalogReader(workspace)
        catalog = reader.scan()
        assert catalog.runs()[0].facts.state == "preparing" and catalog.has_live_runs
        engine.kill()
    catalog = reader.scan()
    assert catalog.runs()[0].facts.state == "lost" and not catalog.has_live_runs
