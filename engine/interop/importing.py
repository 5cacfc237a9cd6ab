"""Weights in: a run, like any other, of a model that was trained elsewhere.

    python -m engine import FILE --experiment NAME [--workspace DIR] [--set TABLE.KEY=VALUE] [--tokenizer FOLDER]

Where the workspace has an experiment NAME, the weights must fit its [model]; where it has none, one is written.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError
from torch import Tensor

from engine.checkpoint import CheckpointInfo, Kind, load_tokenizer, read_info, write_model
from engine.contract.checks import GPT2_VOCAB_SIZE
from engine.contract.errors import UserError
from engine.contract.estimates import parameter_count
from engine.contract.events import Checkpoint, EventWriter, Imported, RunEnded, RunStarted, Warning
from engine.contract.experiment import Model
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.contract.files import replace_file, replaced_directory
from engine.contract.loading import parse_experiment, read_text
from engine.contract.overrides import apply_overrides
from engine.contract.run import Run
from engine.contract.workspace import Workspace, valid_name
from engine.data.huggingface import HuggingFaceTokenizer, open_tokenizer
from engine.data.tokenizers import Tokenizer, gpt2
from engine.interop.fitting import fitted, inferred, our_names
from engine.interop.foreign import Foreign, read_foreign
from engine.interop.vocabulary import end_of_text, tokenizer_json
from engine.session import describe

_KINDS: tuple[Kind, ...] = ("best", "last")
_GPT2_ROWS = range(GPT2_VOCAB_SIZE, 50_304 + 1)  # nanoGPT fills the vocabulary up to 50,304
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
    tensors = our_names(foreign)
    shapes = inferred(foreign, tensors)
    rows = tensors["wte.weight"].shape[0]
    written = not file.is_file()
    its_own = tokenizer_folder or foreign.tokenizer
    if written:
        tokenizer = _nameable(_tokenizer(foreign, rows, name, None, workspace, its_own, mirror)[0])
        text = apply_overrides(_written(foreign, shapes, tokenizer, overrides), overrides)
        experiment = parse_experiment(text, str(file))
    else:
        text = apply_overrides(read_text(file), overrides)
        experiment = parse_experiment(text, str(file))
        tokenizer, fits = _tokenizer(foreign, rows, name, experiment.tokenizer, workspace, its_own, mirror)
        _check_tokenizer(experiment.tokenizer, tokenizer, file)
        if not fits:  # the run's data are cut by the tokenizer of its weights, whatever the experiment's [tokenizer] is
            tokenizer = _nameable(tokenizer)
            keys = ", ".join(f"{key} = {_toml(value)}" for key, value in _table(tokenizer).items())
            text = apply_overrides(text, [f"tokenizer={{{keys}}}"])
            experiment = parse_experiment(text, str(file))
    weights, notes = fitted(foreign, tensors, experiment.model, tokenizer.vocab_size)
    info = CheckpointInfo(experiment.model, tokenizer.vocab_size, foreign.step, 0, foreign.val_loss)
    with _new_run(workspace, name) as run:
        if experiment.tokenizer.name == _UNNAMED:
            kept = (run.checkpoints / "best" / "tokenizer").relative_to(workspace.root)
            text = apply_overrides(text, [f'tokenizer.name = "{kept.as_posix()}"'])
        run.log.write_text("\n".join([f"imported from {source.absolute()}", *notes, ""]), encoding="utf-8")
        _write(run, text, weights, info, tokenizer, notes)
        if written:
            workspace.experiments.mkdir(exist_ok=True)
            replace_file(file, text.encode())
    count = parameter_count(experiment.model, tokenizer.vocab_size)
    model = msgspec.to_builtins(experiment.model)
    return Imported(str(run.path), str(file), written, info.step, count, tokenizer.vocab_size, model, notes)


@contextmanager
def _new_run(workspace: Workspace, name: str) -> Iterator[Run]:
    """A new run's directory, locked while it is filled; gone again if that fails."""
    run = workspace.new_run(name)
    try:
        with run.hold_lock():
            yield run
    except BaseException as error:
        shutil.rmtree(run.path, ignore_errors=True)
        if isinstance(error, OSError | SafetensorError):
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"{run.path}: cannot be written: {reason}") from None
        raise


