"""Starting, resuming and stopping the engine process of a run: the dashboard and `slm-tui run` both do it here.

An engine outlives whatever started it. To re-attach to one is only to read its events (`watch.py`).
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.contract.errors import UserError
from engine.contract.experiment import Experiment
from engine.contract.files import replace_file
from engine.contract.loading import ExperimentError, check_experiment, parse_experiment, read_text
from engine.contract.overrides import apply_overrides
from engine.runs.run import Run, State
from engine.runs.workspace import MIRROR_VARIABLE, Workspace
from slm_tui.formats import shown_path

ENGINE = (sys.executable, "-m", "engine")


@dataclass(frozen=True)
class Planned:
    """An experiment that was read and found right, ready to start."""

    name: str
    text: str  # of the file, with the overrides
    experiment: Experiment


def plan(workspace: Workspace, name: str, overrides: Sequence[str] = ()) -> Planned:
    """Read and check the experiment `name` with its overrides; makes nothing on disk.

    Raises:
        UserError: there is no such experiment, or it says something wrong.
    """
    path = workspace.experiment_file(name)
    return Planned(name, *_overridden(read_text(path), overrides, shown_path(path), workspace))


def _overridden(
    text: str, overrides: Sequence[str], source: str, workspace: Workspace | None = None
) -> tuple[str, Experiment]:
    """`text` with the overrides, and the experiment that it describes; `workspace` is where a new run is to start.

    Raises:
        UserError: the file is wrong, or an override is.
    """
    weights = workspace.weights_bring_tokenizer if workspace else None
    if not overrides:
        return text, parse_experiment(text, source, weights)
    in_file, problems = check_experiment(text, source)
    if any(not problem.key for problem in problems):  # no TOML at all: there are no keys to override
        raise ExperimentError(problems)
    changed = apply_overrides(text, overrides)
    experiment, problems = check_experiment(changed, source, weights)
    if experiment:
        return changed, experiment
    if in_file:  # the file by itself is right
        raise UserError("\n".join(f"--set: {problem.key} {problem.message}" for problem in problems))
    raise ExperimentError(problems)


def start(workspace: Workspace, planned: Planned, mirror: Path | None = None) -> tuple[Run, subprocess.Popen[bytes]]:
    """Make a run's directory and start its engine.

    Raises:
        UserError: the weights that it is to start from are not there, or not yet.
        OSError: the directory could not be made, or no process started; nothing is left behind.
    """
    environment = engine_environment(mirror)
    init_from = planned.experiment.train.init_from
    if init_from is not None:
        try:
            workspace.find_weights(init_from)
        except UserError as error:
            raise UserError(f'train.init_from = "{init_from}": {error}') from None
    run = workspace.new_run(planned.name)
    try:
        replace_file(run.experiment_file, planned.text.encode())
        return run, _launch(run, (), environment)
    except OSError:
        shutil.rmtree(run.path, ignore_errors=True)
        raise


def resume(run: Run, overrides: Sequence[str] = (), mirror: Path | None = None) -> subprocess.Popen[bytes]:
    """Start an engine that goes on with `run` where its last checkpoint left it.

    Overrides may change [hardware] and [sampling]; they go into the run's experiment.toml.

    Raises:
        UserError: it is running, or an override does not fit what has been trained.
    """
    environment = engine_environment(mirror)
    if run.is_alive():
        raise UserError(f"{run} is running; slm-tui stop {run.id} ends it, slm-tui show {run.id} says how far it is")
    if overrides:
        before = run.experiment()
        text, after = _overridden(read_text(run.experiment_file), overrides, shown_path(run.experiment_file))
        for table in ("data", "tokenizer", "model", "train"):  # the schedule, too, goes on as it began
            if getattr(before, table) != getattr(after, table):
                raise UserError(f"--set: [{table}] of {run} cannot change any more; slm-tui run {run.name} starts anew")
        replace_file(run.experiment_file, text.encode())
    return _launch(run, ("--resume",), environment)


def stop(run: Run) -> State:
    """Ask the engine of `run` to end: one that trains does after its current step, with a checkpoint, one that is
    queued at once. The state it was in.

    Raises:
        UserError: it is not running, or not on this machine.
    """
    status = run.status()
    state = run.state(status)
    if not run.is_alive() and state != "queued":
        state = run.state()
        more = f"; slm-tui run {run.name} --resume {run.id} goes on with it" if state == "lost" else ""
        raise UserError(f"{run} is not running: it is {state}{more}")
    if status.host not in (None, socket.gethostname()):
        raise UserError(f"{run} runs on {status.host}, not on this machine: stop it there")
    if status.pid is None or not _is_engine_of(run, status.pid):
        raise UserError(f"{run} is just starting; try again in a moment")
    os.kill(status.pid, signal.SIGTERM)
    return state


def engine_environment(mirror: Path | None = None) -> Mapping[str, str]:
    """The environment of an engine process.

    Raises:
        UserError: the mirror is no folder.
    """
    environment = dict(os.environ)
    environment["PYTHONSAFEPATH"] = "1"  # a module of the user's own folder never takes the place of ours
    environment["PYTHONUNBUFFERED"] = "1"
    chosen = str(mirror) if mirror else environment.get(MIRROR_VARIABLE)
    if chosen:
        if not Path(chosen).is_dir():
            raise UserError(f"mirror {chosen}: no such folder (--mirror, {MIRROR_VARIABLE})")
        environment[MIRROR_VARIABLE] = str(Path(chosen).resolve())
    return environment


def _launch(run: Run, options: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with open(run.log, "ab") as log:
        return subprocess.Popen(
            [*ENGINE, "train", str(run.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # no Ctrl-C and no hang-up of our terminal reaches it
            env=environment,
        )


def _is_engine_of(run: Run, pid: int) -> bool:
    """Whether `pid` is that run's engine, and not a process that got the number after an earlier engine died."""
    import psutil

    try:
        return any(run.id in argument for argument in psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's: the signal will say so
        return True
