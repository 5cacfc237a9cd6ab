"""Runs and experiments are deleted and renamed whole, or not at all, and never under an engine's feet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support import stand_in

from engine.contract.errors import UserError
from engine.contract.events import RunEnded, RunStarted
from engine.runs.run import Run, RunInfo
from engine.runs.workspace import Workspace
from slm_tui.housekeeping import delete_experiment, delete_run, rename_experiment

FINISHED = (RunStarted(pid=1, host="here"), RunEnded(reason="finished"))
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def everything_in(folder: Path) -> set[str]:
    """All files and folders, but for locks, which anyone who looks may leave."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "engine.lock"}


def test_a_deleted_run_leaves_nothing_and_the_others_as_they_are(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run, other = new_run(FINISHED), new_run(FINISHED)
    (run.checkpoints / "best").mkdir(parents=True)
    (run.checkpoints / "best" / "model.safetensors").write_bytes(b"x")
    before = everything_in(other.path)
    delete_run(workspace, run)
    assert list(run.path.parent.iterdir()) == [other.path]
    assert everything_in(other.path) == before
    assert (workspace.experiments / "tiny.toml").is_file()


@pytest.mark.parametrize("options", [[], ["--silent"]], ids=["started", "nothing said yet"])
def test_a_live_run_is_never_deleted(workspace: Workspace, new_run: Callable[..., Run], options: list[str]) -> None:
    run = new_run()
    with stand_in(run, *options):
        before = everything_in(workspace.root)
        with pytest.raises(UserError, match=rf"is (queued|preparing); slm-tui stop {run.id} ends it"):
            delete_run(workspace, run)
        assert everything_in(workspace.root) == before


def test_a_run_that_is_just_being_resumed_is_not_deleted(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    with stand_in(run, "--silent"), pytest.raises(UserError, match="is about to go on"):
        delete_run(workspace, run)
    assert run.metrics.is_file()


def test_a_run_whose_engine_has_not_come_yet_is_not_deleted(workspace: Workspace) -> None:
    run = workspace.new_run("tiny")
    with pytest.raises(UserError, match="is queued"):
        delete_run(workspace, run)
    assert run.path.is_dir()


def test_no_engine_starts_on_a_run_while_it_is_deleted(
    workspace: Workspace, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, alive = new_run(FINISHED), []
    rename = Path.rename

    def look_and_rename(path: Path, target: Path) -> Path:
        alive.append(run.is_alive())
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", look_and_rename)
    delete_run(workspace, run)
    assert alive == [True], "the lock is held when the folder goes away"


def test_a_half_deleted_run_is_not_listed_and_goes_with_the_next_one(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run(FINISHED)
    torn = run.path.with_name(".deleting-20260101T000000-aaaa-1234")
    (torn / "checkpoints").mkdir(parents=True)
    assert workspace.list_runs() == [run]
    delete_run(workspace, run)
    assert list(run.path.parent.iterdir()) == []


def test_a_run_that_is_gone_or_elsewhere_is_told_in_words(
    workspace: Workspace, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(FINISHED)
    elsewhere = Workspace(tmp_path / "elsewhere").new_run("tiny")
    delete_run(workspace, run)
    for gone in (run, elsewhere):
        with pytest.raises(UserError, match=f"{gone} is not there any more"):
            delete_run(workspace, gone)
    assert elsewhere.path.is_dir()
    assert not run.path.exists()


def test_a_link_in_a_runs_place_is_left_to_its_maker(
    workspace: Workspace, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(FINISHED)
    run.path.rename(tmp_path / "large disk")
    run.path.symlink_to(tmp_path / "large disk")
    with pytest.raises(UserError, match=r"is a link to .*large disk: remove both by hand"):
        delete_run(workspace, run)
    assert run.metrics.is_file()


@not_as_root
@pytest.mark.parametrize("part", ["..", ".", "checkpoints"])
def test_a_read_only_folder_is_told_and_the_run_stays_whole(
    workspace: Workspace, new_run: Callable[..., Run], part: str
) -> None:
    run = new_run(FINISHED)
    (run.checkpoints / "best").mkdir(parents=True)
    before, folder = everything_in(workspace.root), run.path / part
    folder.chmod(0o500)
    with pytest.raises(UserError, match=rf"^{run} cannot be deleted: runs/tiny.* is read-only$"):
        delete_run(workspace, run)
    folder.chmod(0o700)
    assert everything_in(workspace.root) == before


def test_a_renamed_experiment_takes_its_runs_with_it(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    run.write_info(RunInfo(run.id, "tiny", "2026-11-21T01:33:55+00:00", ["x"], {}, None, "here", "cpu", 1))
    text = (workspace.experiments / "tiny.toml").read_bytes()
    rename_experiment(workspace, "tiny", "small")
    assert everything_in(workspace.experiments) == {"small.toml"}
    assert (workspace.experiments / "small.toml").read_bytes() == text
    [moved] = workspace.list_runs()
    assert str(moved) == f"small/{run.id}" and moved.state() == "finished"
    assert not (workspace.runs / "tiny").exists()
    info = moved.info()
    assert info is not None and info.name == "tiny"
    assert workspace.find_run(f"small/{run.id}") == moved


def test_an_experiment_without_runs_is_renamed_and_makes_no_folders(workspace: Workspace) -> None:
    rename_experiment(workspace, "tiny", "small")
    assert everything_in(workspace.root) == {"experiments", "experiments/small.toml"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tiny", "other", "experiments/other.toml exists already"),
        ("tiny", "tiny", "experiments/tiny.toml exists already"),
        ("tiny", "earlier", "runs/earlier holds the runs of an earlier experiment: choose another name"),
        ("tiny", "../x", "is not an experiment name"),
        ("tinny", "x", "did you mean tiny?"),
    ],
)
def test_a_rename_that_would_lose_or_mix_something_is_refused(
    workspace: Workspace, new_run: Callable[..., Run], old: str, new: str, said: str
) -> None:
    new_run(FINISHED)
    workspace.new_run("earlier")
    (workspace.experiments / "other.toml").write_text("# other", encoding="utf-8")
    before = everything_in(workspace.root)
    with pytest.raises(UserError) as caught:
        rename_experiment(workspace, old, new)
    assert said in str(caught.value)
    assert everything_in(workspace.root) == before


def test_an_experiment_is_not_renamed_while_one_of_its_runs_is_alive(
    workspace: Workspace, new_run: Callable[..., Run]
) -> None:
    run = new_run()
    new_run(FINISHED)
    with stand_in(run):
        before = everything_in(workspace.root)
        with pytest.raises(UserError, match=f"{run} is preparing; slm-tui stop"):
            rename_experiment(workspace, "tiny", "small")
        assert everything_in(workspace.root) == before


def test_a_rename_that_fails_half_way_is_taken_back(
    workspace: Workspace, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(FINISHED)
    before, rename = everything_in(workspace.root), Path.rename

    def refuse_folders(path: Path, target: Path) -> Path:
        if path.is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_folders)
    with pytest.raises(UserError, match=r"^runs/tiny: permission denied$"):
        rename_experiment(workspace, "tiny", "small")
    assert everything_in(workspace.root) == before


@not_as_root
def test_a_read_only_workspace_is_told_and_left_as_it_is(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    workspace.experiments.chmod(0o500)
    for attempt in (lambda: rename_experiment(workspace, "tiny", "b"), lambda: delete_experiment(workspace, "tiny")):
        with pytest.raises(UserError, match=r"^experiments/tiny\.toml: permission denied$"):
            attempt()
    workspace.experiments.chmod(0o700)
    assert (workspace.experiments / "tiny.toml").is_file() and run.metrics.is_file()


def test_a_deleted_experiment_leaves_its_runs(workspace: Workspace, new_run: Callable[..., Run]) -> None:
    run = new_run(FINISHED)
    delete_experiment(workspace, "tiny")
    assert workspace.experiment_files() == [] and workspace.list_runs() == [run]
    assert run.experiment().train.max_steps == 24
    with pytest.raises(UserError, match="no experiments in"):
        delete_experiment(workspace, "tiny")
