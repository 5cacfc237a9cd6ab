"""Deleting runs, renaming and deleting experiments: whole or not at all, and nothing that an engine works on."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.contract.errors import UserError
from engine.runs.run import Run
from engine.runs.workspace import Workspace, valid_name
from slm_tui.catalog import LIVE
from slm_tui.formats import explained, shown_path

_DELETING = ".deleting-"  # no run's id, so that a half-deleted run is never listed


def delete_run(workspace: Workspace, run: Run) -> None:
    """Delete the run's folder with everything in it.

    Raises:
        UserError: it is alive or queued, it is not (or no longer) in the workspace, or it cannot be removed.
    """
    _refuse_what_cannot_go(workspace, run)
    doomed = run.path.with_name(f"{_DELETING}{run.id}-{secrets.token_hex(2)}")
    with idle([run]), _told_in_words():
        run.path.rename(doomed)
        for folder in run.path.parent.glob(f"{_DELETING}*"):  # and what an earlier deletion was torn away from
            shutil.rmtree(folder, ignore_errors=True)
    if doomed.exists():
        raise UserError(f"{run} is deleted, but not all of it could be removed: see {shown_path(doomed)}")


def _refuse_what_cannot_go(workspace: Workspace, run: Run) -> None:
    if run not in workspace.list_runs(run.name):
        raise UserError(f"{run} is not there any more")
    if run.path.is_symlink():
        raise UserError(f"{shown_path(run.path)} is a link to {os.readlink(run.path)}: remove both by hand")
    for folder in (run.path.parent, run.path, *(path for path in run.path.rglob("*") if path.is_dir())):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{run} cannot be deleted: {shown_path(folder)} is read-only")


def rename_experiment(workspace: Workspace, old: str, new: str) -> None:
    """Give the experiment `old` the name `new`: its file, and the folder of its runs.

    What the runs say of themselves stays as it was written: their run.json names `old`.

    Raises:
        UserError: there is no `old`, there is a `new` or runs of one, a run is alive or queued, or the files
            cannot be moved.
    """
    source, target = workspace.experiment_file(old), workspace.experiments / f"{valid_name(new)}.toml"
    runs_before, runs_after = workspace.runs / old, workspace.runs / new
    if os.path.lexists(target):
        raise UserError(f"{shown_path(target)} exists already")
    if os.path.lexists(runs_after) and not _is_empty_folder(runs_after):
        raise UserError(f"{shown_path(runs_after)} holds the runs of an earlier experiment: choose another name")
    with idle(workspace.list_runs(old)), _told_in_words():
        source.rename(target)
        try:
            if runs_before.is_dir():
                runs_before.rename(runs_after)
        except OSError:
            target.rename(source)
            raise


def delete_experiment(workspace: Workspace, name: str) -> None:
    """Delete the experiment's file. Its runs stay, each with the experiment as it was started.

    Raises:
        UserError: there is none, or it cannot be removed.
    """
    path = workspace.experiment_file(name)
    with _told_in_words():
        path.unlink()


@contextmanager
def idle(runs: Sequence[Run]) -> Iterator[None]:
    """Hold the runs' locks, so that no engine starts on one meanwhile.

    Raises:
        UserError: one of them is alive or queued, or may not be written to.
    """
    for run in runs:
        state = run.state()
        if state in LIVE or run.is_alive():
            is_what = state if state in LIVE else "about to go on"
            raise UserError(f"{run} is {is_what}; slm-tui stop {run.id} ends it")
    with ExitStack() as held:
        with _told_in_words():
            for run in runs:
                held.enter_context(run.hold_lock())
        yield


@contextmanager
def _told_in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(explained(error)) from None


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
