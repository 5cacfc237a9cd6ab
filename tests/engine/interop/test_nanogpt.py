"""nanoGPT's checkpoints: what we write computes the same as nanoGPT does, and what it writes comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checkpoints.read import load_model
from engine.commands.export_ import export
from engine.contract.errors import UserError
from engine.runs.run import Run

CPU = torch.device("cpu")


def nanogpt_logits(checkpoint: dict[str, Any], ids: Tensor) -> Tensor:
    """What nanoGPT's model computes of its checkpoint: torch.nn's Linear, LayerNorm and GELU, by its names."""
    arguments, weights = checkpoint["model_args"], dict(checkpoint["model"])
    assert set(arguments) == {"n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout"}
    width, heads = arguments["n_embd"], arguments["n_head"]
    batch, time = ids.shape

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights.pop(f"{name}.weight"), weights.pop(f"{name}.bias", None))

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), weights.pop(f"{name}.weight"), weights.pop(f"{name}.bias", None), 1e-5)

    positions = weights.pop("transformer.wpe.weight")
    assert positions.shape == (arguments["block_size"], width)
    x = weights.pop("transformer.wte.weight")[ids] + positions[:time]
    for layer in range(arguments["n_layer"]):
        block = f"transformer.h.{layer}"
        query, key, value = (
            part.view(batch, time, heads, width // heads).transpose(1, 2)
            for part in linear(norm(x, f"{block}.ln_1"), f"{block}.attn.c_attn").split(width, dim=2)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + linear(mixed.transpose(1, 2).reshape(batch, time, width), f"{block}.attn.c_proj")
        x = x + linear(F.gelu(linear(norm(x, f"{block}.ln_2"), f"{block}.mlp.c_fc")), f"{block}.mlp.c_proj")
    logits = linear(norm(x, "transformer.ln_f"), "lm_head")
    assert not weights, f"nanoGPT has no place for {sorted(weights)}"
    return logits


@pytest.mark.parametrize("bias", ["true", "false"])
def test_an_exported_checkpoint_computes_the_same_in_nanogpt(
    make_run: Callable[..., Run], tmp_path: Path, bias: str
) -> None:
    run = make_run(f"model.bias={bias}")
    done = export(run, "best", "nanogpt", tmp_path / "out" / "ckpt.pt")
    checkpoint = torch.load(tmp_path / "out" / "ckpt.pt", map_location="cpu", weights_only=True)
    assert (checkpoint["iter_num"], checkpoint["best_val_loss"]) == (24, 3.25)
    model, info = load_model(run, "best", CPU)
    ids = torch.randint(info.vocab_size, (2, info.model.block_size))
    with torch.no_grad():
        assert torch.allclose(nanogpt_logits(checkpoint, ids), model(ids), rtol=0, atol=1e-4)
    assert done.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_tokenizer_that_nanogpt_does_not_know_is_told_of(make_run: Callable[..., Run], tmp_path: Path) -> None:
    (note,) = export(make_run(), "best", "nanogpt", tmp_path / "ckpt.pt").notes
    assert "sample.py assumes GPT-2's vocabulary" in note and "--tokenizer" in note


@pytest.mark.parametrize(
    ("override", "told"),
    [("model.tie_weights=false", "tie_weights = false"), ("model.activation=gelu_tanh", 'activation = "gelu_tanh"')],
)
def test_what_nanogpt_would_load_wrong_is_refused(
    make_run: Callable[..., Run], tmp_path: Path, override: str, told: str
) -> None:
    with pytest.raises(UserError, match=rf"model\.{told}.*--format huggingface"):
        export(make_run(override), "best", "nanogpt", tmp_path / "ckpt.pt")
    assert not (tmp_path / "ckpt.pt").exists()
