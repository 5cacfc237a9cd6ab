"""The command line: every command by its name, and what is common to all of them.

slm-tui --help
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slm_tui.commands import (
    comparing,
    exchanging,
    files,
    looking,
    machine,
    measuring,
    plotting,
    running,
    serving,
    stories,
    tokenizing,
)

app = typer.Typer(
    name="slm-tui",
    help="Describe, run, watch, compare and read small language models.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, function in (  # in the order of the help
    ("run", running.run),
    ("stop", running.stop),
    ("list", looking.list_experiments),
    ("runs", looking.runs),
    ("show", looking.show),
    ("compare", comparing.compare),
    ("plot", plotting.plot),
    ("report", plotting.report),
    ("generate", stories.generate),
    ("evaluate", measuring.evaluate),
    ("prepare", measuring.prepare),
    ("tokenizer", tokenizing.tokenizer),
    ("export", exchanging.export),
    ("import", exchanging.import_),
    ("validate", files.validate),
    ("init", files.init),
    ("new", files.new),
    ("edit", files.edit),
    ("schema", files.schema),
    ("serve", serving.serve),
    ("doctor", machine.doctor),
):
    app.command(name)(function)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"slm-tui {version('slm-tui')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def slm_tui(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder with experiments/ and runs/; the current one by default (SLM_TUI_WORKSPACE).",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Without a command: the dashboard."""
    if context.invoked_subcommand is None:
        from slm_tui.app import open_dashboard

        open_dashboard(workspace)
