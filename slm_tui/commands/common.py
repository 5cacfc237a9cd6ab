"""What the commands share: the workspace, `--json`, completion of names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from engine.contract.errors import UserError
from engine.contract.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console

    from engine.contract.events import Event


_PIPE_WIDTH = 1_000_000  # columns; a line that long is nobody's


def workspace_of(context: typer.Context) -> Workspace:
    """The workspace that `--workspace`, the environment or the current folder names."""
    return Workspace.at(context.find_root().params.get("workspace"))


def print_json(document: Any) -> None:
    """One JSON document on stdout; paths as texts."""
    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def facts_of(event: Event) -> dict[str, Any]:
    """What an engine's answer tells, for `--json`: without what makes an event of it."""
    return {key: value for key, value in msgspec.to_builtins(event).items() if key not in ("event", "t", "clock")}


def as_arguments(overrides: Sequence[str] | None) -> list[str]:
    """The overrides as an engine command takes them, too."""
    return [part for override in overrides or () for part in ("--set", override)]


def console(stderr: bool = False) -> Console:
    """A Rich console for facts: nothing is highlighted by itself, and no line is folded in a pipe or a file."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:  # Rich would take it for 80 columns wide
        made.width = _PIPE_WIDTH
    return made


def checked_device(device: str | None) -> str | None:
    """`device`, if it may be the name of one."""
    from engine.contract.experiment import Hardware

    try:
        msgspec.convert({"device": device or "auto"}, Hardware)
    except msgspec.ValidationError:
        raise UserError(f"--device {device}: wants auto, cpu, mps, cuda or cuda:N") from None
    return device


def say(message: str) -> None:
    """A word to the person, where it does not mix with facts."""
    sys.stderr.write(message + "\n")


def complete_experiment(context: typer.Context, incomplete: str) -> list[str]:
    try:
        names = [file.stem for file in workspace_of(context).experiment_files()]
    except UserError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    try:
        runs = workspace_of(context).list_runs()
    except UserError:
        return []
    references = list(dict.fromkeys([*(run.name for run in runs), *(run.id for run in runs)]))
    return [reference for reference in references if reference.startswith(incomplete)]


def complete_either(context: typer.Context, incomplete: str) -> list[str]:
    return list(dict.fromkeys([*complete_experiment(context, incomplete), *complete_run(context, incomplete)]))


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else there.")]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help="auto, cpu, mps, cuda or cuda:1.", show_default=False),
]
Mirror = Annotated[
    Path | None,
    typer.Option(
        "--mirror", metavar="DIR", help="Look for data here before the network (SLM_DATA_MIRROR).", show_default=False
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="TABLE.KEY=VALUE", help="Change a key of the file for this time.", show_default=False
    ),
]
ExperimentName = Annotated[
    str, typer.Argument(metavar="NAME", help="An experiment.", autocompletion=complete_experiment, show_default=False)
]
RunReference = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id or part of it, or an experiment: its newest run.",
        autocompletion=complete_run,
        show_default=False,
    ),
]
ExperimentOrRun = Annotated[
    str,
    typer.Argument(
        metavar="NAME|RUN", help="An experiment or a run's id.", autocompletion=complete_either, show_default=False
    ),
]
RUNS = typer.Argument(
    metavar="RUN",
    help="Runs by id or part of it, or experiments: their newest runs.",
    autocompletion=complete_run,
    show_default=False,
)
ExperimentNames = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME",
        help="Experiments; with --resume also runs.",
        autocompletion=complete_either,
        show_default=False,
    ),
]
Checkpoint = Annotated[Literal["best", "last"], typer.Option(help="Which checkpoint.")]
