"""Weights in: a run, like any other, of a model that was trained elsewhere.

    python -m engine import FILE --experiment NAME [--workspace DIR] [--set TABLE.KEY=VALUE] [--tokenizer FOLDER]

Where the workspace has an experiment NAME, the weights must fit its [model]; where it has none, one is written.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from engine.checkpoints.read import read_info, tokenizer_of
from engine.checkpoints.write import CheckpointInfo, write_model
from engine.contract.checks import GPT2_VOCAB_SIZE
from engine.contract.errors import UserError
from engine.contract.events import Checkpoint, EventWriter, Imported, RunEnded, RunStarted, Warning
from engine.contract.experiment import Experiment, Model
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.contract.files import replace_file, replaced_directory
from engine.contract.loading import parse_experiment, read_text
from engine.contract.overrides import apply_overrides
from engine.contract.shape import parameter_count, training_memory
from engine.data.tokenizers.byte_pair import gpt2
from engine.data.tokenizers.load import read_tokenizer
from engine.data.tokenizers.pretrained import HuggingFaceTokenizer, open_pretrained
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.data.write_errors import write_errors_explained
from engine.interop.fitting import fit_weights, model_keys, renamed_tensors
from engine.interop.foreign import ForeignWeights, read_foreign
from engine.interop.output import new_folder
from engine.interop.vocabulary import end_of_text, tokenizer_json
from engine.runs.info import describe
from engine.runs.run import Run, RunInfo
from engine.runs.workspace import Workspace, valid_name

_CHECKPOINTS = ("best", "last")
_GPT2_ROWS = range(GPT2_VOCAB_SIZE, 50_304 + 1)  # nanoGPT fills the vocabulary up to 50,304
_STEP_WINDOWS = 16  # that a step of a new experiment learns from
_MODEST_MEMORY = 8 << 30  # bytes, which most machines that train have
_UNNAMED = "."  # the place of a tokenizer's name until its run is made
_EXPERIMENT = """\
# Weights that were trained elsewhere, read from
#     {source}
# They say nothing of the texts that they were trained on: [data] names a corpus to evaluate them on, and is yours to
# change, like [train].

description = "Imported from {file}"
tags = ["imported"]

[data]
source = "builtin"

[tokenizer]
{tokenizer}

[model]
{model}

