"""Turns tensors of another tool into the weights of our model, or lists those that do not fit.

Differences that it accepts: `transformer.` before a name or not, `_orig_mod.` in it (torch.compile), `ln1` for `ln_1`,
matrices transposed as GPT-2's Conv1D has them, a head that repeats the token embedding, masks saved along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from engine.contract.errors import UserError
from engine.contract.experiment import Model
from engine.contract.shape import parameter_shapes
from engine.interop.foreign import ForeignWeights
from engine.interop.tensor_names import is_causal_mask, is_conv1d, layer_count, our_name

_PADDING = 128  # a vocabulary is filled up to a multiple of 64 or this, which computes faster
_SHOWN = 6  # tensors named in a message


def renamed_tensors(foreign: ForeignWeights) -> dict[str, Tensor]:
    """The file's tensors by our names and in our layout; unknown ones keep their names.

    Raises:
        UserError: two tensors have one name.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in foreign.tensors.items():
        ours = our_name(name)
        if ours in tensors:
            raise UserError(f"{foreign.source}: holds {ours} twice, with different prefixes")
        if not is_causal_mask(ours, tensor):
            tensors[ours] = tensor
    fused = tensors.get("h.0.attn.c_attn.weight")
    if fused is not None and fused.ndim == 2 and 3 * fused.shape[0] == fused.shape[1]:
        tensors = {
            name: tensor.T if is_conv1d(name) and tensor.ndim == 2 else tensor for name, tensor in tensors.items()
        }
    if _is_tied(foreign, tensors):
        del tensors["lm_head.weight"]
    return tensors


def _is_tied(foreign: ForeignWeights, tensors: Mapping[str, Tensor]) -> bool:
    """Whether there is a head that only repeats the token embedding."""
    head, embedding = tensors.get("lm_head.weight"), tensors.get("wte.weight")
    if head is None or embedding is None or head.shape != embedding.shape:
        return False
    return bool(foreign.model.get("tie_weights")) or torch.equal(head, embedding)


def model_keys(foreign: ForeignWeights, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The keys of [model] that follow from the shapes or stand in the file; n_head may be missing.

    Raises:
        UserError: the weights are not those of a GPT-2.
    """
    tokens, positions = tensors.get("wte.weight"), tensors.get("wpe.weight")
    layers = layer_count(tensors)
    if tokens is None or positions is None or tokens.ndim != 2 or positions.ndim != 2 or not layers:
        there = _listed(f"{name} {_shape(tensor)}" for name, tensor in foreign.tensors.items())
        kind = f" ({foreign.architecture})" if foreign.architecture else ""
        raise UserError(
            f"{foreign.source}: weights of another architecture{kind}; a GPT-2 has wte.weight, wpe.weight and "
            f"h.0.attn.c_attn.weight, with or without the prefix transformer., but this has\n{there}"
        )
    shapes = {
        "n_layer": layers,
        "n_embd": tokens.shape[1],
        "block_size": positions.shape[0],
        "bias": any(name.endswith(".bias") for name in tensors),
        "tie_weights": "lm_head.weight" not in tensors,
    }
    told = {key: foreign.model[key] for key in ("n_head", "dropout", "bias", "activation") if key in foreign.model}
    return shapes | told


def fit_weights(
    foreign: ForeignWeights, tensors: Mapping[str, Tensor], model: Model, vocab_size: int
) -> tuple[dict[str, Tensor], list[str]]:
    """Every weight of `model` as fp32, and what was done to make them fit.

    Rows of the embedding beyond the vocabulary are padding, and left out. Biases that the file lacks are zeros.

    Raises:
        UserError: tensors are missing, unknown, of another shape, or hold NaN or infinity (the message names them); or
            the file says that n_head or activation differ.
    """
    wanted = parameter_shapes(model, vocab_size)
    found, notes = _unpadded(tensors, vocab_size)
    missing = [name for name in wanted if name not in found]
    filled = [name for name in missing if name.endswith(".bias")]
    left_over = [name for name in found if name not in wanted]
    idle = [name for name in left_over if name.endswith(".bias") and not found[name].any()]
    problems = [
        *(
            f"its model.{key} is {foreign.model[key]}, not {getattr(model, key)}"
            for key in ("n_head", "activation")  # which no tensor shows
            if foreign.model.get(key) not in (None, getattr(model, key))
        ),
        *(
            f"{name} is {_shape(found[name])}, not {_sizes(shape)}"
            for name, shape in wanted.items()
            if name in found and tuple(found[name].shape) != shape
        ),
        *(f"{name} is missing" for name in missing if name not in filled),
        *(f"{name} {_shape(found[name])} is not part of this model" for name in left_over if name not in idle),
    ]
    if problems:
        raise UserError(f"{foreign.source}: does not fit {_described(model, vocab_size)}\n{_listed(problems)}")
    zeros = {name: torch.zeros(wanted[name]) for name in filled}
    weights = {name: (found | zeros)[name].float().contiguous() for name in wanted}
    if broken := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        raise UserError(
            f"{foreign.source}: holds NaN or infinity, as after a training that diverged, in\n{_listed(broken)}"
        )
    return weights, notes


def _unpadded(tensors: Mapping[str, Tensor], vocab_size: int) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors without the rows that pad the vocabulary."""
    rows = tensors["wte.weight"].shape[0]
    if not vocab_size < rows <= -(-vocab_size // _PADDING) * _PADDING:
        return dict(tensors), []
    cut = {name: tensors[name][:vocab_size] for name in ("wte.weight", "lm_head.weight") if name in tensors}
    return {**tensors, **cut}, [f"{rows - vocab_size} rows of the token embedding are padding, and were left out"]


def _described(model: Model, vocab_size: int) -> str:
    keys = ("n_layer", "n_embd", "block_size", "bias", "tie_weights")
    return ", ".join(f"{key} = {str(getattr(model, key)).lower()}" for key in keys) + f", a vocabulary of {vocab_size}"


def _listed(lines: Iterable[str]) -> str:
    lines = list(lines)
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*(f"  {line}" for line in lines[:_SHOWN]), *more])


def _shape(tensor: Tensor) -> str:
    return _sizes(tuple(tensor.shape))


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
