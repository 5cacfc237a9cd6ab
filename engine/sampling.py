"""From logits to the next token, and from tokens to text.

`next_token` is a pure function of logits, settings and a random generator; `write` is the loop around it. Here
the whole context is computed anew for each token.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator

import torch
from torch import Tensor

from engine.contract.experiment import Sampling
from engine.data.tokenizers import Tokenizer
from engine.model import GPT


@torch.no_grad()
def write(
    model: GPT, tokenizer: Tokenizer, prompt: str, sampling: Sampling, generator: torch.Generator
) -> Iterator[int]:
    """The token ids of a story that begins with `prompt` (they are not repeated), up to end-of-text.

    The model is put in evaluation mode for each token and left as it was found. The generator lives on the CPU,
    so that a seed means the same on every device.
    """
    device = model.wte.weight.device
    ids = [tokenizer.eot_id, *tokenizer.encode(prompt)]
    allowed = allowed_tokens(tokenizer, sampling.allowed_script)
    for _ in range(sampling.max_new_tokens):
        context = torch.tensor([ids[-model.block_size :]], device=device)
        logits = model.head(_evaluated(model, context)[0, -1]).float().cpu()
        token = next_token(logits, ids, sampling, generator, allowed)
        if token == tokenizer.eot_id:
            return
        ids.append(token)
        yield token


def _evaluated(model: GPT, context: Tensor) -> Tensor:
    was_training = model.training
    model.eval()
    hidden = model.hidden(context)
    model.train(was_training)
    return hidden


def next_token(
    logits: Tensor,
    seen: list[int],
    sampling: Sampling,
    generator: torch.Generator,
    allowed: Tensor | None = None,
) -> int:
    """Draw a token from `logits` (vocab_size).

    In this order: the tokens not `allowed` (a boolean mask) go; tokens already `seen` are penalised (CTRL, arXiv
    1909.05858); temperature, 0 being the likeliest token; then top-k, top-p (arXiv 1904.09751) and min-p (arXiv
    2407.01082) each keep the likeliest of what is left.
    """
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    if sampling.repetition_penalty != 1:
        logits = _penalised(logits, seen, sampling.repetition_penalty)
    if sampling.temperature == 0:
        return int(logits.argmax())
    logits = logits / max(sampling.temperature, 1e-6)  # a smaller one would overflow
    if 0 < sampling.top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(sampling.top_k).values[-1], -torch.inf)
    if sampling.top_p < 1:
        logits = _nucleus(logits, sampling.top_p)
    probabilities = logits.softmax(-1)
    if sampling.min_p:
        probabilities = probabilities * (probabilities >= sampling.min_p * probabilities.max())
    return int(torch.multinomial(probabilities, 1, generator=generator))


def _penalised(logits: Tensor, seen: list[int], penalty: float) -> Tensor:
    index = torch.tensor(sorted(set(seen)))
    values = logits[index]
    return logits.index_copy(0, index, torch.where(values > 0, values / penalty, values * penalty))


def _nucleus(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of tokens whose probability reaches `top_p`; the likeliest always stays."""
    ordered, order = logits.sort(descending=True)
    probabilities = ordered.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    return logits.index_fill(0, order[before >= top_p], -torch.inf)


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
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(
        character.isspace() or unicodedata.category(character)[0] == "P" or "ARABIC" in unicodedata.name(character, "")
        for character in text
    )


class TextStream:
    """Tokens in, text out: bytes are held until they are a whole UTF-8 character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The characters that `token` completes; may be empty."""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def close(self) -> str:
        """What is left at the end: a replacement character where the last one was cut."""
        return self._decoder.decode(b"", final=True)


def story(model: GPT, tokenizer: Tokenizer, prompt: str, sampling: Sampling, seed: int) -> str:
    """A whole story, prompt included."""
    stream = TextStream(tokenizer)
    generator = torch.Generator().manual_seed(seed)
    pieces = [stream.push(token) for token in write(model, tokenizer, prompt, sampling, generator)]
    return prompt + "".join(pieces) + stream.close()
