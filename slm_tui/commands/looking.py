"""`list`, `runs` and `show`: what there is, and how it stands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.runs.workspace import Workspace, valid_name
from slm_tui.commands.common import (
    ExperimentOrRun,
    Json,
    Overrides,
    complete_experiment,
    console,
    print_json,
    say,
    workspace_of,
)
from slm_tui.facts import experiment_facts, run_facts
from slm_tui.formats import shown_path


def list_experiments(context: typer.Context, json: Json = False) -> None:
    """The experiments, and what they have reached.

    The state is that of the newest run; loss, perplexity and bits per byte are the best of all runs, and parameters,
    data and tokenizer are those of the run that has them.
    """
    workspace = workspace_of(context)
    experiments = experiment_facts(workspace)
    if json:
        print_json(experiments)
    elif experiments:
        from slm_tui.tables import print_experiments

        print_experiments(console(), experiments)
    else:
        say(no_experiments(workspace))


def no_experiments(workspace: Workspace) -> str:
    """What to say in a folder that has no experiments yet."""
    from slm_tui.shipped import shipped_experiments

    names = ", ".join(file.stem for file in shipped_experiments())
    return f"no experiments in {shown_path(workspace.experiments)}\nslm-tui init puts the shipped ones there: {names}"


def runs(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Only this experiment's.", autocompletion=complete_experiment, show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """The runs, newest first."""
    workspace = workspace_of(context)
    found = workspace.list_runs(name)
    if name and not found and not (workspace.experiments / f"{valid_name(name)}.toml").is_file():
        workspace.experiment_file(name)  # says what there is instead
    facts = [run_facts(run) for run in found]
    if json:
        print_json(facts)
    elif facts:
        from slm_tui.tables import print_runs

        print_runs(console(), facts)
    else:
        say(f"no runs{f' of {name}' if name else ''} yet; slm-tui run {name or 'NAME'} starts one")


def show(context: typer.Context, reference: ExperimentOrRun, overrides: Overrides = None, json: Json = False) -> None:
    """An experiment or a run in full.

    Every key with its value, the model's size, its tokens, the memory it needs, its results.
    """
    from slm_tui.details import experiment_details, print_details, run_details

    workspace = workspace_of(context)
    if reference in {file.stem for file in workspace.experiment_files()}:
        details = experiment_details(workspace, reference, overrides or [])
    else:
        details = run_details(workspace.find_run(reference))
    if json:
        print_json(details)
    else:
        print_details(console(), details)
    sys.stdout.flush()
