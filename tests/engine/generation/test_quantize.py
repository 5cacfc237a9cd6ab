"""int8: near to the model that it was made of, and indifferent to what else is in the batch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from engine.contract.experiment import Model
from engine.generation.decoder import Decoder
from engine.generation.quantize import ENGINE, Int8Linear, quantize
from engine.model.gpt import GPT

pytestmark = pytest.mark.skipif(
    ENGINE not in torch.backends.quantized.supported_engines, reason="this CPU has no fast int8"
)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.quantized, "engine", ENGINE)


@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_is_right_to_about_a_hundredth(biased: bool) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(96, 64) * 0.05, torch.randn(96), torch.randn(5, 64)
    layer = Int8Linear(weight, bias if biased else None)
    products = F.linear(x, weight)
    error = layer(x) - F.linear(x, weight, bias if biased else None)
    assert 0 < error.norm() < 0.025 * products.norm()


@pytest.mark.parametrize("kind", ["centred", "positive", "shifted", "zero"])
def test_a_position_is_the_same_alone_and_among_others(kind: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 64) * torch.logspace(-2, 2, 7)[:, None]
    x = {"centred": x, "positive": x.abs() + 1, "shifted": x - 3, "zero": x * 0}[kind]
    layer = Int8Linear(torch.randn(96, 64) * 0.05, torch.randn(96))
    together = layer(x)
    for row, expected in zip(x, together, strict=True):
        torch.testing.assert_close(layer(row[None])[0], expected, rtol=1e-4, atol=1e-5 * float(x.abs().max() + 1))


@pytest.mark.parametrize("tied", [True, False])
def test_a_models_layers_and_head_are_all_replaced_and_its_logits_stay_near(tied: bool) -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=2, n_head=2, n_embd=64, block_size=16, tie_weights=tied), 200).eval()
    decoder = Decoder(gpt, list(range(12)))
    exact = decoder.logits()
    decoder.use(quantize(gpt))
    assert not any(isinstance(module, torch.nn.Linear) for module in gpt.modules())
    assert isinstance(gpt.lm_head, Int8Linear)
    near = decoder.logits()
    assert not torch.equal(near, exact)
    assert (near - exact).norm() < 0.05 * exact.norm()
