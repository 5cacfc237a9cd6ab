"""What `run` and `stop` say at the end: the outcome, its figures, and what to type next."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

from rich.console import Console
from rich.text import Text

from engine.contract.loading import ExperimentError
from engine.runs.run import Run
from slm_tui.console import STATE_STYLES
from slm_tui.facts import RunFacts
from slm_tui.formats import count, decimal, duration, printable, shown_path

_LOG_LINES = 12
_STARTED_BY_HAND = {"english": "Once upon a time", "arabic": "كان يا ما كان"}

_OUTCOMES = {
    "finished": "finished",
    "early_stopped": "stopped early: the validation loss no longer fell",
    "stopped": "stopped",
    "failed": "failed",
    "diverged": "diverged: the loss was no longer a number",
    "lost": "lost: its engine stopped without an error message",
}


def print_summary(console: Console, run: Run, facts: RunFacts, exit_status: int | None = None) -> None:
    """The end of a run, in a few lines; `exit_status` is the engine's, where it is known."""
    outcome = _OUTCOMES.get(facts.state, facts.state)
    head = Text.assemble((run.name, "bold"), " ", (outcome, STATE_STYLES.get(facts.state, "")))
    if facts.state == "lost":
        head.append(_cause(exit_status))
    console.print(head)
    if facts.error:
        console.print(Text(printable(facts.error)))
    for line in _figures(facts):
        console.print(line, markup=False)
    if facts.state == "lost":  # a failed run has said why
        _print_log(console, run.log)
    commands = next_commands(run, facts)
    if commands:
        console.print(Text("\nnext", "dim"))
        for command in commands:
            console.print(f"  {command}", markup=False, soft_wrap=True)


def _figures(facts: RunFacts) -> list[str]:
    lines = []
    if facts.step:
        steps = f"{count(facts.step)} of {count(facts.max_steps)} steps" if facts.max_steps else f"{facts.step} steps"
        rate = f", {count(round(facts.tokens_per_second))} tokens/s" if facts.tokens_per_second else ""
        lines.append(f"  {steps}, {count(facts.tokens)} tokens in {duration(facts.seconds)}{rate}")
    if best := facts.best:
        lines.append(
            f"  best at step {count(best.step)}: validation loss {decimal(best.val_loss)}, "
            f"perplexity {decimal(best.perplexity, 2)}, bits per byte {decimal(best.bits_per_byte)}"
        )
    lines.append(f"  {shown_path(Path(facts.path))}")
    return lines


def _cause(exit_status: int | None) -> str:
    if exit_status is None or exit_status >= 0:
        return ""
    name = signal.Signals(-exit_status).name
    return f" ({name}, perhaps for want of memory)" if name == "SIGKILL" else f" ({name})"


def _print_log(console: Console, log: Path) -> None:
    lines = last_lines(log)
    if lines:
        console.print(Text(f"\nthe end of {shown_path(log)}", "dim"))
        for line in lines:
            console.print(f"  {line}", markup=False, soft_wrap=True)


def last_lines(log: Path) -> list[str]:
    """The last few lines of an engine's log."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [printable(line.rstrip()) for line in text.splitlines() if line.strip()][-_LOG_LINES:]


def next_commands(run: Run, facts: RunFacts) -> list[str]:
    """What a person would type now."""
    commands = []
    best, last = ((run.checkpoints / kind).is_dir() for kind in ("best", "last"))
    if best and not _damaged("best", facts):
        commands.append(f"slm-tui generate {run.name} --prompt {shlex.quote(_prompt(run))}")
    elif best and last:
        commands.append(f"slm-tui generate {run.name} --checkpoint last --prompt {shlex.quote(_prompt(run))}")
    if _damaged("last", facts):
        commands.append(f"slm-tui run {run.name}")
    elif facts.state in ("stopped", "lost") or (facts.state == "failed" and last):  # failed: once its cause is mended
        commands.append(f"slm-tui run {run.name} --resume {run.id}")
    return commands


def _damaged(kind: str, facts: RunFacts) -> bool:
    """Whether the run failed because of that checkpoint, as `engine.checkpoints.read` says it."""
    return f"checkpoints/{kind} is damaged" in (facts.error or "")


def _prompt(run: Run) -> str:
    """A prompt that the experiment itself uses, or the way stories begin in its language."""
    try:
        experiment = run.experiment()
    except ExperimentError:
        return _STARTED_BY_HAND["english"]
    written = next((prompt for prompt in experiment.sampling.prompts if prompt.strip()), None)
    return written or _STARTED_BY_HAND[experiment.data.language]
