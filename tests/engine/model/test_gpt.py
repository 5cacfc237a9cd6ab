"""The GPT: causal, initialised as GPT-2, and indifferent to how its weights are tied."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch

from engine.contract.experiment import Model
from engine.model.gpt import GPT

SMALL = Model(n_layer=3, n_head=4, n_embd=64, block_size=24)
VOCABULARY = 300


def model() -> GPT:
    torch.manual_seed(0)
    return GPT(SMALL, VOCABULARY).eval()


@pytest.mark.parametrize("changed", [0, 1, 11, 22, 23])
def test_changing_a_token_never_changes_an_earlier_logit(changed: int) -> None:
    gpt = model()
    ids = torch.randint(VOCABULARY, (2, SMALL.block_size))
    other = ids.clone()
    other[:, changed] = (other[:, changed] + 1) % VOCABULARY
    before, after = gpt(ids), gpt(other)
    torch.testing.assert_close(after[:, :changed], before[:, :changed], rtol=0, atol=0)
    assert (after[:, changed] - before[:, changed]).abs().max() > 1e-4, "the changed token must matter to itself"
    assert (after[:, -1] - before[:, -1]).abs().max() > 1e-4, "and to the last position"


def test_an_untrained_model_is_as_unsure_as_the_vocabulary_is_large() -> None:
    ids = torch.randint(VOCABULARY, (8, SMALL.block_size))
    loss = model().loss(ids, torch.randint(VOCABULARY, ids.shape))
    assert loss.item() == pytest.approx(math.log(VOCABULARY), abs=0.15)


def test_projections_into_the_residual_stream_begin_smaller() -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=8, n_head=4, n_embd=256, block_size=16), VOCABULARY)
    block = gpt.h[0]
    assert block.attn.c_attn.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.attn.c_proj.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert block.mlp.c_proj.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert gpt.wte.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_the_token_embedding_may_begin_larger() -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=1, n_head=2, n_embd=64, block_size=16, embedding_std=0.3), VOCABULARY)
    assert gpt.wte.weight.std().item() == pytest.approx(0.3, rel=0.05)
    assert gpt.wpe.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_the_activation_is_the_exact_gelu_or_its_approximation(activation: Literal["gelu", "gelu_tanh"]) -> None:
    mlp = GPT(Model(n_layer=1, n_head=1, n_embd=8, block_size=4, activation=activation), VOCABULARY).eval().h[0].mlp
    x = 30 * torch.randn(64, 8)
    inner = mlp.c_fc(x)
    if activation == "gelu":
        expected = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
    else:
        expected = inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3))) / 2
    torch.testing.assert_close(mlp(x), mlp.c_proj(expected), rtol=0, atol=1e-6)


def test_a_tied_head_is_the_embedding_and_stands_once_in_the_state() -> None:
    gpt = model()
    assert "lm_head.weight" not in gpt.state_dict()
    hidden = torch.randn(2, SMALL.n_embd)
    torch.testing.assert_close(gpt.head(hidden), hidden @ gpt.wte.weight.T)


def test_an_untied_head_is_its_own() -> None:
    gpt = GPT(Model(n_layer=1, n_head=2, n_embd=16, block_size=8, tie_weights=False), VOCABULARY)
    assert gpt.state_dict()["lm_head.weight"].shape == (VOCABULARY, 16)


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=2, n_head=2, n_embd=32, block_size=8, dropout=0.5), VOCABULARY)
    ids = torch.randint(VOCABULARY, (1, 8))
    assert not torch.equal(gpt(ids), gpt(ids))
    gpt.eval()
    assert torch.equal(gpt(ids), gpt(ids))