def _write(
    run: Run,
    text: str,
    weights: Mapping[str, Tensor],
    info: CheckpointInfo,
    tokenizer: Tokenizer,
    notes: Sequence[str],
) -> None:
    """The run's files; what it says of itself comes last."""
    replace_file(run.experiment_file, text.encode())
    for kind in _KINDS:
        with replaced_directory(run.checkpoints / kind) as new:
            write_model(new, dict(weights), info)
            tokenizer.save(new / "tokenizer")
    run.write_info(describe(run, "cpu", run.experiment().train.seed))
    emit = EventWriter(run.metrics)
    emit(RunStarted(os.getpid(), socket.gethostname()))
    for note in notes:
        emit(Warning(note))
    for kind in _KINDS:
        emit(Checkpoint(kind, info.step, str((run.checkpoints / kind).relative_to(run.path))))
    emit(RunEnded("finished"))
    emit.close()


def _tokenizer(
    foreign: Foreign,
    rows: int,
    name: str,
    table: TokenizerTable | None,
    workspace: Workspace,
    its_own: Path | None,
    mirror: Path | None,
) -> tuple[Tokenizer, bool]:
    """The tokenizer of weights with so many rows of token embeddings, and whether `table` gives the same.

    `table` is what the experiment has, if any; `its_own` is the folder of the one that comes with the weights.
    """
    if its_own is not None:
        return read_tokenizer(its_own, mirror, workspace), False
    for run in workspace.list_runs(name):
        for kind in _KINDS:
            if (run.checkpoints / kind).is_dir() and read_info(run, kind).vocab_size == rows:
                return load_tokenizer(run, kind), run.experiment().tokenizer == table
    if table is not None and table.kind == "huggingface":
        return open_tokenizer(table, mirror, workspace.root), True
    if rows in _GPT2_ROWS:
        return gpt2(workspace.data / "downloads" / "tiktoken", mirror), table is not None and table.kind == "gpt2"
    raise UserError(
        f"{foreign.source}: its vocabulary of {rows:,} is not GPT-2's, and no run of {name} has one like it; wants "
        "--tokenizer FOLDER with a tokenizer.json, or a run's checkpoints/best/tokenizer"
    )


def _check_tokenizer(table: TokenizerTable, tokenizer: Tokenizer, file: Path) -> None:
    """The experiment's data can be cut by the tokenizer of the weights."""
    if table.kind == "gpt2" and tokenizer.vocab_size != GPT2_VOCAB_SIZE:
        raise UserError(
            f'{file}: tokenizer.kind = "gpt2", and the weights have a vocabulary of {tokenizer.vocab_size:,} and not '
            "GPT-2's: import them as another experiment"
        )


def read_tokenizer(folder: Path, mirror: Path | None, workspace: Workspace) -> Tokenizer:
    if not folder.is_dir():
        raise UserError(f"--tokenizer {folder}: no such folder")
    with suppress(UserError):  # it is not one of ours
        return Tokenizer.load(folder)
    return open_tokenizer(TokenizerTable("huggingface", name=str(folder.absolute())), mirror, workspace.root)


def _nameable(tokenizer: Tokenizer) -> Tokenizer:
    """A tokenizer that a [tokenizer] table can name: of ours, GPT-2's alone needs no corpus to train on."""
    if tokenizer.kind == "byte_bpe":
        return HuggingFaceTokenizer(tokenizer_json(tokenizer), end_of_text(tokenizer))
    return tokenizer


def _written(foreign: Foreign, shapes: Mapping[str, Any], tokenizer: Tokenizer, overrides: Sequence[str]) -> str:
    """The text of an experiment file for weights of these shapes."""
    shapes = dict(shapes)
    if "n_head" not in shapes:
        if not any(override.replace(" ", "").startswith("model.n_head=") for override in overrides):
            raise UserError(
                f"{foreign.source}: says nothing of n_head, and shapes do not tell it; "
                f"--set model.n_head=N does, where N divides n_embd = {shapes['n_embd']}"
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
