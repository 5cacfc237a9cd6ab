"""The table of names, held against the model that it names and against the package gguf's own table."""

from __future__ import annotations

import pytest
import torch

from engine.contract.experiment import Model
from engine.contract.shape import parameter_shapes
from engine.interop.tensor_names import (
    gguf_name,
    hugging_face_name,
    is_causal_mask,
    is_conv1d,
    layer_count,
    our_name,
    with_zero_biases,
)

EVERY = Model(n_layer=12, n_head=2, n_embd=16, block_size=8, bias=True, tie_weights=False)
NAMES = list(parameter_shapes(EVERY, 50))


def test_every_parameter_has_one_name_in_each_format_and_is_found_by_it() -> None:
    theirs = [hugging_face_name(name) for name in NAMES]
    assert len(set(theirs)) == len({gguf_name(name) for name in NAMES}) == len(NAMES)
    assert [our_name(name) for name in theirs] == NAMES
    assert layer_count(NAMES) == 12


@pytest.mark.parametrize(
    "name",
    [
        "_orig_mod.transformer.h.3.ln_1.weight",
        "module._orig_mod.h.3.ln1.weight",
        "model.transformer.h.3.ln1.weight",
    ],
)
def test_prefixes_of_other_tools_are_left_out(name: str) -> None:
    assert our_name(name) == "h.3.ln_1.weight"


def test_gguf_names_are_those_of_its_gpt2() -> None:
    gguf = pytest.importorskip("gguf")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, EVERY.n_layer)
    for name in NAMES:
        module, _, kind = hugging_face_name(name).rpartition(".")
        assert gguf_name(name) == f"{names.get_name(module)}.{kind}"


def test_conv1d_are_the_matrices_in_the_blocks() -> None:
    matrices = [name for name, shape in parameter_shapes(EVERY, 50).items() if len(shape) == 2]
    outside = ["wte.weight", "wpe.weight", "lm_head.weight"]
    assert [name for name in NAMES if is_conv1d(name)] == [name for name in matrices if name not in outside]


def test_a_model_without_biases_gets_those_that_one_with_biases_has() -> None:
    bare = Model(2, 2, 16, 8, bias=False, tie_weights=False)
    filled = with_zero_biases({name: torch.ones(shape) for name, shape in parameter_shapes(bare, 50).items()})
    with_bias = parameter_shapes(Model(2, 2, 16, 8, bias=True, tie_weights=False), 50)
    assert {name: tuple(tensor.shape) for name, tensor in filled.items()} == with_bias
    assert not any(tensor.any() for name, tensor in filled.items() if name.endswith(".bias"))
    assert all(tensor.all() for name, tensor in filled.items() if name.endswith(".weight"))


def test_a_mask_is_told_from_a_bias_by_its_dimensions() -> None:
    assert is_causal_mask("h.0.attn.bias", torch.ones(1, 1, 8, 8))
    assert not is_causal_mask("h.0.attn.bias", torch.ones(8))
    assert not is_causal_mask("h.0.attn.c_attn.bias", torch.ones(8, 8))
