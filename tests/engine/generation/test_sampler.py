"""Drawing tokens: each knob against a plain reference, the draws against the probabilities."""

from __future__ import annotations

import math
import unicodedata

import pytest
import torch

from engine.builtin_stories.stories import stories
from engine.contract.errors import UserError
from engine.contract.experiment import Sampling
from engine.data.tokenizers.byte_pair import train_byte_bpe
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.generation.sampler import FIRST_CUT, Sampler, allowed_tokens, candidates, pick, token_probabilities


@pytest.fixture(scope="module")
def arabic() -> Tokenizer:
    return train_byte_bpe(stories("arabic", 300), 700, 2)


def some_logits(rows: int, vocabulary: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed))


def distribution(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """What `candidates` leaves, over the whole vocabulary, each row summing to 1."""
    tokens, probabilities = candidates(logits, sampling)
    if tokens is not None:
        probabilities = torch.zeros_like(logits).scatter(-1, tokens, probabilities)
    return probabilities / probabilities.sum(-1, keepdim=True)


def plain_distribution(logits: list[float], sampling: Sampling) -> list[float]:
    """The same for one row, in the words of the papers."""
    weights = {token: math.exp(logit / sampling.temperature) for token, logit in enumerate(logits)}

    def shares(kept: dict[int, float]) -> dict[int, float]:
        return {token: weight / sum(kept.values()) for token, weight in kept.items()}

    likeliest = sorted(weights, key=lambda token: -weights[token])
    kept = shares({token: weights[token] for token in likeliest[: sampling.top_k or None]})
    nucleus, reached = {}, 0.0
    for token, share in kept.items():
        if reached >= sampling.top_p:
            break
        nucleus[token], reached = share, reached + share
    kept = {token: share for token, share in nucleus.items() if share >= sampling.min_p * max(nucleus.values())}
    final = shares(kept)
    return [final.get(token, 0.0) for token in range(len(logits))]


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 2.5},
        {"top_k": 1},
        {"top_k": 7},
        {"top_k": 10**9},
        {"top_p": 1e-9},
        {"top_p": 0.5},
        {"top_p": 0.999},
        {"min_p": 0.1},
        {"min_p": 1.0},
        {"temperature": 0.8, "top_k": 20, "top_p": 0.85, "min_p": 0.05},
    ],
)
@pytest.mark.parametrize("vocabulary", [5, 40, 3 * FIRST_CUT])
def test_each_knob_keeps_what_a_plain_reference_keeps(knobs: dict[str, float], vocabulary: int) -> None:
    sampling = Sampling(**{"temperature": 1.0, **knobs})  # type: ignore[arg-type]
    logits = some_logits(4, vocabulary)
    expected = torch.tensor([plain_distribution(row, sampling) for row in logits.double().tolist()])
    torch.testing.assert_close(distribution(logits, sampling), expected, rtol=1e-3, atol=1e-6)


def test_a_nucleus_that_reaches_beyond_the_first_cut_is_whole() -> None:
    flat = torch.zeros(1, 3 * FIRST_CUT)
    assert (distribution(flat, Sampling(temperature=1.0, top_p=0.5)) > 0).sum() == 1.5 * FIRST_CUT


def sampler(
    tokenizer: Tokenizer, sampling: Sampling, batch: int = 1, seed: int = 0, prompt: tuple[int, ...] = ()
) -> Sampler:
    return Sampler(sampling, seed, batch, prompt, tokenizer)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_the_draws_follow_the_softmax(arabic: Tokenizer, temperature: float) -> None:
    """Chi-square over 20 tokens with a fixed seed: 99.9 % of true samplers stay below 43.8."""
    draws = 20_000
    logits = torch.full((arabic.vocab_size,), -torch.inf)
    logits[:20] = some_logits(1, 20)[0] / 2
    expected = draws * (logits[:20].double() / temperature).softmax(-1)
    one = sampler(arabic, Sampling(temperature=temperature))
    drawn = torch.tensor([one.draw(logits[None])[0] for _ in range(draws)])
    observed = drawn.bincount(minlength=20)
    assert len(observed) == 20, "nothing without a probability is drawn"
    assert ((observed - expected) ** 2 / expected).sum() < 43.8


def test_the_ends_of_the_uniform_range_pick_tokens_that_have_a_probability() -> None:
    probabilities = torch.tensor([[0.0, 0.3, 0.0, 0.3, 0.1, 0.0]])
    below_one = 1 - 2**-24
    assert [int(pick(probabilities, torch.tensor([u]))) for u in (0.0, 0.4, 0.5, below_one)] == [1, 1, 3, 4]


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_no_temperature_is_the_likeliest_token(arabic: Tokenizer, temperature: float) -> None:
    logits = some_logits(3, arabic.vocab_size)
    assert sampler(arabic, Sampling(temperature=temperature), 3).draw(logits) == logits.argmax(-1).tolist()


