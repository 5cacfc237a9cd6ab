"""Drawing tokens, and turning them into text that never cuts a character."""

from __future__ import annotations

import unicodedata

import pytest
import torch

from engine.contract.experiment import Model, Sampling
from engine.data.stories import stories
from engine.data.tokenizers import Tokenizer, train_byte_bpe
from engine.model import GPT
from engine.sampling import TextStream, allowed_tokens, next_token, story, write

LOGITS = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.06, 0.04]))
DRAWS = 4000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frequencies(sampling: Sampling, seen: list[int] | None = None, allowed: torch.Tensor | None = None) -> list[float]:
    """How often each of the five tokens is drawn."""
    random = generator()
    drawn = torch.tensor([next_token(LOGITS, seen or [], sampling, random, allowed) for _ in range(DRAWS)])
    return (drawn.bincount(minlength=5) / DRAWS).tolist()


def test_temperature_one_draws_the_models_own_distribution() -> None:
    assert frequencies(Sampling(temperature=1.0)) == pytest.approx([0.4, 0.3, 0.2, 0.06, 0.04], abs=0.03)


def test_temperature_zero_is_the_likeliest_token() -> None:
    assert frequencies(Sampling(temperature=0.0)) == [1, 0, 0, 0, 0]


def test_the_smallest_temperature_is_as_good_as_none() -> None:
    assert frequencies(Sampling(temperature=1e-300)) == [1, 0, 0, 0, 0]


def test_a_low_temperature_sharpens() -> None:
    sharpened = torch.tensor([0.16, 0.09, 0.04, 0.0036, 0.0016])
    assert frequencies(Sampling(temperature=0.5)) == pytest.approx((sharpened / sharpened.sum()).tolist(), abs=0.03)


def test_top_k_keeps_the_k_likeliest() -> None:
    assert frequencies(Sampling(temperature=1.0, top_k=2)) == pytest.approx([4 / 7, 3 / 7, 0, 0, 0], abs=0.03)


@pytest.mark.parametrize(("top_p", "kept"), [(0.39, 1), (0.41, 2), (0.71, 3), (0.97, 5), (1e-9, 1)])
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: int) -> None:
    drawn = frequencies(Sampling(temperature=1.0, top_p=top_p))
    assert [share > 0 for share in drawn] == [index < kept for index in range(5)]


def test_min_p_is_relative_to_the_likeliest() -> None:
    drawn = frequencies(Sampling(temperature=1.0, min_p=0.45))
    assert drawn[2] > 0 and drawn[3] == drawn[4] == 0


def test_the_repetition_penalty_makes_what_was_seen_rarer() -> None:
    drawn = frequencies(Sampling(temperature=1.0, repetition_penalty=2.0), seen=[0, 0])
    # log 0.4 is negative, so it is doubled: 0.4 ** 2 against the rest.
    assert drawn[0] == pytest.approx(0.16 / 0.76, abs=0.03)


def test_a_token_that_is_not_allowed_is_never_drawn() -> None:
    allowed = torch.tensor([False, True, True, False, True])
    drawn = frequencies(Sampling(temperature=1.0), allowed=allowed)
    assert drawn[0] == drawn[3] == 0


@pytest.fixture(scope="module")
def arabic() -> Tokenizer:
    return train_byte_bpe(stories("arabic", 300), 700, 2)


@pytest.fixture(scope="module")
def gpt(arabic: Tokenizer) -> GPT:
    torch.manual_seed(0)
    return GPT(Model(n_layer=1, n_head=2, n_embd=16, block_size=12), arabic.vocab_size)


def test_text_pieces_are_whole_characters_and_lose_nothing(arabic: Tokenizer) -> None:
    text = "يا 🙂 ﷽ قال: «مرحبًا» naïve"
    stream = TextStream(arabic)
    pieces = [stream.push(token) for token in arabic.encode(text)]
    assert "".join(pieces) + stream.close() == arabic.decode(arabic.encode(text))
    assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in pieces)
    assert "" in pieces, "some token ends within a character, so something was held back"


def test_a_character_that_stays_incomplete_is_replaced_at_the_end(arabic: Tokenizer) -> None:
    stream = TextStream(arabic)
    cut = next(t for t in range(arabic.vocab_size) if arabic.token_bytes(t) == b"\xd9")
    assert stream.push(cut) == ""
    assert stream.close() == "\N{REPLACEMENT CHARACTER}"


def test_an_equal_seed_gives_an_equal_story_and_training_is_not_disturbed(gpt: GPT, arabic: Tokenizer) -> None:
    gpt.train()
    before = torch.get_rng_state()
    one, two, other = (story(gpt, arabic, "كان", Sampling(max_new_tokens=20), seed) for seed in (1, 1, 2))
    assert one == two != other
    assert one.startswith("كان")
    assert gpt.training
    assert torch.equal(torch.get_rng_state(), before)


def test_a_story_goes_on_past_the_context_length(gpt: GPT, arabic: Tokenizer) -> None:
    sampling = Sampling(max_new_tokens=40, temperature=1.0)
    lengths = [len(list(write(gpt, arabic, "كان", sampling, generator(seed)))) for seed in range(4)]
    assert max(lengths) == 40 > gpt.block_size


def test_a_story_ends_at_end_of_text_without_showing_it(gpt: GPT, arabic: Tokenizer) -> None:
    likeliest_end = torch.full((arabic.vocab_size,), -10.0)
    likeliest_end[arabic.eot_id] = 10.0
    assert next_token(likeliest_end, [], Sampling(), generator()) == arabic.eot_id
    written = list(write(gpt, arabic, "كان", Sampling(max_new_tokens=400, temperature=2.0), generator(3)))
    assert arabic.eot_id not in written


def test_the_arabic_script_leaves_no_latin_and_no_half_characters(arabic: Tokenizer) -> None:
    allowed = allowed_tokens(arabic, "arabic")
    assert allowed is not None
    kept = [
        arabic.token_bytes(token) for token in range(arabic.vocab_size) if allowed[token] and token != arabic.eot_id
    ]
    text = b"".join(kept).decode("utf-8")
    assert "\N{ARABIC LETTER ALEF}" in text and "\N{ARABIC COMMA}" in text and " " in text
    assert not any("LATIN" in unicodedata.name(c, "") for c in text)
    assert allowed[arabic.eot_id]
    assert allowed_tokens(arabic, "any") is None
