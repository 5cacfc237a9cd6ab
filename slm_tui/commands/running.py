"""`run` and `stop`: starting engine processes, watching them, ending them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from engine.contract.errors import UserError
from engine.contract.run import RESUMABLE, Run, State
from engine.contract.workspace import Workspace
from slm_tui import launcher
from slm_tui.commands.common import (
    Device,
    ExperimentNames,
    Json,
    Mirror,
    Overrides,
    RunReference,
    checked_device,
    console,
    print_json,
    say,
    workspace_of,
)
from slm_tui.facts import RunFacts, run_facts
from slm_tui.progress import Progress

EXIT_FAILED, EXIT_STOPPED = 1, 130


@dataclass(frozen=True)
class _NewRun:
    workspace: Workspace
    planned: launcher.Planned

    def launch(self, mirror: Path | None) -> tuple[Progress, subprocess.Popen[bytes]]:
        run, process = launcher.start(self.workspace, self.planned, mirror)
        return Progress(run), process


@dataclass(frozen=True)
class _Resumption:
    run: Run
    overrides: Sequence[str]

    def launch(self, mirror: Path | None) -> tuple[Progress, subprocess.Popen[bytes]]:
        progress = Progress(self.run)
        progress.catch_up()  # before the engine adds to it
        return progress, launcher.resume(self.run, self.overrides, mirror)


def run(
    context: typer.Context,
    names: ExperimentNames,
    overrides: Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run: its id, or NAME for its newest unfinished one.")
    ] = False,
    device: Device = None,
    mirror: Mirror = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it, print its id, and leave it running.")] = False,
    json: Json = False,
) -> None:
    """Train, and watch it.

    Several experiments run one after the other. The run goes on if this terminal goes away.
    """
    workspace = workspace_of(context)
    changes = [*(overrides or []), *([f'hardware.device="{checked_device(device)}"'] if device else [])]
    starts: list[_NewRun | _Resumption]
    if resume:
        starts = [_Resumption(run, changes) for run in _unfinished(workspace, names)]
    else:
        starts = [_NewRun(workspace, launcher.plan(workspace, name, changes)) for name in names]
    if detach:
        _detach(starts, mirror, json)
        return
    facts, codes = [], []
    for start in starts:
        ended, code, interrupted = _run_and_watch(start, mirror, json)
        facts.append(ended)
        codes.append(code)
        if interrupted:
            break
    if json:
        print_json(facts[0] if len(starts) == 1 else facts)
    raise typer.Exit(EXIT_FAILED if EXIT_FAILED in codes else max(codes))


def stop(context: typer.Context, reference: RunReference, json: Json = False) -> None:
    """End a run after its current step, with a checkpoint."""
    from slm_tui.summary import print_summary
    from slm_tui.watch import POLL_SECONDS

    target = workspace_of(context).find_run(reference)
    launcher.stop(target)
    say(f"{target} ends after its current step …")
    while target.is_alive():
        time.sleep(POLL_SECONDS)
    facts = run_facts(target)
    if json:
        print_json(facts)
    else:
        print_summary(console(), target, facts)


def _run_and_watch(start: _NewRun | _Resumption, mirror: Path | None, json: bool) -> tuple[RunFacts, int, bool]:
    """Run to the end: the facts, the exit code, and whether the person pressed Ctrl-C."""
    from slm_tui.console import view_on
    from slm_tui.summary import print_summary
    from slm_tui.watch import watch

    out = console(stderr=json)
    progress, process = start.launch(mirror)
    view = view_on(out)
    try:
        outcome, interrupted = watch(progress, process, view)
    finally:
        view.close()
    facts = run_facts(progress.run, progress.status)
    if outcome == "left":
        say(f"{progress.run} stops by itself; slm-tui show {progress.run.id} tells when it has")
        return facts, EXIT_STOPPED, True
    facts.state = outcome
    if not json or outcome not in ("finished", "early_stopped"):
        print_summary(out, progress.run, facts, process.returncode)
    return facts, _exit_code(outcome), interrupted


def _exit_code(outcome: State) -> int:
    if outcome == "stopped":
        return EXIT_STOPPED
    return 0 if outcome in ("finished", "early_stopped") else EXIT_FAILED


def _detach(starts: Sequence[_NewRun | _Resumption], mirror: Path | None, json: bool) -> None:
    """Start one run, and wait only until its engine has taken the lock."""
    from slm_tui.summary import last_lines
    from slm_tui.watch import POLL_SECONDS

    if len(starts) > 1:
        raise UserError("--detach starts one run; several that run one after the other need someone to start the next")
    progress, process = starts[0].launch(mirror)
    run = progress.run
    while not run.is_alive() and process.poll() is None:
        time.sleep(POLL_SECONDS)
    if process.returncode not in (None, 0):
        progress.catch_up()
        said = run.status().error or "\n".join(last_lines(run.log)) or f"exit status {process.returncode}"
        say(f"{run} ended at once:\n{said}")
        raise typer.Exit(EXIT_FAILED)
    if json:
        print_json({"run": str(run), "path": str(run.path), "pid": process.pid})
    else:
        print(run)
        say(f"slm-tui show {run.id} says how far it is, slm-tui stop {run.id} ends it")


def _unfinished(workspace: Workspace, references: Sequence[str]) -> list[Run]:
    """The runs to go on with. An experiment beside a run of it (`NAME --resume RUN`) is only its name.

    Raises:
        UserError: there is no such run, or it has finished.
    """
    names = {run.name for run in workspace.list_runs()}
    by_id = [workspace.find_run(reference) for reference in references if reference not in names]
    by_name = [reference for reference in references if reference in names]
    if not by_id:
        return [_newest_unfinished(workspace, name) for name in by_name]
    for name in by_name:
        if name not in {run.name for run in by_id}:
            raise UserError(f"{by_id[0].id} is a run of {by_id[0].name}, not of {name}")
    for run in by_id:
        if (state := run.state()) in ("finished", "early_stopped"):
            raise UserError(f"{run} is {state}: there is nothing to resume")
    return by_id


def _newest_unfinished(workspace: Workspace, name: str) -> Run:
    states = {run: run.state() for run in workspace.list_runs(name)}
    for run, state in states.items():
        if state in RESUMABLE:
            return run
    newest, state = next(iter(states.items()))
    raise UserError(f"{newest} is {state}: there is nothing to resume")
