"""`doctor`: the machine."""

from __future__ import annotations

import typer

from slm_tui.commands.common import Json, Mirror, print_json, workspace_of


def doctor(context: typer.Context, mirror: Mirror = None, json: Json = False) -> None:
    """Look at the machine: torch, CUDA, disk, mirror.

    Also Python, memory, the workspace and the terminal.
    """
    from slm_tui.doctor import examine, print_report

    report = examine(workspace_of(context), mirror)
    if json:
        print_json(report)
    else:
        print_report(report)
    if report.bad:
        raise typer.Exit(1)
