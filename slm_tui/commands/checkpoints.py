"""Which run's checkpoint a command means, and what is said where there is none."""

from __future__ import annotations

from engine.contract.errors import UserError
from engine.contract.run import Run, State
from engine.contract.workspace import Workspace
from slm_tui.commands.common import say

_WHAT_IT_DID = {  # of the other states a run "is" one
    "finished": "has finished",
    "early_stopped": "has stopped early",
    "stopped": "was stopped",
    "failed": "failed",
    "diverged": "diverged",
}


def run_with_checkpoint(workspace: Workspace, reference: str, checkpoint: str) -> Run:
    """The run that `reference` means; of an experiment's runs the newest that has such a checkpoint.

    Raises:
        UserError: there is no such run, or it has no such checkpoint.
    """
    newest = workspace.find_run(reference)
    candidates = workspace.list_runs(newest.name) if newest.name == reference else [newest]
    run = next((run for run in candidates if (run.checkpoints / checkpoint).is_dir()), None)
    if run == newest:
        return newest
    state = newest.state()
    lacks = f"{newest} has no {checkpoint} checkpoint: it {_WHAT_IT_DID.get(state, f'is {state}')}"
    if run is None:
        raise UserError(lacks + _way_to_a_checkpoint(newest, checkpoint, state))
    say(f"{lacks}; this is of {run}, the newest run that has one")
    return run


def _way_to_a_checkpoint(run: Run, checkpoint: str, state: State) -> str:
    """What a person would do now, where no run has such a checkpoint."""
    other = "last" if checkpoint == "best" else "best"
    if (run.checkpoints / other).is_dir():
        return f"; --checkpoint {other} takes its {other} one"
    if state in ("queued", "preparing", "training"):
        return f"; slm-tui show {run.id} says how far it is"
    if state in ("stopped", "lost"):
        return f"; slm-tui run {run.name} --resume {run.id} goes on with it"
    return f"; slm-tui run {run.name} starts a new one"


def device_of(run: Run) -> str:
    """The device that the run's file asks for, for this command too."""
    return run.experiment().hardware.device
