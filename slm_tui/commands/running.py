"""`run` and `stop`: starting engine processes, watching them, ending them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from engine.contract.errors import UserError
from engine.runs.run import RESUMABLE, Run, State
from engine.runs.workspace import Workspace
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
from slm_tui.progress import RunProgress

EXIT_FAILED, EXIT_STOPPED = 1, 130


@dataclass(frozen=True)
class _NewRun:
    workspace: Workspace
    planned: launcher.Planned

    def launch(self, mirror: Path | None) -> _Started:
        run, process = launcher.start(self.workspace, self.planned, mirror)
        return _Started(RunProgress(run), process)


@dataclass(frozen=True)
class _Resumption:
    run: Run
    overrides: Sequence[str]

    def launch(self, mirror: Path | None) -> _Started:
        progress = RunProgress(self.run)
        progress.catch_up()  # before the engine adds to it
        return _Started(progress, launcher.resume(self.run, self.overrides, mirror))


@dataclass(frozen=True, eq=False)
class _Started:
    """A run that this process started, and its engine."""

    progress: RunProgress
    process: subprocess.Popen[bytes]

    @property
    def run(self) -> Run:
        return self.progress.run

    @property
    def has_spoken(self) -> bool:
        """Whether its engine has written an event: it trains, or has its place in the queue."""
        return self.run.status().pid == self.process.pid

    def cancel(self) -> bool:
        """End it, if it has not begun to train; whether it was so."""
        status = self.run.status()
        waits = status.queued is not None or status.pid != self.process.pid
        if waits and self.process.poll() is None:
            self.process.terminate()
            return True
        return False


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

    A run waits while another has its device, so several experiments run one after the other. They go on if this
    terminal goes away.
    """
    workspace = workspace_of(context)
    changes = [*(overrides or []), *([f'hardware.device="{checked_device(device)}"'] if device else [])]
    starts: list[_NewRun | _Resumption]
    if resume:
        starts = [_Resumption(run, changes) for run in _unfinished(workspace, names)]
    else:
        starts = [_NewRun(workspace, launcher.plan(workspace, name, changes)) for name in names]
    if detach:
        _detach(_start_all(starts, mirror, settle=True), json)
        return
    facts, codes = _watch_all(_start_all(starts, mirror, settle=len(starts) > 1), json)
    if json:
        print_json(facts[0] if len(starts) == 1 else facts)
    raise typer.Exit(EXIT_FAILED if EXIT_FAILED in codes else max(codes))


def stop(context: typer.Context, reference: RunReference, json: Json = False) -> None:
    """End a run after its current step, with a checkpoint; one that is queued is cancelled."""
    from slm_tui.summary import print_summary
    from slm_tui.watch import POLL_SECONDS

    target = workspace_of(context).find_run(reference)
    was = launcher.stop(target)
    say(f"{target} was queued: cancelled" if was == "queued" else f"{target} ends after its current step …")
    while target.is_alive():
        time.sleep(POLL_SECONDS)
    facts = run_facts(target)
    if json:
        print_json(facts)
    else:
        print_summary(console(), target, facts)


def _start_all(starts: Sequence[_NewRun | _Resumption], mirror: Path | None, *, settle: bool) -> list[_Started]:
    """Start every engine; with `settle` each only once the one before it has its place in the queue."""
    from slm_tui.watch import POLL_SECONDS

    started: list[_Started] = []
    try:
        for start in starts:
            started.append(start.launch(mirror))
            while settle and not started[-1].has_spoken and started[-1].process.poll() is None:
                time.sleep(POLL_SECONDS)
    except BaseException:  # Ctrl-C, or one that cannot start: the others do not go on unseen
        for each in started:
            each.process.terminate()
        raise
    return started


def _watch_all(started: Sequence[_Started], json: bool) -> tuple[list[RunFacts], list[int]]:
    """Watch the runs to their ends, in their order: facts and exit codes.

    A Ctrl-C ends the one that is watched, and those that are queued before it, so that none of them gets its turn.
    """
    facts, codes = [], []
    cancelled: list[_Started] = []
    for index, each in enumerate(started):
        later = started[index + 1 :]

        def stop(each: _Started = each, later: Sequence[_Started] = later) -> None:
            cancelled.extend([other for other in later if other.cancel()])
            each.process.terminate()

        ended, code, interrupted = _watch_one(each, stop, json)
        facts.append(ended)
        codes.append(code)
        if interrupted:
            facts += [_leave(other, other in cancelled) for other in later]
            codes += [EXIT_STOPPED] * len(later)
            break
    return facts, codes


def _watch_one(each: _Started, stop: Callable[[], None], json: bool) -> tuple[RunFacts, int, bool]:
    """Watch a run to its end: the facts, the exit code, and whether the person pressed Ctrl-C."""
    from slm_tui.console import view_on
    from slm_tui.summary import print_summary
    from slm_tui.watch import watch

    out = console(stderr=json)
    view = view_on(out)
    try:
        outcome, interrupted = watch(each.progress, each.process, view, stop)
    finally:
        view.close()
    facts = run_facts(each.run, each.progress.status)
    if outcome == "left":
        say(f"{each.run} stops by itself; slm-tui show {each.run.id} tells when it has")
        return facts, EXIT_STOPPED, True
    facts.state = outcome
    if not json or outcome not in ("finished", "early_stopped"):
        print_summary(out, each.run, facts, each.process.returncode)
    if outcome == "lost" and each.process.returncode == -signal.SIGKILL:
        say(_less_memory(each.run))
    return facts, _exit_code(outcome), interrupted


def _less_memory(run: Run) -> str:
    """What to change where the system has ended a run, perhaps for want of memory."""
    train = run.experiment().train
    less = "a smaller model.block_size"
    if train.batch_size > 1:
        halved, steps = -(-train.batch_size // 2), 2 * train.grad_accum_steps
        less = f"train.batch_size = {halved} with train.grad_accum_steps = {steps}"
    return f"  where memory was too short, {less} takes less"


def _leave(each: _Started, cancelled: bool) -> RunFacts:
    """Say what becomes of a run that is watched no more."""
    if cancelled:
        each.process.wait()
        say(f"{each.run} was queued: cancelled")
    elif each.process.poll() is None:  # on another device
        say(f"{each.run} goes on; slm-tui stop {each.run.id} ends it")
    else:
        say(f"{each.run} is {each.run.state()}")
    return run_facts(each.run)


def _exit_code(outcome: State) -> int:
    if outcome == "stopped":
        return EXIT_STOPPED
    return 0 if outcome in ("finished", "early_stopped") else EXIT_FAILED


def _detach(started: Sequence[_Started], json: bool) -> None:
    """Name the runs, and tell of those that ended at once."""
    from slm_tui.summary import last_lines

    ended = [each for each in started if each.process.poll() not in (None, 0)]
    going = [each for each in started if each not in ended]
    for each in ended:
        said = each.run.status().error or "\n".join(last_lines(each.run.log))
        say(f"{each.run} ended at once:\n{said or f'exit status {each.process.returncode}'}")
    if json and going:
        documents = [{"run": str(each.run), "path": str(each.run.path), "pid": each.process.pid} for each in going]
        print_json(documents[0] if len(started) == 1 else documents)
    elif going:
        for each in going:
            print(each.run)
        which = going[0].run.id if len(going) == 1 else "RUN"
        say(f"slm-tui show {which} says how far it is, slm-tui stop {which} ends it")
    if ended:
        raise typer.Exit(EXIT_FAILED)


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