[train]
max_steps = 1_000
learning_rate = 1e-4 # a tenth of what training from scratch takes
warmup_steps = 50
"""


def import_weights(
    source: Path,
    name: str,
    workspace: Workspace,
    overrides: Sequence[str],
    tokenizer_folder: Path | None,
    mirror: Path | None,
) -> Imported:
    """Make a run of the experiment `name` with the weights in `source` as its best and its last checkpoint.

    `tokenizer_folder` has a tokenizer.json, or is the tokenizer of a checkpoint of ours; by default it is what comes
    with the weights, what the experiment's runs have, or GPT-2's where the vocabulary has its size.

    Raises:
        UserError: the weights cannot be read or do not fit, or something about them is not known. No run is made.
    """
    file = workspace.experiments / f"{valid_name(name)}.toml"
    foreign = read_foreign(source)
    tensors = renamed_tensors(foreign)
    foreign.tokenizer = tokenizer_folder or foreign.tokenizer
    written = not file.is_file()
    with write_errors_explained(workspace):  # of a tokenizer that is downloaded
        text, tokenizer = _suited(foreign, tensors, file, workspace, overrides, mirror)
    experiment = parse_experiment(text, str(file))
    weights, notes = fit_weights(foreign, tensors, experiment.model, tokenizer.vocab_size)
    info = CheckpointInfo(experiment.model, tokenizer.vocab_size, foreign.step, 0, foreign.val_loss)
    run = workspace.next_run(name)
    if experiment.tokenizer.name == _UNNAMED:
        kept = (run.checkpoints / "best" / "tokenizer").relative_to(workspace.root)
        text = apply_overrides(text, [f'tokenizer.name = "{kept.as_posix()}"'])
    about = describe(run, "cpu", experiment.train.seed)
    with new_folder(run.path) as folder:  # the run is found only once it is complete
        (folder / run.log.name).write_text("\n".join([f"imported from {source.absolute()}", *notes, ""]), "utf-8")
        _fill(Run(folder), about, text, weights, info, tokenizer, notes)
        if written:
            workspace.experiments.mkdir(exist_ok=True)
            replace_file(file, text.encode())
    count = parameter_count(experiment.model, tokenizer.vocab_size)
    model = msgspec.to_builtins(experiment.model)
    return Imported(str(run.path), str(file), written, info.step, count, tokenizer.vocab_size, model, notes)


def _suited(
    foreign: ForeignWeights,
    tensors: Mapping[str, Tensor],
    file: Path,
    workspace: Workspace,
    overrides: Sequence[str],
    mirror: Path | None,
) -> tuple[str, Tokenizer]:
    """The text of the experiment for the weights (that of `file`, or a new one) and the tokenizer that it names."""
    shapes = model_keys(foreign, tensors)
    if not file.is_file():
        tokenizer = _nameable(_tokenizer(foreign, tensors, file.stem, None, workspace, mirror)[0])
        return _new_experiment(foreign, shapes, tokenizer, overrides, str(file)), tokenizer
    text = apply_overrides(read_text(file), overrides)
    table = parse_experiment(text, str(file)).tokenizer
    tokenizer, fits = _tokenizer(foreign, tensors, file.stem, table, workspace, mirror)
    _check_tokenizer(table, tokenizer, file)
    if fits:
        return text, tokenizer
    tokenizer = _nameable(tokenizer)  # by which the run's data are cut, whatever [tokenizer] was
    keys = ", ".join(f"{key} = {_toml(value)}" for key, value in _table(tokenizer).items())
    return apply_overrides(text, [f"tokenizer={{{keys}}}"]), tokenizer


def _fill(
    run: Run,
    about: RunInfo,
    text: str,
    weights: Mapping[str, Tensor],
    info: CheckpointInfo,
    tokenizer: Tokenizer,
    notes: Sequence[str],
) -> None:
    """Write the files of `run`, whose run.json is `about`."""
    replace_file(run.experiment_file, text.encode())
    for kind in _CHECKPOINTS:
        with replaced_directory(run.checkpoints / kind) as new:
            write_model(new, dict(weights), info)
            tokenizer.save(new / "tokenizer")
    run.write_info(about)
    emit = EventWriter(run.metrics)
    emit(RunStarted(os.getpid(), socket.gethostname()))
    for note in notes:
        emit(Warning(note))
    for kind in _CHECKPOINTS:
        emit(Checkpoint(kind, info.step, str((run.checkpoints / kind).relative_to(run.path))))
    emit(RunEnded("finished"))
    emit.close()


def _tokenizer(
    foreign: ForeignWeights,
    tensors: Mapping[str, Tensor],
    name: str,
    table: TokenizerTable | None,
    workspace: Workspace,
    mirror: Path | None,
) -> tuple[Tokenizer, bool]:
    """The tokenizer of the weights, and whether `table`, which is what the experiment has, if any, gives the same."""
    rows = tensors["wte.weight"].shape[0]
    if foreign.tokenizer is not None:
        return read_tokenizer(foreign.tokenizer, mirror, workspace), False
    for run in workspace.list_runs(name):
        for kind in _CHECKPOINTS:
            if (run.checkpoints / kind).is_dir() and read_info(run, kind).vocab_size == rows:
                return tokenizer_of(run, kind), run.experiment().tokenizer == table
    if table is not None and table.kind == "huggingface":
        return open_pretrained(table, mirror, workspace.root), True
    if rows in _GPT2_ROWS:
        return gpt2(workspace.data / "downloads" / "tiktoken", mirror), table is not None and table.kind == "gpt2"
    raise UserError(
        f"{foreign.source}: its vocabulary of {rows:,} is not GPT-2's, and no run of {name} has one like it; give "
        "--tokenizer FOLDER with a tokenizer.json, or a run's checkpoints/best/tokenizer"
    )


def _check_tokenizer(table: TokenizerTable, tokenizer: Tokenizer, file: Path) -> None:
    """The experiment's data can be cut by the tokenizer of the weights."""
    if table.kind == "gpt2" and tokenizer.vocab_size != GPT2_VOCAB_SIZE:
        raise UserError(
            f'{file}: tokenizer.kind = "gpt2", but the weights have a vocabulary of {tokenizer.vocab_size:,}, not '
            "GPT-2's; import them as another experiment"
        )


