"""Checkpoints out: `best/`, what the model is read from, and `last/`, which a run is resumed from.

checkpoints/KIND/model.safetensors  config.json  tokenizer/        last/ also trainer.pt
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.contract.checkpoints import CheckpointName
from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.contract.files import replaced_directory
from engine.runs.run import Run

FORMAT = 1  # of a checkpoint's files; readers refuse a higher one


class CheckpointInfo(msgspec.Struct):
    """`config.json`: what the weights are, and where training stood."""

    model: Model
    vocab_size: int
    step: int
    tokens: int
    val_loss: float | None  # of the latest evaluation
    format: int = FORMAT


def save_checkpoint(
    run: Run,
    kind: CheckpointName,
    weights: dict[str, Tensor],
    info: CheckpointInfo,
    tokenizer: Path,
    trainer: dict[str, Any] | None = None,
) -> Path:
    """Replace the run's checkpoint `kind`, and return its directory. The one before stays until this one is whole.

    `tokenizer` is a folder, whose files are linked or copied; `trainer` is what a resume needs besides.

    Raises:
        UserError: it could not be written, because the disk is full for instance.
    """
    directory = run.checkpoints / kind
    try:
        run.checkpoints.mkdir(exist_ok=True)  # not the run's own directory, if somebody deleted that
        with replaced_directory(directory) as new:
            write_model(new, weights, info)
            shutil.copytree(tokenizer, new / "tokenizer", copy_function=_link_or_copy)
            if trainer is not None:
                save_pickled(trainer, new / "trainer.pt")
    except OSError as error:
        kept = f"the one before is kept in {directory}" if directory.exists() else "there is none yet"
        raise UserError(f"the checkpoint of step {info.step} could not be written ({error}); {kept}") from error
    return directory


def write_model(directory: Path, weights: dict[str, Tensor], info: CheckpointInfo) -> None:
    """Write a checkpoint's weights and what they are into `directory`."""
    save_weights(weights, directory / "model.safetensors")
    (directory / "config.json").write_bytes(msgspec.json.format(msgspec.json.encode(info)))


def save_weights(weights: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file for those to read who may read other new files: by itself it is its owner's alone.

    Raises:
        OSError: it could not be written.
    """
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(weights, path, metadata)
    except SafetensorError as error:
        raise OSError(f"safetensors could not write all of {path.name}: {error}") from error
    path.chmod(mode)


def save_pickled(content: object, path: Path) -> None:
    """Write tensors and plain values as torch does.

    Raises:
        OSError: it could not be written; torch's own words for a full disk tell of its file format.
    """
    try:
        torch.save(content, path)
    except RuntimeError as error:
        raise OSError(f"torch could not write all of {path.name}; is the disk full?") from error


def _link_or_copy(source: str, target: str) -> None:
    """Give `source` a second name, which lasts when the first is deleted or replaced.

    Who edits a prepared tokenizer in place would edit the checkpoint's too. Nothing here does: files are replaced.
    """
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # another filesystem, one without links, or a file that is not ours to link
        shutil.copy2(source, target)
