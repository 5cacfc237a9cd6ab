"""Stories: whole characters, stop texts, why they end, and training left undisturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch

from engine.builtin_stories.stories import stories
from engine.contract.experiment import Model, Sampling
from engine.contract.generation import Token
from engine.data.tokenizers.byte_pair import train_byte_bpe
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.generation.writer import End, StoryStream, TextChunk, Writer, prompt_tokens, story
from engine.model.gpt import GPT


@pytest.fixture(scope="module")
def arabic() -> Tokenizer:
    return train_byte_bpe(stories("arabic", 300), 700, 2)


@pytest.fixture
def gpt(arabic: Tokenizer) -> GPT:
    torch.manual_seed(0)
    return GPT(Model(n_layer=1, n_head=2, n_embd=16, block_size=12), arabic.vocab_size).eval()


def streamed(tokenizer: Tokenizer, tokens: Iterable[int], *stop: str) -> tuple[list[str], list[int], StoryStream]:
    """Texts of the pieces, ids of the tokens told with them."""
    stream = StoryStream(tokenizer, stop)
    pieces, told = [], []
    for token in tokens:
        stream.push(Token(token, 1.0))
        text, with_it = stream.take()
        pieces.append(text)
        told += [one.id for one in with_it]
        if stream.stopped:
            break
    stream.close()
    text, with_it = stream.take()
    return [*pieces, text], told + [one.id for one in with_it], stream


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text)


def bytes_of(tokenizer: Tokenizer, text: str) -> list[int]:
    """A token for each byte, the worst way to cut a text."""
    single = {tokenizer.token_bytes(token): token for token in range(tokenizer.vocab_size)}
    return [single[bytes([byte])] for byte in text.encode()]


@pytest.mark.parametrize("cut", [encoded, bytes_of])
def test_text_pieces_are_whole_characters_and_lose_nothing(
    arabic: Tokenizer, cut: Callable[[Tokenizer, str], list[int]]
) -> None:
    tokens = cut(arabic, "يا 🙂 قال: «مرحبًا» naïve")
    pieces, told, _ = streamed(arabic, tokens)
    assert "".join(pieces) == arabic.decode(tokens)
    assert told == tokens
    assert all("\N{REPLACEMENT CHARACTER}" not in piece for piece in pieces)
    assert "" in pieces[:-1], "some token ends within a character, so something was held back"


def test_a_character_that_stays_incomplete_is_replaced_at_the_end(arabic: Tokenizer) -> None:
    (cut,) = (t for t in range(arabic.vocab_size) if arabic.token_bytes(t) == b"\xd9")
    assert streamed(arabic, [cut])[:2] == (["", "\N{REPLACEMENT CHARACTER}"], [cut])


@pytest.mark.parametrize("text", ["one END two", "ENENEND two", "END", "E EN END", "onEND"])
@pytest.mark.parametrize("cut", [encoded, bytes_of])
def test_a_stop_text_ends_the_story_before_it_however_it_is_cut(
    arabic: Tokenizer, cut: Callable[[Tokenizer, str], list[int]], text: str
) -> None:
    tokens = cut(arabic, text)
    pieces, told, stream = streamed(arabic, tokens, "END", "never")
    assert stream.stopped
    assert "".join(pieces) == text[: text.index("END")]
    assert told == tokens[: len(told)]


def test_of_two_stop_texts_the_first_in_the_story_counts(arabic: Tokenizer) -> None:
    assert "".join(streamed(arabic, arabic.encode("one two three"), "three", "two")[0]) == "one "


def test_what_may_begin_a_stop_text_waits_until_it_cannot(arabic: Tokenizer) -> None:
    pieces, told, stream = streamed(arabic, bytes_of(arabic, "aENDaEN"), "ENDE")
    assert pieces == ["a", "", "", "", "ENDa", "", "", "EN"]
    assert not stream.stopped
    assert told == bytes_of(arabic, "aENDaEN")


def parts(gpt: GPT, tokenizer: Tokenizer, sampling: Sampling, seed: int = 0, **more: int) -> list[TextChunk | End]:
    return list(Writer(gpt, tokenizer, prompt_tokens(tokenizer, "كان"), sampling, seed, **more))


def texts(found: list[TextChunk | End], samples: int) -> list[str]:
    return [
        "".join(p.text for p in found if isinstance(p, TextChunk) and p.sample == number) for number in range(samples)
    ]


def ends(found: list[TextChunk | End]) -> dict[int, End]:
    return {part.sample: part for part in found if isinstance(part, End)}


def test_samples_are_the_same_together_and_alone(gpt: GPT, arabic: Tokenizer) -> None:
    sampling = Sampling(max_new_tokens=40, temperature=1.5)
    together = parts(gpt, arabic, sampling, seed=3, num_samples=6)
    for number in range(6):
        alone = parts(gpt, arabic, sampling, seed=3 + number)
        assert texts(alone, 1)[0] == texts(together, 6)[number]
        one, many = ends(alone)[0], ends(together)[number]
        assert (one.reason, one.tokens) == (many.reason, many.tokens)


def test_a_story_goes_on_past_the_context_length(gpt: GPT, arabic: Tokenizer) -> None:
    found = parts(gpt, arabic, Sampling(max_new_tokens=40, temperature=1.0), num_samples=4)
    assert max(end.tokens for end in ends(found).values()) == 40 > gpt.block_size


def likely(gpt: GPT, token: int) -> None:
    """Make the model sure of one token."""
    with torch.no_grad():
        gpt.ln_f.bias.copy_(100 * gpt.wte.weight[token] / gpt.wte.weight[token].norm() ** 2)


def test_a_story_ends_at_end_of_text_without_showing_it(gpt: GPT, arabic: Tokenizer) -> None:
    likely(gpt, arabic.eot_id)
    assert parts(gpt, arabic, Sampling(temperature=0)) == [End(0, "end_of_text", 0)]


def test_a_stop_text_is_found_across_tokens_and_is_not_shown(gpt: GPT, arabic: Tokenizer) -> None:
    sampling = Sampling(max_new_tokens=30, temperature=1.0)
    whole = texts(parts(gpt, arabic, sampling, seed=1), 1)[0]
    stop = whole[9:14]
    found = parts(gpt, arabic, Sampling(max_new_tokens=30, temperature=1.0, stop=(stop,)), seed=1)
    assert texts(found, 1)[0] == whole[: whole.index(stop)]
    assert ends(found)[0].reason == "stop_text"


def test_a_cancelled_story_says_what_it_held_back(gpt: GPT, arabic: Tokenizer) -> None:
    (letter,) = bytes_of(arabic, "E")
    likely(gpt, letter)
    writer = Writer(gpt, arabic, [arabic.eot_id], Sampling(temperature=0, stop=("EEEEEEEE",)), 0, num_samples=2)
    assert writer.step() == writer.step() == []
    texts_and_ends = writer.cancel()
    assert [part.text for part in texts_and_ends if isinstance(part, TextChunk)] == ["EE", "EE"]
    assert ends(texts_and_ends) == {0: End(0, "cancelled", 2), 1: End(1, "cancelled", 2)}
    assert list(writer) == []


def test_an_equal_seed_gives_an_equal_story_and_training_is_not_disturbed(gpt: GPT, arabic: Tokenizer) -> None:
    gpt.train()
    before = torch.get_rng_state()
    one, two, other = (story(gpt, arabic, "كان", Sampling(max_new_tokens=20), seed) for seed in (1, 1, 2))
    assert one == two != other
    assert one.startswith("كان")
    assert gpt.training
    assert torch.equal(torch.get_rng_state(), before)
    gpt.loss(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 4, dtype=torch.long)).backward()
