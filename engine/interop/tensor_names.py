"""The names of a GPT-2's tensors, ours and other tools': one table for every format that is read or written.

Ours are GPT-2's own, without what some tools put in front:

    ours                          Hugging Face, nanoGPT                     GGUF
    wte.weight                    transformer.wte.weight                    token_embd.weight
    h.3.attn.c_attn.weight        transformer.h.3.attn.c_attn.weight        blk.3.attn_qkv.weight
    lm_head.weight                lm_head.weight                            output.weight

A linear layer's weight is (outputs, inputs), as torch has it; Hugging Face's Conv1D stores it transposed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Part(NamedTuple):
    """A module with a weight: what GGUF calls it, and how GPT-2 as Hugging Face writes it stores it."""

    gguf: str
    conv1d: bool = False  # its weight is stored transposed
    bias: bool = True


BLOCK = {  # of h.N
    "ln_1": Part("attn_norm"),
    "attn.c_attn": Part("attn_qkv", conv1d=True),
    "attn.c_proj": Part("attn_output", conv1d=True),
    "ln_2": Part("ffn_norm"),
    "mlp.c_fc": Part("ffn_up", conv1d=True),
    "mlp.c_proj": Part("ffn_down", conv1d=True),
}
OUTER = {
    "wte": Part("token_embd", bias=False),
    "wpe": Part("position_embd", bias=False),
    "ln_f": Part("output_norm"),
    "lm_head": Part("output", bias=False),
}

_IN_BLOCK = re.compile(r"h\.(\d{1,4})\.(.+)")
_PREFIXES = re.compile(r"^(module\.|model\.|transformer\.)+")
_MASK = re.compile(r"h\.\d+\.attn\.(bias|masked_bias|mask|tril)")


def hugging_face_name(name: str) -> str:
    """Of GPT2LMHeadModel's state dict, and of nanoGPT's: `wte.weight` -> `transformer.wte.weight`."""
    return name if name.startswith("lm_head.") else f"transformer.{name}"


def gguf_name(name: str) -> str:
    """llama.cpp's: `h.3.attn.c_attn.weight` -> `blk.3.attn_qkv.weight`."""
    module, _, kind = name.rpartition(".")
    block = _IN_BLOCK.fullmatch(module)
    return f"blk.{block[1]}.{BLOCK[block[2]].gguf}.{kind}" if block else f"{OUTER[module].gguf}.{kind}"


def our_name(name: str) -> str:
    """Of a tensor that another tool named: without prefixes and torch.compile's `_orig_mod.`, `ln_1` for `ln1`."""
    return re.sub(r"\.ln([12])\.", r".ln_\1.", _PREFIXES.sub("", name.replace("_orig_mod.", "")))


def is_conv1d(name: str) -> bool:
    """Whether Hugging Face's GPT-2 stores this tensor of ours transposed."""
    module, _, kind = name.rpartition(".")
    block = _IN_BLOCK.fullmatch(module)
    return kind == "weight" and block is not None and block[2] in BLOCK and BLOCK[block[2]].conv1d


def is_causal_mask(name: str, tensor: Tensor) -> bool:
    """Whether this is an attention's mask that was saved along with the weights, and not its bias (1 dimension)."""
    return _MASK.fullmatch(name) is not None and tensor.ndim != 1


def layer_count(names: Iterable[str]) -> int:
    """How many blocks the tensors of these names, ours, belong to: the highest number and 1, or 0."""
    return max((int(match[1]) + 1 for name in names if (match := _IN_BLOCK.fullmatch(name))), default=0)


def with_zero_biases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model's tensors with zeros for the biases that it lacks, which add nothing: (n,) for a weight of n rows."""
    filled = dict(tensors)
    for name, tensor in tensors.items():
        module, _, kind = name.rpartition(".")
        if kind == "weight" and (module not in OUTER or OUTER[module].bias):
            filled.setdefault(f"{module}.bias", torch.zeros(tensor.shape[0]))
    return filled
