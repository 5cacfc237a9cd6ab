"""`doctor`: the machine."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.contract.errors import UserError
from slm_tui.commands.common import Device, Json, Mirror, checked_device, print_json, workspace_of

Train = Annotated[
    bool, typer.Option("--train", help="Train tiny models, kill and resume one: does this machine train as it should?")
]


def doctor(
    context: typer.Context, train: Train = False, device: Device = None, mirror: Mirror = None, json: Json = False
) -> None:
    """Look at the machine: torch, CUDA, disk, mirror.

    Also Python, memory, the workspace and the terminal. With --train, prove in under two minutes that it trains.
    """
    if train:
        failed = _prove(checked_device(device) or "auto", json)
    elif device:
        raise UserError(f"--device {device}: is for --train")
    else:
        failed = _look(context, mirror, json)
    if failed:
        raise typer.Exit(1)


def _look(context: typer.Context, mirror: Mirror, json: bool) -> bool:
    from slm_tui.doctor import examine, print_report

    report = examine(workspace_of(context), mirror)
    if json:
        print_json(report)
    else:
        print_report(report)
    return report.bad


def _prove(device: str, json: bool) -> bool:
    from slm_tui.doctor import print_proof, proof_rows, prove

    rows, proven = prove(device, (lambda row: None) if json else print_proof)
    if json:
        holds = proven.failed == 0
        print_json({"device": proven.device, "name": proven.name, "holds": holds, "checks": proof_rows(rows)})
    elif proven.failed:
        print(f"{proven.failed} of {len(rows)} checks fail on {proven.device}")
    else:
        print(f"{proven.device} trains as it should")
    return proven.failed > 0
