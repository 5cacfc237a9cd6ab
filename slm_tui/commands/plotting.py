"""`plot` and `report`: what runs came to, as a file to send to somebody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.contract.errors import UserError
from slm_tui.commands.common import RUNS, say, workspace_of
from slm_tui.commands.which_run import run_with_steps
from slm_tui.formats import shown_path

References = Annotated[list[str], RUNS]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]
XAxis = Annotated[Literal["step", "tokens", "time"], typer.Option("--x", help="What the x axis counts.")]
LogX = Annotated[bool, typer.Option("--log-x", help="A logarithmic x axis.")]
Smoothing = Annotated[
    float | None,
    typer.Option(
        metavar="WEIGHT",
        help="Of the past in the smoothed curve, from 0 (none) to below 1; by default the dashboard's.",
        show_default=False,
    ),
]


def plot(
    context: typer.Context,
    references: References,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="NAME.png, .svg or .pdf.", show_default=False)
    ],
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", metavar="METRIC", help="What to draw, once or several times: loss, perplexity, lr, grad_norm, …"
        ),
    ] = None,
    axis: XAxis = "step",
    log_x: LogX = False,
    smoothing: Smoothing = None,
    dark: Annotated[bool, typer.Option("--dark", help="On a dark background.")] = False,
    force: Force = False,
) -> None:
    """Draw the curves of runs into a file.

    Loss and perplexity, unless --metric says otherwise. One run is drawn in full; of several, validation stands in
    front and training faded behind it.
    """
    from slm_tui import plots
    from slm_tui.charts.overlay import ChartOptions

    weight = _checked_weight(smoothing)
    plots.checked_output(output, plots.SUFFIXES, force)
    chosen = plots.metrics_named(metrics or ["loss", "perplexity"])
    workspace = workspace_of(context)
    runs = [run_with_steps(workspace, reference) for reference in references]
    sources = plots.sources_of(runs)
    for run in dict.fromkeys(map(str, runs)):
        if run not in (source.label for source in sources):
            say(f"{run} has no step, and is left out")
    plots.save(output, sources, chosen, ChartOptions(axis, log_x, smoothing=weight), dark)
    print(shown_path(output))


def report(
    context: typer.Context,
    references: References,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="NAME.html.", show_default=False)],
    axis: XAxis = "step",
    log_x: LogX = False,
    smoothing: Smoothing = None,
    force: Force = False,
) -> None:
    """Tell of runs on one web page.

    Curves, results, stories, configuration and machine in a single file, which loads nothing from anywhere and can be
    sent as it is.
    """
    from slm_tui.charts.overlay import ChartOptions
    from slm_tui.plots import checked_output
    from slm_tui.report.page import write_report

    weight = _checked_weight(smoothing)
    checked_output(output, (".html", ".htm"), force)
    workspace = workspace_of(context)
    runs = [run_with_steps(workspace, reference) for reference in references]
    write_report(output, runs, ChartOptions(axis, log_x, smoothing=weight))
    print(shown_path(output))


def _checked_weight(smoothing: float | None) -> float:
    from slm_tui.settings import Settings

    if smoothing is None:
        return Settings().smoothing
    if not 0 <= smoothing < 1:
        raise UserError(f"--smoothing {smoothing:g}: must be 0 (none) or more, and below 1")
    return smoothing
