"""`prepare`, `evaluate` and `generate`: an engine process that answers and ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from engine.contract.errors import UserError
from engine.contract.experiment import Sampling
from engine.contract.experiment import Seed as SeedRange
from engine.contract.loading import wanted
from engine.contract.run import Run, State
from engine.contract.workspace import Workspace
from slm_tui.commands.common import (
    Checkpoint,
    Device,
    ExperimentName,
    ExperimentOrRun,
    Json,
    Mirror,
    Overrides,
    RunReference,
    checked_device,
    console,
    print_json,
    say,
    workspace_of,
)
from slm_tui.formats import count, decimal, perplexity, printable, shown_path

_WHAT_IT_DID = {  # of the other states a run "is" one
    "finished": "has finished",
    "early_stopped": "has stopped early",
    "stopped": "was stopped",
    "failed": "failed",
    "diverged": "diverged",
}


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
    arguments += [part for override in overrides or [] for part in ("--set", override)]
    with preparation_shown(console(stderr=True)) as show:
        prepared = answer_of(arguments, Prepared, show, mirror)
    if json:
        print_json(prepared)
        return
    how = "was prepared already" if prepared.cached else "prepared"
    print(f"{name} {how}: {shown_path(Path(prepared.directory))}")
    print(
        f"  {count(prepared.train_tokens)} training tokens, {count(prepared.val_tokens)} validation tokens, "
        f"a vocabulary of {count(prepared.vocab_size)}"
    )


def evaluate(
    context: typer.Context,
    reference: RunReference,
    checkpoint: Checkpoint = "best",
    device: Device = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """Loss, perplexity, bits per byte of a checkpoint.

    Over the whole validation split, where training evaluates on a part of it.
    """
    from engine.contract.events import Evaluated
    from slm_tui.console import preparation_shown
    from slm_tui.engine_calls import answer_of

    run = _run_with_checkpoint(workspace_of(context), reference, checkpoint)
    arguments = [
        "evaluate",
        str(run.path),
        "--checkpoint",
        checkpoint,
        "--device",
        checked_device(device) or _device_of(run),
    ]
    with preparation_shown(console(stderr=True)) as show:
        answer = answer_of(arguments, Evaluated, show, mirror)
    if json:
        facts = {key: value for key, value in msgspec.to_builtins(answer).items() if key not in ("event", "t")}
        print_json({"run": str(run), **facts, "perplexity": perplexity(answer.val_loss)})
        return
    print(f"{run}, {checkpoint} checkpoint, step {count(answer.step)}, {count(answer.tokens)} validation tokens")
    print(
        f"  validation loss {decimal(answer.val_loss, 4)}  perplexity {decimal(perplexity(answer.val_loss), 2)}  "
        f"bits per byte {decimal(answer.bits_per_byte, 4)}"
    )


Prompt = Annotated[
    str | None, typer.Option(help="How the story begins; - reads it from stdin.", metavar="TEXT", show_default=False)
]
MaxNewTokens = Annotated[int | None, typer.Option(help="Longest story.", show_default=False)]
Temperature = Annotated[float | None, typer.Option(help="0 is greedy.", show_default=False)]
TopK = Annotated[int | None, typer.Option(help="Of the likeliest K tokens; 0 is off.", show_default=False)]
TopP = Annotated[
    float | None, typer.Option(help="Of the likeliest tokens that make up P; 1 is off.", show_default=False)
]
MinP = Annotated[
    float | None, typer.Option(help="Least share of the likeliest token's probability; 0 is off.", show_default=False)
]
RepetitionPenalty = Annotated[float | None, typer.Option(help="1 is off.", show_default=False)]
AllowedScript = Annotated[
    str | None, typer.Option(metavar="any|arabic", help="Only tokens of this script.", show_default=False)
]
Seed = Annotated[int | None, typer.Option(help="The same seed, the same story.", show_default=False)]


def generate(
    context: typer.Context,
    reference: ExperimentOrRun,
    prompt: Prompt = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: MinP = None,
    repetition_penalty: RepetitionPenalty = None,
    allowed_script: AllowedScript = None,
    seed: Seed = None,
    checkpoint: Checkpoint = "best",
    device: Device = None,
    json: Json = False,
) -> None:
    """Write a story.

    What is not given is as the run's [sampling] table says.
    """
    run = _run_with_checkpoint(workspace_of(context), reference, checkpoint)
    defaults = run.experiment().sampling
    knobs = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "allowed_script": allowed_script,
    }
    _checked({"seed": seed})
    sampling = msgspec.structs.replace(defaults, **_checked(knobs))
    beginning = defaults.prompts[0] if prompt is None else _given_prompt(prompt)
    story = _tell(run, checkpoint, checked_device(device) or _device_of(run), beginning, sampling, seed, not json)
    if json:
        print_json(story)


def _given_prompt(prompt: str) -> str:
    """The text of --prompt, or of stdin.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        text = sys.stdin.buffer.read().decode().removesuffix("\n") if prompt == "-" else prompt
        text.encode()  # bytes of an argument that were no UTF-8 are lone surrogates now
    except UnicodeError as error:
        raise UserError(f"--prompt: wants UTF-8 text: {error}") from None
    return text


