"""From logits to the next token: penalty, temperature, cuts, and one draw from what is left.

All of it is for a batch of texts, one a row; a row's result depends on no other row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

import torch
from torch import Tensor

from engine.contract.errors import UserError
from engine.contract.experiment import Sampling
from engine.contract.generation import Token
from engine.data.tokenizers.tokenizer import Tokenizer

SEEDS = 2**63  # how many there are
# What lies beyond makes no difference but overflow.
COLDEST, HOTTEST, LARGEST_PENALTY = 1e-6, 1e6, 1e30
FIRST_CUT = 256  # tokens that a nucleus is looked for in at first


class Sampler:
    """Draws each text's next token.

    A text has a generator of its own, on the CPU, seeded with `seed` plus the text's number: a seed means the same on
    every device, and the third of five stories can be had alone.
    """

    def __init__(self, sampling: Sampling, seed: int, batch: int, prompt: Sequence[int], tokenizer: Tokenizer) -> None:
        """`prompt`: the tokens that the repetition penalty counts as seen; end-of-text is never one of them."""
        self._sampling = sampling
        self._generators = [torch.Generator().manual_seed((seed + number) % SEEDS) for number in range(batch)]
        self._allowed = allowed_tokens(tokenizer, sampling.allowed_script)
        self._eot_id = tokenizer.eot_id
        self._seen: Tensor | None = None
        if sampling.repetition_penalty > 1:
            self._seen = torch.zeros(batch, tokenizer.vocab_size, dtype=torch.bool)
            self._seen[:, list(prompt)] = True
            self._seen[:, self._eot_id] = False

    def draw(self, logits: Tensor) -> list[int]:
        """The next token of each text, from float32 `logits` (batch, vocab_size) on the CPU.

        Raises:
            UserError: the model's output is not a number.
        """
        if not bool(logits.amax().isfinite()):
            raise UserError("the model's output is not a number: its weights are damaged, or its training has diverged")
        logits = self._weighed(logits)
        if self._sampling.temperature == 0:
            drawn = logits.argmax(-1)
        else:
            tokens, probabilities = candidates(logits, self._sampling)
            uniform = torch.cat([torch.rand(1, generator=generator) for generator in self._generators])
            index = pick(probabilities, uniform)
            drawn = index if tokens is None else tokens.gather(-1, index[:, None])[:, 0]
        if self._seen is not None:
            self._seen[torch.arange(len(drawn)), drawn] = True
        return drawn.tolist()

    def keep(self, rows: list[int]) -> None:
        """Go on with these of the texts only."""
        self._generators = [self._generators[row] for row in rows]
        if self._seen is not None:
            self._seen = self._seen[rows]

    def _weighed(self, logits: Tensor) -> Tensor:
        """Without the tokens that are not allowed, those seen before made less likely (CTRL, arXiv 1909.05858)."""
        if self._allowed is not None:
            logits = logits.masked_fill(~self._allowed, -torch.inf)
        if self._seen is None:
            return logits
        penalty = min(self._sampling.repetition_penalty, LARGEST_PENALTY)
        return torch.where(self._seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def candidates(logits: Tensor, sampling: Sampling) -> tuple[Tensor | None, Tensor]:
    """Tokens that may be drawn and their probabilities, both (batch, n); None for the tokens is all of them.

    After temperature, above 0, each of top-k, top-p (arXiv 1904.09751) and min-p (arXiv 2407.01082) keeps the
    likeliest of what the one before has left.
    """
    tokens = None
    logits = logits / min(max(sampling.temperature, COLDEST), HOTTEST)
    if 0 < sampling.top_k < logits.shape[-1]:
        logits, tokens = logits.topk(sampling.top_k)
    probabilities = logits.softmax(-1)
    if sampling.top_p < 1:
        probabilities, order = _nucleus(probabilities, sampling.top_p)
        tokens = order if tokens is None else tokens.gather(-1, order)
    if sampling.min_p:
        least = sampling.min_p * probabilities.amax(-1, keepdim=True)
        probabilities = probabilities.where(probabilities >= least, 0)
    return tokens, probabilities


def _nucleus(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The smallest set that reaches `top_p`, the likeliest first, and where it stood; zeros after its end.

    The likeliest always stays. A whole vocabulary takes long to sort, so it is tried with a part first.
    """
    size = min(FIRST_CUT, probabilities.shape[-1])
    while True:
        largest, order = probabilities.topk(size)
        reached = largest.cumsum(-1, dtype=torch.float64)
        if size == probabilities.shape[-1] or bool((reached[:, -1] >= top_p).all()):
            return largest.where(reached - largest < top_p, 0), order
        size = min(8 * size, probabilities.shape[-1])


def pick(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Where `uniform` (batch), of 0 to 1, falls in each row of `probabilities` (batch, n), which need not sum to 1.

    What has no probability is never picked: a float32 below 1 times the sum, in float64, stays below the sum.
    """
    reached = probabilities.cumsum(-1, dtype=torch.float64)
    return torch.searchsorted(reached, uniform[:, None] * reached[:, -1:], right=True)[:, 0]


def token_probabilities(logits: Tensor, drawn: list[int], alternatives: int, tokenizer: Tokenizer) -> list[Token]:
    """The drawn tokens (batch) with what the model itself made of them and of the `alternatives` likeliest ones."""
    normalizers = logits.logsumexp(-1, keepdim=True)
    probabilities = (logits.gather(-1, torch.tensor(drawn)[:, None]) - normalizers).exp()[:, 0].tolist()
    if not alternatives:
        return [Token(token, probability) for token, probability in zip(drawn, probabilities, strict=True)]
    largest, order = logits.topk(min(alternatives, logits.shape[-1]))
    rows = zip(drawn, probabilities, order.tolist(), (largest - normalizers).exp().tolist(), strict=True)
    return [
        Token(token, probability, list(zip(map(tokenizer.decode, ([other] for other in others)), shares, strict=True)))
        for token, probability, others, shares in rows
    ]


@lru_cache(maxsize=1)
def allowed_tokens(tokenizer: Tokenizer, script: str) -> Tensor | None:
    """Mask (vocab_size) of the tokens that a script allows, end-of-text included; None where all are.

    For Arabic: whole characters that are Arabic letters, marks, digits, punctuation or white space. A token that
    is only a part of a character is not allowed, as nobody can tell what it will become.
    """
    if script == "any":
        return None
    allowed = [_is_arabic(tokenizer.token_bytes(token)) for token in range(tokenizer.vocab_size)]
    allowed[tokenizer.eot_id] = True
    return torch.tensor(allowed)


def _is_arabic(token: bytes) -> bool:
    try:
        return all(map(_is_arabic_character, token.decode("utf-8")))
    except UnicodeDecodeError:
        return False


@cache
def _is_arabic_character(character: str) -> bool:
    category = unicodedata.category(character)
    return character.isspace() or category[0] == "P" or "ARABIC" in unicodedata.name(character, "")
