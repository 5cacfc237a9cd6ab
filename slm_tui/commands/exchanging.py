"""`export` and `import`: weights and metrics for other tools, and weights from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.contract.export_formats import EXPORT_FORMATS, export_format
from slm_tui.commands.common import (
    Checkpoint,
    Json,
    Mirror,
    Overrides,
    RunReference,
    as_arguments,
    complete_experiment,
    facts_of,
    print_json,
    say,
    workspace_of,
)
from slm_tui.commands.which_run import run_with_checkpoint, run_with_steps
from slm_tui.formats import count, quantity, shown_path

Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="; ".join(f"{name}: {row.description}" for name, row in EXPORT_FORMATS.items()) + ".",
        callback=export_format,
        autocompletion=lambda incomplete: [name for name in EXPORT_FORMATS if name.startswith(incomplete)],
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR|FILE", help="Where to write it; must not exist yet.", show_default=False
    ),
]


def export(
    context: typer.Context,
    reference: RunReference,
    format: Format,
    output: Output,
    checkpoint: Checkpoint = "best",
    json: Json = False,
) -> None:
    """Weights or metrics of a run, for other tools."""
    from engine.contract.events import Exported
    from slm_tui.engine_calls import answer_of

    workspace = workspace_of(context)
    row = EXPORT_FORMATS[format]
    of_metrics = row.content == "metrics"
    run = run_with_steps(workspace, reference) if of_metrics else run_with_checkpoint(workspace, reference, checkpoint)
    arguments = ["export", str(run.path), "--format", format, "--output", str(output), "--checkpoint", checkpoint]
    answer = answer_of(arguments, Exported, lambda event: None)
    if json:
        print_json(facts_of(answer))
        return
    what = (
        f"{count(answer.points or 0)} points" if of_metrics else f"{checkpoint} checkpoint, step {count(answer.step)}"
    )
    print(f"{run}, {what}: {shown_path(output)}")
    say(f"  {row.how_to_open.format(path=shown_path(output))}")
    for note in answer.notes:
        say(f"  {note}")


def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A checkpoint, a state dict, .safetensors, a Hugging Face folder.", show_default=False
        ),
    ],
    experiment: Annotated[
        str,
        typer.Option(
            "--experiment",
            metavar="NAME",
            help="Whose run it becomes; written where there is none of that name.",
            autocompletion=complete_experiment,
            show_default=False,
        ),
    ],
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer",
            metavar="FOLDER",
            help="Its tokenizer, where it is not beside the weights: tokenizer.json, or a checkpoint's tokenizer.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """A run of weights that were made elsewhere.

    nanoGPT's, those of a GPT-2 from Hugging Face, or any that are alike. What shapes do not tell, such as the number
    of heads, is taken from the file, the experiment, or --set model.n_head=N. No code in a file is ever run.
    """
    from engine.contract.events import Imported
    from engine.runs.run import Run
    from slm_tui.engine_calls import answer_of

    workspace = workspace_of(context)
    name = experiment.removesuffix(".toml")
    arguments = ["import", str(file), f"--experiment={name}", "--workspace", str(workspace.root)]
    arguments += as_arguments(overrides)
    arguments += ["--tokenizer", str(tokenizer)] if tokenizer else []
    answer = answer_of(arguments, Imported, lambda event: None, mirror)
    if json:
        print_json(facts_of(answer))
        return
    run = Run(Path(answer.run))
    print(f"{run}: {quantity(answer.parameters)} parameters, a vocabulary of {count(answer.vocab_size)}")
    for note in answer.notes:
        say(f"  {note}")
    if answer.written:
        say(f"  {shown_path(Path(answer.file))} was written; its [data] is the built-in corpus:")
        say("  evaluate means something once it names texts that the model was not trained on")
    say(f'  slm-tui generate {run.id} --prompt "…" lets it write')
