"""`evaluate --prompts`: a story for each prompt of a file, as JSON lines, for judging elsewhere."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterable
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.generation import Generate
from engine.runs.run import Run
from slm_tui.commands.telling import Story, told
from slm_tui.commands.which_run import device_of
from slm_tui.engine_calls import stories
from slm_tui.formats import count, shown_path


def write_stories(
    run: Run,
    checkpoint: CheckpointName,
    device: str | None,
    prompts: Path,
    output: Path | None,
    seed: int | None,
    quantize: str | None,
    mirror: Path | None,
) -> None:
    """Write a line a prompt, as soon as its story is there, to `output` or stdout.

    The first story has the seed `seed`, by default the run's own, and each next one the next: the same command writes
    the same stories.

    Raises:
        UserError: `prompts` is no such file, or a line of it has no prompt.
    """
    experiment = run.experiment()
    first_seed = experiment.train.seed if seed is None else seed
    requests = [
        Generate(prompt, experiment.sampling, (first_seed + number) % 2**63, id=number)
        for number, prompt in enumerate(read_prompts(prompts))
    ]
    if output is not None and output.exists() and output.samefile(prompts):
        raise UserError(f"--output {output}: is the file of the prompts")
    device = device or ("auto" if quantize else device_of(run))
    written = told(run, requests, stories(run, checkpoint, device, requests, quantize, mirror))
    first = next(written)  # a file that is there gives way to a story, and not to a checkpoint that cannot be read
    with nullcontext(sys.stdout.buffer) if output is None else open(output, "wb") as file:
        _write(chain([first], written), file)
    if output is not None:
        print(f"{'a story' if len(requests) == 1 else f'{count(len(requests))} stories'}: {shown_path(output)}")


def _write(written: Iterable[Story], file: BinaryIO) -> None:
    for story in written:
        file.write(msgspec.json.encode(story) + b"\n")
        file.flush()


class _Line(msgspec.Struct):
    prompt: str


def read_prompts(path: Path) -> list[str]:
    """The prompts of a file: `prompt` of each line in a .jsonl file, or else the lines; empty lines are left out.

    Raises:
        UserError: there is none, or a line is not what it should be.
    """
    found = []
    for number, line in enumerate(path.read_bytes().removeprefix(BOM_UTF8).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=_Line).prompt if path.suffix == ".jsonl" else line.decode())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            requirement = 'an object with a text "prompt"' if path.suffix == ".jsonl" else "UTF-8 text"
            raise UserError(f"{path}: line {number}: must be {requirement}: {error}") from None
    if not found:
        raise UserError(f"{path}: has no prompts")
    return found
