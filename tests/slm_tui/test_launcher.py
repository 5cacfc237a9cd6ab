"""Starting, resuming and stopping engine processes; what is checked before anything is made on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import stand_in

from engine.contract.errors import UserError
from engine.contract.events import RunEnded, RunStarted
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui import launcher


def test_a_plan_holds_the_overrides_and_makes_nothing(workspace: Workspace) -> None:
    planned = launcher.plan(workspace, "tiny", ["train.max_steps=7"])
    assert planned.experiment.train.max_steps == 7
    assert 'description = "as small as it gets"' in planned.text
    assert not workspace.runs.exists()


def test_a_wrong_override_is_told_as_such(workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r'^--set: train.max_stepz is not a key .* did you mean "max_steps"\?$'):
        launcher.plan(workspace, "tiny", ["train.max_stepz=7"])


def test_a_broken_file_is_told_with_its_line_also_where_there_are_overrides(workspace: Workspace) -> None:
    (workspace.experiments / "tiny.toml").write_text("[data\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"^experiments/tiny.toml:1: is not valid TOML"):
        launcher.plan(workspace, "tiny", ["train.max_steps=7"])


def test_weights_that_are_nowhere_start_nothing_and_those_of_another_experiment_wait_for_its_run(
    workspace: Workspace,
) -> None:
    with pytest.raises(UserError, match=r'^--set: train.init_from = "tinny": is not a file, .*; did you mean tiny\?$'):
        launcher.plan(workspace, "tiny", ["train.init_from=tinny"])
    planned = launcher.plan(workspace, "tiny", ["train.init_from=tiny"])  # which may be started before this one
    with pytest.raises(
        UserError, match=r'^train.init_from = "tiny": .*tiny has no runs yet; slm-tui run tiny starts one$'
    ):
        launcher.start(workspace, planned)
    assert not workspace.runs.exists()


def test_a_mirror_that_is_not_there_starts_nothing(workspace: Workspace, tmp_path: Path) -> None:
    planned = launcher.plan(workspace, "tiny")
    with pytest.raises(UserError, match="no such folder"):
        launcher.start(workspace, planned, tmp_path / "nowhere")
    assert not workspace.runs.exists()


def test_the_engine_gets_an_absolute_mirror(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace.root / "mirror").mkdir()
    monkeypatch.setenv("SLM_DATA_MIRROR", "mirror")
    assert launcher.engine_environment()["SLM_DATA_MIRROR"] == str(workspace.root / "mirror")
    assert launcher.engine_environment(tmp_path)["SLM_DATA_MIRROR"] == str(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_workspace_that_cannot_be_written_to_is_left_as_it_was(workspace: Workspace) -> None:
    workspace.root.chmod(0o500)
    with pytest.raises(PermissionError):
        launcher.start(workspace, launcher.plan(workspace, "tiny"))
    workspace.root.chmod(0o700)
    assert not workspace.runs.exists()


def test_stopping_ends_a_live_engine(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run) as process:
        assert run.is_alive()
        assert launcher.stop(run) == "preparing"
        assert process.wait(timeout=20) == 0
    assert run.state() == "stopped"


def test_stopping_cancels_a_queued_run(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run, "--queued") as process:
        assert launcher.stop(run) == "queued"
        assert process.wait(timeout=20) == 0
    assert run.state() == "stopped"


def test_stopping_a_lost_run_says_how_to_go_on_with_it(new_run: Callable[..., Run]) -> None:
    run = new_run([RunStarted(pid=1, host="here")])
    with pytest.raises(UserError, match=f"it is lost; slm-tui run tiny --resume {run.id} goes on with it"):
        launcher.stop(run)


def test_a_run_that_was_launched_just_now_is_starting_and_not_lost(new_run: Callable[..., Run]) -> None:
    with pytest.raises(UserError, match="is just starting; try again in a moment"):
        launcher.stop(new_run())


def test_stopping_a_run_that_has_ended_is_an_error(new_run: Callable[..., Run]) -> None:
    run = new_run([RunStarted(pid=1, host="here"), RunEnded(reason="finished")])
    with pytest.raises(UserError, match="is not running: it is finished"):
        launcher.stop(run)


def test_stopping_never_signals_a_process_of_another_machine(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run, "--host", "elsewhere.example") as process:
        with pytest.raises(UserError, match="runs on elsewhere"):
            launcher.stop(run)
        assert process.poll() is None


def test_stopping_never_signals_a_process_that_only_has_the_number(new_run: Callable[..., Run]) -> None:
    """A resumed engine holds the lock, but the events still name the one before it, whose number went on to another."""
    import socket

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        run = new_run([RunStarted(pid=bystander.pid, host=socket.gethostname())])
        with stand_in(run, "--silent"), pytest.raises(UserError, match="just starting"):
            launcher.stop(run)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_a_live_run_cannot_be_resumed(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with stand_in(run), pytest.raises(UserError, match="is running"):
        launcher.resume(run)


def test_a_resumed_run_keeps_its_model_and_schedule(new_run: Callable[..., Run]) -> None:
    run = new_run([RunStarted(pid=1, host="here"), RunEnded(reason="stopped")])
    before = run.experiment_file.read_bytes()
    for override, table in (("model.n_layer=3", "model"), ("train.max_steps=99", "train"), ("data.stories=9", "data")):
        with pytest.raises(UserError, match=rf"\[{table}\] of .* cannot change any more"):
            launcher.resume(run, [override])
    assert run.experiment_file.read_bytes() == before
