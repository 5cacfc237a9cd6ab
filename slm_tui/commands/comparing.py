"""`compare`: runs side by side."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.contract.errors import UserError
from slm_tui.commands.common import Json, complete_run, console, print_json, workspace_of


def compare(
    context: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="Runs by id or part of it, or experiments: their newest runs.",
            autocompletion=complete_run,
            show_default=False,
        ),
    ],
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
        raise UserError("--json and --csv: wants one of them")
    workspace = workspace_of(context)
    comparison = compare([workspace.find_run(reference) for reference in references])
    if json:
        print_json(comparison)
    elif as_csv:
        import csv

        csv.writer(sys.stdout, lineterminator="\n").writerows(csv_rows(comparison))
    else:
        from slm_tui.charts.palette import letter
        from slm_tui.side_by_side import print_comparison

        print_comparison(console(), comparison, [letter(place) for place in range(len(comparison.runs))])
    sys.stdout.flush()
