"""Cross-entropy in chunks: torch's own, to rounding, whatever the chunk, the type, the scale and the padding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.contract.experiment import Model
from engine.model import loss
from engine.model.gpt import GPT, compiled_loss
from engine.model.loss import chunk_tokens, cross_entropy, softmax_gradient

VOCABULARY, WIDTH = 1003, 64
Result = tuple[Tensor, Tensor, Tensor]  # the loss, its gradients in hidden and weight


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 tokens each, and a last one that is shorter."""
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 40 * VOCABULARY)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(3, 50, WIDTH, requires_grad=True)
    weight = (0.2 * torch.randn(VOCABULARY, WIDTH)).requires_grad_()
    return hidden, weight, torch.randint(VOCABULARY, (3, 50))


def chunked(dtype: torch.dtype | None, scale: float = 1, told: float | None = None) -> Result:
    """Backward from `scale` times the loss, where the loss is told that it will be `told` times; divided again."""
    hidden, weight, targets = inputs()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        nats = cross_entropy(hidden, weight, targets, None if told is None else torch.tensor(told))
    (nats * scale).backward()
    assert hidden.grad is not None and weight.grad is not None
    return nats.detach(), hidden.grad / scale, weight.grad / scale


def plain(dtype: torch.dtype | None, scale: float = 1) -> Result:
    """The same by torch's functions, of all logits at once."""
    hidden, weight, targets = inputs()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        nats = F.cross_entropy(F.linear(hidden, weight).flatten(0, 1), targets.flatten())
    (nats * scale).backward()
    assert hidden.grad is not None and weight.grad is not None
    return nats.detach(), hidden.grad / scale, weight.grad / scale


def errors(result: Result, exact: Result) -> list[float]:
    """Relative errors of the loss and of each gradient as a whole."""
    return [((a - b).norm() / b.norm()).item() for a, b in zip(result, exact, strict=True)]


