"""`prepare` and `evaluate`: an engine process that answers and ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.contract.errors import UserError
from slm_tui.commands.common import (
    Checkpoint,
    Device,
    ExperimentName,
    Json,
    Mirror,
    Overrides,
    RunReference,
    as_arguments,
    checked_device,
    console,
    facts_of,
    print_json,
    say,
    workspace_of,
)
from slm_tui.commands.running import EXIT_STOPPED
from slm_tui.commands.stories import Quantize, Seed, checked
from slm_tui.commands.which_run import device_of, run_with_checkpoint
from slm_tui.formats import count, decimal, perplexity, shown_path


def prepare(
    context: typer.Context,
    name: ExperimentName,
    overrides: Overrides = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """Make an experiment's data: tokenizer, token files."""
    from engine.contract.events import Prepared
    from slm_tui.console import preparation_shown
    from slm_tui.engine_calls import answer_of
    from slm_tui.launcher import plan

    workspace = workspace_of(context)
    plan(workspace, name, overrides or [])
    arguments = ["prepare", name, "--workspace", str(workspace.root)]
    arguments += as_arguments(overrides)
    try:
        with preparation_shown(console(stderr=True)) as show:
            prepared = answer_of(arguments, Prepared, show, mirror)
    except KeyboardInterrupt:
        say("interrupted: what is done so far is kept, and the same command goes on from there")
        raise typer.Exit(EXIT_STOPPED) from None
    if json:
        print_json(facts_of(prepared))
        return
    how = "was prepared already" if prepared.cached else "prepared"
    print(f"{name} {how}: {shown_path(Path(prepared.directory))}")
    print(
        f"  to train on: {count(prepared.train_tokens)} tokens of {count(prepared.train_stories)} stories; "
        f"to validate on: {count(prepared.val_tokens)} of {count(prepared.val_stories)}; "
        f"a vocabulary of {count(prepared.vocab_size)}"
    )


Prompts = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Prompts: a line each, or .jsonl with a key prompt.", show_default=False),
]
Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the stories here instead of stdout.", show_default=False)
]


def evaluate(
    context: typer.Context,
    reference: RunReference,
    checkpoint: Checkpoint = "best",
    device: Device = None,
    prompts: Prompts = None,
    output: Output = None,
    seed: Seed = None,
    quantize: Quantize = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """Loss, perplexity, bits per byte of a checkpoint.

    Over the whole validation split, where training evaluates on a part of it. With --prompts, a story for each prompt
    instead, as the run's [sampling] table says, to be judged elsewhere.
    """
    from engine.contract.events import Evaluated
    from slm_tui.console import preparation_shown
    from slm_tui.engine_calls import answer_of

    run = run_with_checkpoint(workspace_of(context), reference, checkpoint)
    if prompts is not None:
        from slm_tui.commands.judging import write_stories

        checked({"seed": seed})
        write_stories(run, checkpoint, checked_device(device), prompts, output, seed, quantize, mirror)
        return
    for flag, value in (("output", output), ("seed", seed), ("quantize", quantize)):
        if value is not None:
            raise UserError(f"--{flag}: is for the stories of --prompts, which is not given")
    arguments = [
        "evaluate",
        str(run.path),
        "--checkpoint",
        checkpoint,
        "--device",
        checked_device(device) or device_of(run),
    ]
    with preparation_shown(console(stderr=True)) as show:
        answer = answer_of(arguments, Evaluated, show, mirror)
    if json:
        print_json({"run": str(run), **facts_of(answer), "perplexity": perplexity(answer.val_loss)})
        return
    print(f"{run}, {checkpoint} checkpoint, step {count(answer.step)}, {count(answer.tokens)} validation tokens")
    print(
        f"  validation loss {decimal(answer.val_loss, 4)}  perplexity {decimal(perplexity(answer.val_loss), 2)}  "
        f"bits per byte {decimal(answer.bits_per_byte, 4)}"
    )
