"""`generate`: stories in the terminal, as they are written."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import msgspec
import typer

from engine.contract.errors import UserError
from engine.contract.experiment import SampleTranslate, Sampling
from engine.contract.experiment import Seed as SeedRange
from engine.contract.loading import requirement
from slm_tui.commands.common import (
    Checkpoint,
    Device,
    ExperimentOrRun,
    Json,
    Mirror,
    checked_device,
    print_json,
    say,
    workspace_of,
)
from slm_tui.commands.which_run import device_of, run_with_checkpoint

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
Stop = Annotated[
    list[str] | None,
    typer.Option(metavar="TEXT", help="End the story before this text; may be given again.", show_default=False),
]
AllowedScript = Annotated[
    str | None, typer.Option(metavar="any|arabic", help="Only tokens of this script.", show_default=False)
]
Translate = Annotated[
    tuple[str, str] | None,
    typer.Option(
        metavar="PROMPT_MODEL STORY_MODEL",
        help="Marian models that turn the prompt into the model's language and the story back.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(help="The same seed, the same story.", show_default=False)]
NumSamples = Annotated[int, typer.Option(help="Stories; the next one has the next seed.")]
Quantize = Annotated[
    Literal["int8"] | None,
    typer.Option(help="Faster on a CPU, a little less exact.", show_default=False),
]


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
    stop: Stop = None,
    allowed_script: AllowedScript = None,
    translate: Translate = None,
    seed: Seed = None,
    num_samples: NumSamples = 1,
    checkpoint: Checkpoint = "best",
    device: Device = None,
    quantize: Quantize = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """Write a story.

    What is not given is as the run's [sampling] table says. With --json several samples are a list.
    """
    from engine.contract.generation import Generate
    from slm_tui.commands.telling import Aloud, told
    from slm_tui.engine_calls import stories

    run = run_with_checkpoint(workspace_of(context), reference, checkpoint)
    defaults = run.experiment().sampling
    knobs = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": stop or None,
        "allowed_script": allowed_script,
        "translate": SampleTranslate(*translate) if translate else None,
    }
    checked({"seed": seed, "num_samples": num_samples})
    sampling = msgspec.structs.replace(defaults, **checked(knobs))
    beginning = defaults.prompts[0] if prompt is None else _given_prompt(prompt)
    request = Generate(beginning, sampling, seed, num_samples=num_samples)
    device = checked_device(device) or ("auto" if quantize else device_of(run))
    replies = stories(run, checkpoint, device, [request], quantize, mirror)
    written = list(told(run, [request], replies, None if json else Aloud()))
    if json:
        print_json(written if num_samples > 1 else written[0])
    elif sys.stderr.isatty():
        seeds = ", ".join(str(story.seed) for story in written)
        say(f"\n{run}, step {written[0].step}: {sum(story.tokens for story in written)} tokens, seed {seeds}")


def _given_prompt(prompt: str) -> str:
    """The text of --prompt, or of stdin.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        text = sys.stdin.buffer.read().decode().removesuffix("\n") if prompt == "-" else prompt
        text.encode()  # bytes of an argument that were no UTF-8 are lone surrogates now
    except UnicodeError as error:
        raise UserError(f"--prompt: must be UTF-8 text: {error}") from None
    return text


def checked(knobs: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given, each as the schema requires."""
    from engine.contract.generation import Generate

    fields = {field.name: field.type for table in (Generate, Sampling) for field in msgspec.structs.fields(table)}
    fields["seed"] = SeedRange
    given = {key: value for key, value in knobs.items() if value is not None}
    for key, value in given.items():
        try:
            given[key] = msgspec.convert(value, fields[key])
        except msgspec.ValidationError:
            flag = key.replace("_", "-")
            shown = " ".join(map(str, value)) if isinstance(value, list) else value
            raise UserError(
                f"--{flag} {shown}: must be {requirement(msgspec.inspect.type_info(fields[key]))}"
            ) from None
    return given
