"""`compare`: runs side by side, or beside the reference's figures."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from engine.contract.errors import UserError
from engine.runs.run import Run
from engine.runs.workspace import Workspace
from slm_tui.commands.common import RUNS, Json, console, print_json, workspace_of
from slm_tui.commands.which_run import run_with_steps


def compare(
    context: typer.Context,
    references: Annotated[list[str] | None, RUNS] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Beside the published figures of the notebooks; of all runs, where none is given."
        ),
    ] = False,
    json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print comma-separated values: a row a run, figures in full.")
    ] = False,
) -> None:
    """Runs side by side.

    Their results, the best of each marked, and the keys in which they differ.
    """
    from slm_tui.compare import compare, csv_rows

    if json and as_csv:
        raise UserError("--json and --csv: give only one of them")
    workspace = workspace_of(context)
    runs = [run_with_steps(workspace, name) for name in references or ()]
    if reference:
        _compare_with_reference(workspace, runs, json, as_csv)
        return
    if not runs:
        raise UserError("Missing argument RUN: give one run or more, or --reference")
    comparison = compare(runs)
    if json:
        print_json(comparison)
    elif as_csv:
        _print_csv(csv_rows(comparison))
    else:
        from slm_tui.charts.palette import letter
        from slm_tui.side_by_side import print_comparison

        print_comparison(console(), comparison, [letter(place) for place in range(len(comparison.runs))])
    sys.stdout.flush()


def _compare_with_reference(workspace: Workspace, runs: list[Run], json: bool, as_csv: bool) -> None:
    from slm_tui.reference import print_reference, reference_rows, reference_table

    table = reference_table(workspace, runs or None)
    if json:
        print_json(table)
    elif as_csv:
        _print_csv(reference_rows(table))
    else:
        print_reference(console(), table)
    sys.stdout.flush()


def _print_csv(rows: list[list[Any]]) -> None:
    import csv

    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
