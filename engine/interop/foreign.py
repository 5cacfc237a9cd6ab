"""Reads weights that were made elsewhere: which tensors a file holds, and what else it says of the model.

    ckpt.pt best_model_params.pt pytorch_model.bin    a state dict, or a checkpoint with one in it, as torch saves them
    model.safetensors
    a Hugging Face folder                             config.json, weights in one file or several, perhaps a tokenizer

Nothing in a file is ever executed: pickles are read with `weights_only`, which knows tensors and plain values alone.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from engine.contract.errors import UserError
from engine.interop.huggingface import LAYER_NORM_EPSILON, OUR_KEY
from engine.runs.workspace import tokenizer_beside

_STATE_DICTS = ("model", "model_state_dict", "state_dict")  # where a checkpoint has its weights
_MODEL_KEYS = ("n_head", "dropout", "bias")  # of nanoGPT's model_args; the shapes give the others
_EXACT_GELU = ("gelu", "gelu_python")
_TANH_GELU = ("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh")


@dataclass
class ForeignWeights:
    """What a file holds, its tensors by the names that they have there."""

    source: Path
    tensors: Mapping[str, Tensor]
    model: dict[str, Any] = field(default_factory=dict)  # keys of [model] that the file states
    architecture: str | None = None  # as the file calls it
    step: int = 0
    val_loss: float | None = None
    tokenizer: Path | None = None  # a folder


def read_foreign(path: Path) -> ForeignWeights:
    """What `path` holds.

    Raises:
        UserError: it does not exist, cannot be read, holds code or no weights, or needs a computation that ours lacks.
    """
    if path.is_dir():
        return _folder(path, path)
    if not path.is_file():
        raise UserError(f"{path}: does not exist; give a file of weights or a Hugging Face folder")
    if path.suffix == ".gguf":
        raise UserError(
            f"{path}: GGUF files can be exported, not imported; give the folder or checkpoint it was made from"
        )
    if path.suffix == ".safetensors":
        if (path.parent / "config.json").is_file():
            return _folder(path, path.parent, [path])
        return ForeignWeights(path, _safetensors(path))
    return _checkpoint(path, _unpickled(path))


def _folder(source: Path, folder: Path, files: list[Path] | None = None) -> ForeignWeights:
    """What `source` holds: the folder, or one file of it."""
    config_file = folder / "config.json"
    try:
        config = json.loads(config_file.read_bytes())
        files = files or _weight_files(folder)
    except FileNotFoundError:
        raise UserError(f"{folder}: has no config.json; give a Hugging Face folder or a file of weights") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}: cannot be read: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{config_file}: is not a configuration (a JSON object)")
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= _safetensors(file) if file.suffix == ".safetensors" else _state_dict(file, _unpickled(file))
    foreign = ForeignWeights(source, tensors, architecture=config.get("model_type"))
    if foreign.architecture == "gpt2":
        _check_configuration(config, config_file)
        foreign.model = _model_of(config)
    foreign.tokenizer = tokenizer_beside(source)
    return foreign


def _weight_files(folder: Path) -> list[Path]:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            names = set(json.loads(index.read_bytes())["weight_map"].values())
            return [folder / Path(part).name for part in sorted(names)]
    raise UserError(f"{folder}: holds no weights; it needs model.safetensors or pytorch_model.bin")


def _model_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of [model] that GPT-2's configuration gives; the shapes give the others."""
    model = {"n_head": config.get("n_head"), "dropout": config.get("resid_pdrop")}
    ours = config.get(OUR_KEY)
    model["bias"] = ours.get("bias") if isinstance(ours, dict) else None
    model["tie_weights"] = config.get("tie_word_embeddings", True)
    model["activation"] = "gelu" if config.get("activation_function") in _EXACT_GELU else "gelu_tanh"
    return {key: value for key, value in model.items() if value is not None}


def _check_configuration(config: Mapping[str, Any], file: Path) -> None:
    """Raises:
    UserError: the model needs a computation that ours lacks.
    """
    wanted = {
        "layer_norm_epsilon": LAYER_NORM_EPSILON,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
    }
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise UserError(f"{file}: {key} = {json.dumps(config[key])} is not supported, only {json.dumps(value)}")
    activation = config.get("activation_function", _TANH_GELU[0])
    if activation not in (*_EXACT_GELU, *_TANH_GELU):
        raise UserError(f'{file}: activation_function = "{activation}" is not supported, only GELU')


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: is not a complete safetensors file: {error}") from None


def _unpickled(path: Path) -> Any:
    """The tensors and plain values of a file that torch saved."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that torch did not write
            # a zip file's tensors stay on disk until they are looked at: an optimizer's state never is
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise UserError(
            f"{path}: refused: the file may hold only tensors and plain values, as torch.save writes them"
            f"{f', but it would call {code[1]}' if code else ''}; no code was run\n"
            "If you trust the file, load it with the program that wrote it and save its state dict: "
            "torch.save(model.state_dict(), FILE)"
        ) from None
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, EOFError):
        raise UserError(f"{path}: cannot be read; it must be a file that torch.save wrote, or .safetensors") from None


def _state_dict(path: Path, loaded: Any) -> Mapping[str, Tensor]:
    """The weights in what was loaded."""
    candidates = [loaded.get(key) for key in _STATE_DICTS] if isinstance(loaded, Mapping) else []
    for found in (*candidates, loaded):
        if isinstance(found, Mapping) and found and all(isinstance(tensor, Tensor) for tensor in found.values()):
            return {str(name): tensor for name, tensor in found.items()}
    keys = ", ".join(list(map(str, loaded))[:8]) if isinstance(loaded, Mapping) else type(loaded).__name__
    raise UserError(
        f"{path}: holds no state dict, itself or under {', '.join(_STATE_DICTS)}; it has {keys or 'nothing'}"
    )


def _checkpoint(path: Path, loaded: Any) -> ForeignWeights:
    foreign = ForeignWeights(path, _state_dict(path, loaded))
    arguments = loaded.get("model_args", loaded.get("config"))
    if isinstance(arguments, Mapping):
        foreign.model = {key: arguments[key] for key in _MODEL_KEYS if arguments.get(key) is not None}
    step, val_loss = loaded.get("iter_num"), loaded.get("best_val_loss")
    foreign.step = step if isinstance(step, int) else 0
    if isinstance(val_loss, float) or (isinstance(val_loss, Tensor) and val_loss.numel() == 1):
        foreign.val_loss = float(val_loss) if float(val_loss) < 1e9 else None  # nanoGPT's word for none yet
    return foreign
