"""Checkpoints: `best/`, what the model is read from, and `last/`, which a run is resumed from.

    checkpoints/KIND/model.safetensors  config.json  tokenizer/        last/ also trainer.pt

Nothing here can execute code: weights are safetensors, and the trainer's state is read with `weights_only`.
"""

from __future__ import annotations

import pickle
import shutil
import time
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.contract.files import replaced_directory, settled_directory
from engine.contract.run import Run
from engine.data.prepare import PreparedData
from engine.data.tokenizers import Tokenizer
from engine.device import is_out_of_memory
from engine.model import GPT
from engine.state import TrainingState

Kind = Literal["best", "last"]


class CheckpointInfo(msgspec.Struct):
    """`config.json`: what the weights are, and where training stood."""

    model: Model
    vocab_size: int
    step: int
    tokens: int
    val_loss: float | None  # of the latest evaluation
    format: int = 1


def save_checkpoint(run: Run, kind: Kind, state: TrainingState, model: Model, data: PreparedData) -> Path:
    """Replace the run's checkpoint `kind`, and return its directory. The one before stays until this one is whole.

    Raises:
        UserError: it could not be written, because the disk is full for instance.
    """
    progress = state.progress
    info = CheckpointInfo(model, data.manifest.vocab_size, progress.step, progress.tokens, progress.val_loss)
    directory = run.checkpoints / kind
    try:
        with replaced_directory(directory) as new:
            write_model(new, state.model.state_dict(), info)
            shutil.copytree(data.directory / "tokenizer", new / "tokenizer")
            if kind == "last":
                save_pickled(state.state_dict(), new / "trainer.pt")
    except OSError as error:
        kept = f"the one before is kept in {directory}" if directory.exists() else "there is none yet"
        raise UserError(f"the checkpoint of step {progress.step} could not be written ({error}); {kept}") from error
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


class NoCheckpoint(UserError):
    """There is no such checkpoint yet."""


class DamagedCheckpoint(UserError):
    """A checkpoint with a file that is missing, or is not what was written; names the other one, if there is one."""

    def __init__(self, run: Run, kind: Kind, file: str, error: Exception) -> None:
        how = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        self.damage = f"the checkpoint {run.checkpoints / kind} is damaged: {file} {how}"
        other = "last" if kind == "best" else "best"
        hint = f"; --checkpoint {other} takes the {other} one" if (run.checkpoints / other).is_dir() else ""
        super().__init__(self.damage + hint)


def read_info(run: Run, kind: Kind) -> CheckpointInfo:
    """What the checkpoint is.

    Raises:
        NoCheckpoint: there is none.
        DamagedCheckpoint: its config.json cannot be read.
    """
    directory = run.checkpoints / kind
    if not directory.is_dir():
        raise NoCheckpoint(f"{run} has no {kind} checkpoint yet ({directory})")
    try:
        return msgspec.json.decode((directory / "config.json").read_bytes(), type=CheckpointInfo)
    except (OSError, ValueError) as error:  # msgspec's, and bytes that are not UTF-8
        raise DamagedCheckpoint(run, kind, "config.json", error) from None


def load_model(run: Run, kind: Kind, device: torch.device) -> tuple[GPT, CheckpointInfo]:
    """The checkpoint's model on `device`, in evaluation mode.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or its weights do not fit its configuration.
    """
    info = read_info(run, kind)
    with torch.device("meta"):
        model = GPT(info.model, info.vocab_size)
    path = run.checkpoints / kind / "model.safetensors"
    try:
        weights = load_file(path, device=str(device))
        model.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(run, kind, path.name, error) from None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{path} does not fit its config.json: {_last_line(error)}") from None
    return model.eval(), info


def load_whole(run: Run, kind: Kind, device: torch.device) -> tuple[GPT, CheckpointInfo, Tokenizer]:
    """The model, what it is, and its tokenizer, all of one checkpoint, also while a training replaces it.

    Raises:
        UserError: as `load_model` and `load_tokenizer`.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        before = _identity(run, kind)
        try:
            model, info = load_model(run, kind, device)
            tokenizer = load_tokenizer(run, kind)
        except UserError:
            settled = _identity(run, kind) == before and not (run.checkpoints / f".{kind}.old").exists()
            if settled or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)  # between the two renames of a replacement
        else:
            if _identity(run, kind) == before or time.monotonic() > give_up_at:
                return model, info, tokenizer


_PATIENCE_SECONDS = 5.0  # with a checkpoint that is being replaced


def _identity(run: Run, kind: Kind) -> tuple[int, int] | None:
    """What tells a checkpoint's directory from the one that replaces it."""
    try:
        status = (run.checkpoints / kind).stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def load_tokenizer(run: Run, kind: Kind) -> Tokenizer:
    """The tokenizer that the checkpoint was trained with.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return Tokenizer.load(run.checkpoints / kind / "tokenizer")
    except UserError as error:
        raise DamagedCheckpoint(run, kind, "tokenizer", error) from None


def check_tokenizer(run: Run, kind: Kind, data: PreparedData) -> None:
    """The checkpoint was trained with the tokenizer that `data` were cut by.

    Raises:
        UserError: with another one, so that its ids stand for other texts.
    """
    if load_tokenizer(run, kind).fingerprint() != data.tokenizer().fingerprint():
        raise UserError(
            f"{run}: the tokenizer of its {kind} checkpoint is another one than that of its data, {data.directory}, "
            "whose ids stand for other texts"
        )


def load_state(run: Run, state: TrainingState, device: torch.device) -> None:
    """Bring `state` to where `last/` was saved; a run that has no checkpoint begins at its beginning.

    Raises:
        UserError: the checkpoint is damaged, or does not fit the experiment.
    """
    directory = settled_directory(run.checkpoints / "last")
    if not directory.exists():
        return
    try:
        weights = load_model(run, "last", device)[0].state_dict()
        trainer = _trainer_state(run)
    except DamagedCheckpoint as error:
        raise UserError(f"{error.damage}; the run cannot be resumed from it") from error
    try:
        state.model.load_state_dict(weights)
        state.load_state_dict(trainer)
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{directory} cannot be resumed from: {_last_line(error)}") from error


def _trainer_state(run: Run) -> dict[str, Any]:
    path = run.checkpoints / "last" / "trainer.pt"
    try:
        return cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise DamagedCheckpoint(run, "last", path.name, error) from error


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
