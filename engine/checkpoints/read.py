"""Checkpoints in: the model, its tokenizer, and a trainer's state.

Nothing here can execute code: weights are safetensors, and the trainer's state is read with `weights_only`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine.checkpoints.write import FORMAT, CheckpointInfo
from engine.contract.checkpoints import CheckpointName, other_checkpoints
from engine.contract.errors import UserError
from engine.data.tokenizers.load import load_tokenizer
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.device.memory import is_out_of_memory
from engine.model.gpt import GPT, without_weights
from engine.runs.run import Run


class NoCheckpoint(UserError):
    """There is no such checkpoint yet."""


class DamagedCheckpoint(UserError):
    """A checkpoint with a file that is missing, or is not what was written; names the others that there are."""

    def __init__(self, run: Run, kind: CheckpointName, file: str, error: Exception) -> None:
        how = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        self.damage = f"the checkpoint {run.checkpoints / kind} is damaged: {file} {how}"
        others = [name for name in run.checkpoint_names() if name != kind]
        super().__init__(self.damage + other_checkpoints(others))


class _Version(msgspec.Struct):
    """The one field that every version's `config.json` has."""

    format: int = FORMAT


def read_info(run: Run, kind: CheckpointName) -> CheckpointInfo:
    """What the checkpoint is.

    Raises:
        NoCheckpoint: there is none.
        DamagedCheckpoint: its config.json cannot be read.
        UserError: a newer version wrote it.
    """
    directory = run.checkpoints / kind
    if not directory.is_dir():
        raise NoCheckpoint(f"{run} has no {kind} checkpoint yet{other_checkpoints(run.checkpoint_names())}")
    try:
        config = (directory / "config.json").read_bytes()
        version = msgspec.json.decode(config, type=_Version).format
        if version > FORMAT:
            raise UserError(
                f"{directory / 'config.json'}: format = {version}: a newer slm-tui wrote this checkpoint; "
                f"this one reads format {FORMAT} and older"
            )
        return msgspec.json.decode(config, type=CheckpointInfo)
    except (OSError, ValueError) as error:  # msgspec's, and bytes that are not UTF-8
        raise DamagedCheckpoint(run, kind, "config.json", error) from None


def load_model(run: Run, kind: CheckpointName, device: torch.device) -> tuple[GPT, CheckpointInfo]:
    """The checkpoint's model on `device`, in evaluation mode.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or its weights do not fit its configuration.
    """
    info = read_info(run, kind)
    model = without_weights(info.model, info.vocab_size)
    path = run.checkpoints / kind / "model.safetensors"
    try:
        weights = load_file(path, device=str(device))
        model.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(run, kind, path.name, error) from None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{path} does not fit its config.json: {last_line(error)}") from None
    return model.eval(), info


def load_whole(run: Run, kind: CheckpointName, device: torch.device) -> tuple[GPT, CheckpointInfo, Tokenizer]:
    """The model, what it is, and its tokenizer, all of one checkpoint, also while a training replaces it.

    Raises:
        UserError: as `load_model` and `tokenizer_of`.
    """
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        before = _identity(run, kind)
        try:
            model, info = load_model(run, kind, device)
            tokenizer = tokenizer_of(run, kind)
        except UserError:
            settled = _identity(run, kind) == before and not (run.checkpoints / f".{kind}.old").exists()
            if settled or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)  # between the two renames of a replacement
        else:
            if _identity(run, kind) == before or time.monotonic() > give_up_at:
                return model, info, tokenizer


_PATIENCE_SECONDS = 5.0  # with a checkpoint that is being replaced


def _identity(run: Run, kind: CheckpointName) -> tuple[int, int] | None:
    """Distinguishes a checkpoint's directory from the one that replaces it."""
    try:
        status = (run.checkpoints / kind).stat()
    except OSError:
        return None
    return status.st_ino, status.st_ctime_ns


def tokenizer_of(run: Run, kind: CheckpointName) -> Tokenizer:
    """The tokenizer that the checkpoint was trained with.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return load_tokenizer(run.checkpoints / kind / "tokenizer")
    except UserError as error:
        raise DamagedCheckpoint(run, kind, "tokenizer", error) from None


def check_tokenizer(run: Run, kind: CheckpointName, tokenizer: Tokenizer, data: Path) -> None:
    """The checkpoint was trained with `tokenizer`, by which the data in the folder `data` were cut.

    Raises:
        UserError: with another one, so that its ids stand for other texts.
    """
    if tokenizer_of(run, kind).fingerprint() != tokenizer.fingerprint():
        raise UserError(
            f"{run}: its {kind} checkpoint was trained with another tokenizer than its data, {data}, "
            "so token ids mean different text"
        )


def trainer_state(run: Run) -> dict[str, Any]:
    """What `last/` says of the trainer, on the CPU.

    Raises:
        DamagedCheckpoint: it cannot be read.
    """
    path = run.checkpoints / "last" / "trainer.pt"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickled bytes that are damaged raise whatever the place of the damage makes them
        if is_out_of_memory(error):
            raise
        raise DamagedCheckpoint(run, "last", path.name, error) from error
    if not isinstance(state, dict):
        raise DamagedCheckpoint(run, "last", path.name, TypeError(f"a {type(state).__name__}, not a dictionary"))
    return state


def last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
