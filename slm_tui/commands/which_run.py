"""Which run a command means, where not every run has what it wants, and what is said where none has."""

from __future__ import annotations

from collections.abc import Callable

from engine.contract.checkpoints import CheckpointName, other_checkpoints
from engine.contract.errors import UserError
from engine.runs.run import Run, State
from engine.runs.workspace import Workspace
from slm_tui.commands.common import say
from slm_tui.facts import run_facts

_WHAT_IT_DID = {  # of the other states a run "is" one
    "imported": "was imported",
    "finished": "has finished",
    "early_stopped": "has stopped early",
    "stopped": "was stopped",
    "failed": "failed",
    "diverged": "diverged",
}


def run_with_checkpoint(workspace: Workspace, reference: str, checkpoint: CheckpointName) -> Run:
    """The run that `reference` means; of an experiment's runs the newest that has such a checkpoint.

    Raises:
        UserError: there is no such run, or it has no such checkpoint.
    """
    newest, run = _newest_that(workspace, reference, lambda run: (run.checkpoints / checkpoint).is_dir())
    if run == newest:
        return newest
    lacks = f"{newest} has no {checkpoint} checkpoint: it {_what_it_did(newest)}"
    if run is None:
        raise UserError(lacks + _way_to_a_checkpoint(newest, newest.state()))
    say(f"{lacks}; this is of {run}, the newest run that has one")
    return run


def run_with_steps(workspace: Workspace, reference: str) -> Run:
    """The run that `reference` means; of an experiment's runs the newest that has a step, or the newest of all.

    Raises:
        UserError: there is no such run.
    """
    newest, run = _newest_that(workspace, reference, lambda run: run.status().step > 0)
    if run is not None and run != newest:
        say(f"{newest} has no step: it {_what_it_did(newest)}; this is of {run}, the newest run that has one")
    return run or newest


def _newest_that(workspace: Workspace, reference: str, has: Callable[[Run], bool]) -> tuple[Run, Run | None]:
    """The run that `reference` means; and that run, or of an experiment's runs the newest, that `has` something."""
    newest = workspace.find_run(reference)
    candidates = workspace.list_runs(newest.name) if newest.name == reference else [newest]
    return newest, next((run for run in candidates if has(run)), None)


def _what_it_did(run: Run) -> str:
    standing = run_facts(run).standing
    return _WHAT_IT_DID.get(standing, f"is {standing}")


def _way_to_a_checkpoint(run: Run, state: State) -> str:
    """What a person would do now, where no run has such a checkpoint."""
    if others := run.checkpoint_names():
        return other_checkpoints(others)
    if state in ("queued", "preparing", "training"):
        return f"; slm-tui show {run.id} says how far it is"
    if state in ("stopped", "lost"):
        return f"; slm-tui run {run.name} --resume {run.id} goes on with it"
    return f"; slm-tui run {run.name} starts a new one"


def device_of(run: Run) -> str:
    """The device that the run's file asks for, for this command too."""
    return run.experiment().hardware.device