def test_loss_and_gradients_are_torchs() -> None:
    assert max(errors(chunked(None), plain(None))) < 1e-6
    for gradient, expected in zip(chunked(None)[1:], plain(None)[1:], strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


def test_the_chunk_changes_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    in_parts = chunked(None)
    monkeypatch.setitem(loss.CHUNK_LOGITS, "cpu", 2**24)
    assert max(errors(chunked(None), in_parts)) < 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_it_is_as_near_to_fp32_as_torchs(dtype: torch.dtype) -> None:
    exact = plain(None)
    for ours, theirs in zip(errors(chunked(dtype), exact), errors(plain(dtype), exact), strict=True):
        assert 0 < ours < 1.2 * theirs, "of this type, and no worse"


def test_what_the_loss_is_multiplied_by_multiplies_its_gradients() -> None:
    assert max(errors(chunked(None, scale=3.5), chunked(None))) < 1e-6
    assert max(errors(chunked(torch.bfloat16, scale=3.5, told=7.0), chunked(torch.bfloat16))) < 1e-6


def test_in_fp16_small_gradients_survive_where_the_scale_is_told() -> None:
    """Of tokens that are all but certain: the gradient of each other logit is below what fp16 can hold."""

    def gradient(dtype: torch.dtype | None, told: float | None) -> Tensor:
        hidden = torch.ones(1, 1, 1, requires_grad=True)
        weight = torch.linspace(-18, 0, 512)[:, None].requires_grad_()  # logits
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            nats = cross_entropy(hidden, weight, torch.tensor([[511]]), None if told is None else torch.tensor(told))
        (nats * (told or 1)).backward()
        assert weight.grad is not None
        return weight.grad / (told or 1)

    exact = gradient(None, None)
    assert exact[0] > 0
    assert gradient(torch.float16, None)[0] == 0, "what the scale is for"
    torch.testing.assert_close(gradient(torch.float16, 2.0**15)[0], exact[0], rtol=0.02, atol=0)


def test_a_gradient_that_overflows_in_fp16_is_seen_as_such() -> None:
    """The scaler then skips the step and lowers its scale, as it does for torch's own."""
    _, d_hidden, d_weight = chunked(torch.float16, 2.0**30, told=2.0**30)
    assert not d_hidden.isfinite().all()
    assert not d_weight.isfinite().all()


def test_without_gradients_it_is_the_same_loss() -> None:
    hidden, weight, targets = inputs()
    with torch.no_grad():
        evaluated = cross_entropy(hidden, weight, targets)
    assert not evaluated.requires_grad
    assert evaluated == cross_entropy(hidden, weight, targets)


def test_logits_are_never_held_whole() -> None:
    """No tensor larger than a chunk's logits is made."""

    class Largest(torch.utils._python_dispatch.TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                self.size = max(self.size, result.numel())
            return result

    hidden, weight, targets = inputs()
    with Largest() as largest:
        cross_entropy(hidden, weight, targets).backward()
    assert largest.size == max(32 * VOCABULARY, weight.numel())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padded_entries_get_no_probability_and_no_gradient(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(20, VOCABULARY).to(dtype), torch.randint(VOCABULARY, (20,))
    padded = torch.cat([logits, torch.full((20, 21), 9.0, dtype=dtype)], 1)
    factor = torch.tensor(0.5)
    nats, gradient = softmax_gradient(logits.clone(), targets, VOCABULARY, factor)
    padded_nats, padded_gradient = softmax_gradient(padded, targets, VOCABULARY, factor)
    assert gradient is not None and padded_gradient is not None
    torch.testing.assert_close(padded_nats, nats)
    assert not padded_gradient[:, VOCABULARY:].any()
    torch.testing.assert_close(padded_gradient[:, :VOCABULARY], gradient)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_padded_vocabulary_changes_nothing_but_rounding(
    dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, rows = chunked(dtype), []

    def padded(matrix: Tensor) -> Tensor:
        rows.append(len(matrix))
        return F.pad(matrix, (0, 0, 0, 21))

    monkeypatch.setattr(loss, "_padded", padded)
    with_padding = chunked(dtype)
    assert rows == [VOCABULARY]
    assert with_padding[2].shape == (VOCABULARY, WIDTH)
    assert max(errors(with_padding, exact)) < (1e-6 if dtype is None else 1e-3)


@pytest.mark.parametrize(("vocabulary", "tokens"), [(50_257, 256), (32_000, 512), (300, 32_768), (2**25, 1)])
def test_a_chunk_on_a_cpu_is_at_most_64_megabytes(
    vocabulary: int, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert chunk_tokens(vocabulary, "cpu") == tokens


@pytest.mark.parametrize("tie_weights", [True, False])
def test_the_models_gradients_are_those_of_its_logits(tie_weights: bool) -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=2, n_head=2, n_embd=WIDTH, block_size=24, tie_weights=tie_weights), VOCABULARY)
    ids = torch.randint(VOCABULARY, (5, 25))
    F.cross_entropy(gpt(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()
    expected = {name: parameter.grad for name, parameter in gpt.named_parameters()}
    gpt.zero_grad()
    gpt.loss(ids[:, :-1], ids[:, 1:]).backward()
    for name, parameter in gpt.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_compiled_it_is_the_same_loss_and_is_compiled_once(dtype: torch.dtype | None) -> None:
    torch.manual_seed(0)
    gpt = GPT(Model(n_layer=1, n_head=2, n_embd=WIDTH, block_size=32), VOCABULARY)
    loss_of = compiled_loss(gpt)

    def step(of: Callable[..., Tensor]) -> tuple[float, Tensor]:
        gpt.zero_grad()
        ids = torch.randint(VOCABULARY, (4, 33), generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            nats = of(ids[:, :-1], ids[:, 1:])
        nats.backward()
        return nats.item(), torch.cat([parameter.grad.flatten() for parameter in gpt.parameters()])

    nats, gradients = step(gpt.loss)
    rounding = 1e-5 if dtype is None else 1e-2
    compiled_nats, compiled_gradients = step(loss_of)
    assert compiled_nats == pytest.approx(nats, rel=rounding)
    assert (compiled_gradients - gradients).norm() / gradients.norm() < rounding
    with torch.compiler.set_stance("fail_on_recompile"):
        step(loss_of)