def _nameable(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that a [tokenizer] table can name: a byte_bpe, which needs a corpus, becomes a huggingface one."""
    if tokenizer.kind == "byte_bpe":
        return HuggingFaceTokenizer(tokenizer_json(tokenizer), end_of_text(tokenizer))
    return tokenizer


def _new_experiment(
    foreign: ForeignWeights, shapes: Mapping[str, Any], tokenizer: Tokenizer, overrides: Sequence[str], file: str
) -> str:
    """The text of an experiment file for weights of these shapes, with as large a micro-batch as is modest."""
    text = _written(foreign, shapes, tokenizer, overrides)
    experiment = parse_experiment(apply_overrides(text, overrides), file)
    batch_size = _STEP_WINDOWS
    while batch_size > 1 and training_memory(_with_batch(experiment, batch_size)) > _MODEST_MEMORY:
        batch_size //= 2
    batch = [f"train.batch_size={batch_size}", f"train.grad_accum_steps={_STEP_WINDOWS // batch_size}"]
    return apply_overrides(text, [*batch, *overrides])


def _with_batch(experiment: Experiment, batch_size: int) -> Experiment:
    return msgspec.structs.replace(experiment, train=msgspec.structs.replace(experiment.train, batch_size=batch_size))


def _written(foreign: ForeignWeights, shapes: Mapping[str, Any], tokenizer: Tokenizer, overrides: Sequence[str]) -> str:
    """The text of an experiment file for weights of these shapes; its [train] names no batch."""
    shapes = dict(shapes)
    if "n_head" not in shapes:
        if not any(override.replace(" ", "").startswith("model.n_head=") for override in overrides):
            raise UserError(
                f"{foreign.source}: does not say n_head, and the shapes do not show it; "
                f"give --set model.n_head=N, where N divides n_embd = {shapes['n_embd']}"
            )
        shapes["n_head"] = 1  # until the override is applied
    keys = [field.name for field in msgspec.structs.fields(Model) if field.name in shapes]
    return _EXPERIMENT.format(
        source=_in_a_comment(foreign.source.absolute()),
        file=_in_a_comment(foreign.source.name).replace("\\", "/").replace('"', "'"),
        tokenizer="\n".join(f"{key} = {_toml(value)}" for key, value in _table(tokenizer).items()),
        model="\n".join(f"{key} = {_toml(shapes[key])}" for key in keys),
    )


def _table(tokenizer: Tokenizer) -> dict[str, Any]:
    """The [tokenizer] table of a nameable tokenizer."""
    if not isinstance(tokenizer, HuggingFaceTokenizer):
        return {"kind": "gpt2"}
    size = {"vocab_size": tokenizer.vocab_size} if tokenizer.vocab_size > 256 else {}  # what the schema allows
    return {"kind": "huggingface", "name": _UNNAMED, "end_of_text": tokenizer.end_of_text, **size}


def _in_a_comment(text: object) -> str:
    """On one line, and without what TOML forbids there."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def _toml(value: object) -> str:
    """A text, number or truth value; JSON's way to write them is TOML too."""
    return json.dumps(value, ensure_ascii=False)