class Story(msgspec.Struct):
    """What `generate --json` prints."""

    run: str
    checkpoint: str
    step: int
    device: str
    prompt: str
    text: str  # the prompt included
    tokens: int  # the prompt's not counted
    tokens_per_second: float
    reason: str
    seed: int
    sampling: dict[str, Any]


def _tell(
    run: Run, checkpoint: str, device: str, prompt: str, sampling: Sampling, seed: int | None, aloud: bool
) -> Story:
    """Have a story written; `aloud` writes it to stdout, each piece as it comes."""
    from engine.contract.generation import Done, Generate, Loaded, Text
    from slm_tui.engine_calls import story

    loaded, done, pieces = None, None, [prompt]
    write = _write if aloud else str
    try:
        for reply in story(run, checkpoint, device, Generate(prompt, sampling, seed)):
            if isinstance(reply, Loaded):
                loaded = reply
                write(prompt)
            elif isinstance(reply, Text):
                pieces.append(reply.text)
                write(reply.text)
            elif isinstance(reply, Done):
                done = reply
    finally:
        if loaded:  # what went wrong in the middle is told on a line of its own
            write("\n")
    assert loaded and done, "a story that was told to its end"
    if aloud and sys.stderr.isatty():
        say(f"\n{run}, step {loaded.step}: {done.tokens} tokens, seed {done.seed}")
    used = {key: value for key, value in msgspec.to_builtins(sampling).items() if key not in ("prompts", "translate")}
    rate = round(done.tokens_per_second, 1)
    text = "".join(pieces)
    return Story(
        str(run), checkpoint, loaded.step, loaded.device, prompt, text, done.tokens, rate, done.reason, done.seed, used
    )


def _write(text: str) -> None:
    sys.stdout.write(printable(text))
    sys.stdout.flush()


def _checked(knobs: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, each as the schema wants it."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Sampling)} | {"seed": SeedRange}
    given = {key: value for key, value in knobs.items() if value is not None}
    for key, value in given.items():
        try:
            given[key] = msgspec.convert(value, fields[key])
        except msgspec.ValidationError:
            flag = key.replace("_", "-")
            raise UserError(f"--{flag} {value}: wants {wanted(msgspec.inspect.type_info(fields[key]))}") from None
    return given


def _run_with_checkpoint(workspace: Workspace, reference: str, checkpoint: str) -> Run:
    """The run that `reference` means; of an experiment's runs the newest that has such a checkpoint.

    Raises:
        UserError: there is no such run, or it has no such checkpoint.
    """
    newest = workspace.find_run(reference)
    candidates = workspace.list_runs(newest.name) if newest.name == reference else [newest]
    run = next((run for run in candidates if (run.checkpoints / checkpoint).is_dir()), None)
    if run == newest:
        return newest
    state = newest.state()
    lacks = f"{newest} has no {checkpoint} checkpoint: it {_WHAT_IT_DID.get(state, f'is {state}')}"
    if run is None:
        raise UserError(lacks + _way_to_a_checkpoint(newest, checkpoint, state))
    say(f"{lacks}; this is of {run}, the newest run that has one")
    return run


def _way_to_a_checkpoint(run: Run, checkpoint: str, state: State) -> str:
    """What a person would do now, where no run has such a checkpoint."""
    other = "last" if checkpoint == "best" else "best"
    if (run.checkpoints / other).is_dir():
        return f"; --checkpoint {other} takes its {other} one"
    if state in ("queued", "preparing", "training"):
        return f"; slm-tui show {run.id} says how far it is"
    if state in ("stopped", "lost"):
        return f"; slm-tui run {run.name} --resume {run.id} goes on with it"
    return f"; slm-tui run {run.name} starts a new one"


def _device_of(run: Run) -> str:
    """The device that the run's file asks for, for this command too."""
    return run.experiment().hardware.device
