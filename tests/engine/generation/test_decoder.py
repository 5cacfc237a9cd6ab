"""Decoding with a cache gives what computing the whole window gives, at every position and across its moves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engine.contract.experiment import Model
from engine.generation.decoder import Decoder, column_major, window_start
from engine.model.gpt import GPT

VOCABULARY = 120
SHAPES = {
    "plain": Model(n_layer=3, n_head=4, n_embd=64, block_size=16),
    "without biases": Model(n_layer=2, n_head=2, n_embd=32, block_size=16, bias=False),
    "untied": Model(n_layer=2, n_head=2, n_embd=32, block_size=16, tie_weights=False),
    "dropout": Model(n_layer=2, n_head=2, n_embd=32, block_size=16, dropout=0.5),
    "context of one": Model(n_layer=2, n_head=2, n_embd=32, block_size=1),
    "context of five": Model(n_layer=2, n_head=2, n_embd=32, block_size=5),
}


def random_model(shape: str, seed: int = 0) -> GPT:
    torch.manual_seed(seed)
    return GPT(SHAPES[shape], VOCABULARY).eval()


def trained_model(shape: str) -> GPT:
    """Briefly, on a text that counts, so that logits are large and contexts matter."""
    gpt = random_model(shape).train()
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=3e-3)
    text = torch.arange(400).cumsum(0) % VOCABULARY
    size = gpt.block_size
    for _ in range(60):
        starts = torch.randint(len(text) - size - 1, (8,))
        windows = torch.stack([text[start : start + size + 1] for start in starts])
        optimizer.zero_grad()
        gpt.loss(windows[:, :-1], windows[:, 1:]).backward()
        optimizer.step()
    return gpt.eval()


def uncached(gpt: GPT, text: list[int]) -> torch.Tensor:
    """The next token's logits, the whole window computed: the definition."""
    window = text[window_start(len(text), gpt.block_size) :]
    with torch.no_grad():
        return gpt(torch.tensor([window]))[0, -1].float()


@pytest.mark.parametrize("make", [random_model, trained_model])
@pytest.mark.parametrize("shape", SHAPES)
def test_cached_logits_are_the_uncached_ones_everywhere(make: Callable[[str], GPT], shape: str) -> None:
    gpt = make(shape)
    torch.manual_seed(1)
    decoder = Decoder(gpt, [7, 3], batch=3)
    for _ in range(3 * gpt.block_size + 8):
        logits = decoder.logits()
        for text, row in zip(decoder.texts, logits, strict=True):
            torch.testing.assert_close(row, uncached(gpt, text), rtol=1e-4, atol=1e-4)
        decoder.append(torch.randint(VOCABULARY, (3,)).tolist())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_cached_too(dtype: torch.dtype) -> None:
    gpt = random_model("plain").to(dtype)
    decoder = Decoder(gpt, [7])
    tolerance = 1e-6 if dtype == torch.float64 else 0.05
    for token in range(40):
        torch.testing.assert_close(decoder.logits()[0], uncached(gpt, decoder.texts[0]), rtol=tolerance, atol=tolerance)
        decoder.append([token])


def test_greedy_text_is_identical() -> None:
    gpt = trained_model("plain")
    decoder = Decoder(gpt, [5])
    text = [5]
    for _ in range(60):
        decoder.append(decoder.logits().argmax(-1).tolist())
        text.append(int(uncached(gpt, text).argmax()))
    assert decoder.texts == [text]
    assert len(set(text)) > 5, "a text that says something"


@pytest.mark.parametrize("length", [15, 16, 17, 20, 100])
def test_a_prompt_of_any_length_is_read_from_its_window_on(length: int) -> None:
    gpt = random_model("plain")
    prompt = torch.randint(VOCABULARY, (length,)).tolist()
    torch.testing.assert_close(Decoder(gpt, prompt).logits()[0], uncached(gpt, prompt), rtol=1e-4, atol=1e-5)


def test_only_the_new_token_is_computed_until_the_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    gpt = random_model("plain")
    computed: list[int] = []
    inner = gpt.hidden

    def counting(ids: torch.Tensor, cache: object) -> torch.Tensor:
        computed.append(ids.numel())
        return inner(ids, cache)

    monkeypatch.setattr(gpt, "hidden", counting)
    decoder = Decoder(gpt, [1, 2, 3], batch=2)
    for token in range(26):
        decoder.logits()
        decoder.append([token, token + 1])
    # The prompt is computed once for both. With 17, 21 and 25 tokens the window moves by 4, to 13 tokens.
    one_by_one = [2] * 13
    assert computed == [3, *one_by_one, 2 * 13, 2, 2, 2, 2 * 13, 2, 2, 2, 2 * 13, 2, 2, 2]


def test_the_window_is_three_quarters_to_all_of_the_context_and_moves_by_a_quarter() -> None:
    assert [window_start(length, 16) for length in (1, 16, 17, 20, 21, 24, 25)] == [0, 0, 4, 4, 8, 8, 12]
    for block_size in (1, 2, 3, 5, 16, 100):
        for length in range(1, 400):
            window = length - window_start(length, block_size)
            assert min(length, block_size * 3 // 4 + 1) <= window <= block_size


def test_texts_that_are_kept_go_on_as_before() -> None:
    gpt = random_model("plain")
    decoder = Decoder(gpt, [1], batch=3)
    for tokens in ([1, 2, 3], [4, 5, 6]):
        decoder.logits()
        decoder.append(tokens)
    decoder.logits()
    decoder.keep([0, 2])
    decoder.append([7, 8])
    assert decoder.texts == [[1, 1, 4, 7], [1, 3, 6, 8]]
    for text, row in zip(decoder.texts, decoder.logits(), strict=True):
        torch.testing.assert_close(row, uncached(gpt, text), rtol=1e-4, atol=1e-5)


def test_another_model_may_go_on_where_one_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpt, other = random_model("plain"), random_model("plain", seed=1)
    decoder = Decoder(gpt, [1, 2])
    decoder.logits()
    decoder.append([3])

    def fails(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(gpt, "hidden", fails)
    with pytest.raises(torch.OutOfMemoryError):
        decoder.logits()
    decoder.use(other)
    torch.testing.assert_close(decoder.logits()[0], uncached(other, [1, 2, 3]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", ["plain", "untied", "without biases"])
def test_another_layout_changes_no_value_and_no_logit(shape: str) -> None:
    gpt, moved = random_model(shape), column_major(random_model(shape))
    for (name, before), after in zip(gpt.state_dict().items(), moved.state_dict().values(), strict=True):
        assert torch.equal(before, after), name
    torch.testing.assert_close(Decoder(moved, [1, 2, 3]).logits(), Decoder(gpt, [1, 2, 3]).logits())