@pytest.mark.parametrize("temperature", [1e308, 1.0])
def test_no_knob_is_too_absurd(arabic: Tokenizer, temperature: float) -> None:
    absurd = Sampling(temperature=temperature, repetition_penalty=1e308, top_k=10**9, top_p=1e-300, min_p=1.0)
    (token,) = sampler(arabic, absurd, prompt=tuple(range(300))).draw(some_logits(1, arabic.vocab_size).round())
    assert 0 <= token < arabic.vocab_size


def test_the_repetition_penalty_divides_what_is_above_zero_and_multiplies_what_is_below(arabic: Tokenizer) -> None:
    other = next(token for token in range(20) if token not in (3, 4, arabic.eot_id))

    def greedy(logit: float, rival: float, prompt: tuple[int, ...]) -> int:
        logits = torch.full((1, arabic.vocab_size), -50.0)
        logits[0, 3], logits[0, other] = logit, rival
        return sampler(arabic, Sampling(temperature=0, repetition_penalty=2.0), prompt=prompt).draw(logits)[0]

    assert greedy(4.0, 2.1, prompt=(3, 3)) == other and greedy(4.0, 1.9, prompt=(3, 3)) == 3
    assert greedy(-4.0, -7.9, prompt=(3,)) == other and greedy(-4.0, -8.1, prompt=(3,)) == 3
    assert greedy(4.0, 2.1, prompt=(4,)) == 3, "what was not seen is not penalised"


def test_what_was_drawn_is_seen_but_end_of_text_never_is(arabic: Tokenizer) -> None:
    one = sampler(arabic, Sampling(temperature=0, repetition_penalty=2.0), prompt=(arabic.eot_id,))
    logits = torch.zeros(1, arabic.vocab_size)
    logits[0, 30], logits[0, 31], logits[0, arabic.eot_id] = 4.0, 3.0, 2.5
    assert [one.draw(logits)[0] for _ in range(3)] == [30, 31, arabic.eot_id]


def test_a_sample_is_the_same_alone_among_others_and_after_others_have_ended(arabic: Tokenizer) -> None:
    logits = some_logits(1, arabic.vocab_size)
    knobs = Sampling(temperature=1.0, top_p=0.9, repetition_penalty=1.3)
    alone = [sampler(arabic, knobs, seed=5 + number) for number in range(4)]
    expected = [[one.draw(logits)[0] for _ in range(12)] for one in alone]
    together = sampler(arabic, knobs, batch=4, seed=5)
    drawn = [together.draw(logits.expand(4, -1)) for _ in range(6)]
    together.keep([1, 3])
    rest = [together.draw(logits.expand(2, -1)) for _ in range(6)]
    assert [[row[sample] for row in drawn] for sample in range(4)] == [story[:6] for story in expected]
    assert [[row[place] for row in rest] for place in range(2)] == [expected[1][6:], expected[3][6:]]
    assert len({tuple(story) for story in expected}) == 4


def test_the_last_seed_is_followed_by_the_first(arabic: Tokenizer) -> None:
    logits = some_logits(1, arabic.vocab_size)
    two = sampler(arabic, Sampling(temperature=1.0), batch=2, seed=2**63 - 1).draw(logits.expand(2, -1))
    assert two[1] == sampler(arabic, Sampling(temperature=1.0), seed=0).draw(logits)[0]


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_an_answer_that_is_no_number_is_told_in_words(arabic: Tokenizer, damage: float) -> None:
    logits = some_logits(2, arabic.vocab_size)
    logits[1, 9] = damage
    with pytest.raises(UserError, match="the model's output is not a number"):
        sampler(arabic, Sampling(), 2).draw(logits)


def test_probabilities_are_told_as_the_model_has_them(arabic: Tokenizer) -> None:
    logits = some_logits(2, arabic.vocab_size)
    probabilities = logits.softmax(-1)
    for row, token in enumerate(token_probabilities(logits, [4, 5], 3, arabic)):
        assert token.id == 4 + row
        assert token.probability == pytest.approx(float(probabilities[row, token.id]), rel=1e-4)
        order = probabilities[row].argsort(descending=True)[:3]
        assert [text for text, _ in token.alternatives] == [arabic.decode([int(other)]) for other in order]
        shares = [share for _, share in token.alternatives]
        assert shares == pytest.approx(probabilities[row, order].tolist(), rel=1e-4)
    assert token_probabilities(logits, [4, 5], 0, arabic)[0].alternatives == []


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


def test_a_token_that_is_not_allowed_is_never_drawn(arabic: Tokenizer) -> None:
    allowed = allowed_tokens(arabic, "arabic")
    assert allowed is not None
    logits = torch.where(allowed, -20.0, 20.0)[None]
    one = sampler(arabic, Sampling(temperature=1.0, allowed_script="arabic"))
    assert all(allowed[one.draw(logits)[0]] for _ in range(50))
