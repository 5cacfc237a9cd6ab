"""A tokenizer as the rest of the ecosystem writes one: `tokenizer.json`, with letters for bytes and a list of merges.

Ours is tiktoken's: the id of each token's bytes, a lower id being merged first. Both say the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from engine.contract.errors import UserError
from engine.data.tokenizers.byte_pair import BYTE_LEVEL_PATTERN, BytePairTokenizer, byte_of_letter
from engine.data.tokenizers.pretrained import HuggingFaceTokenizer
from engine.data.tokenizers.tokenizer import EOT, Tokenizer

_LETTERS = {byte: letter for letter, byte in byte_of_letter().items()}


def end_of_text(tokenizer: Tokenizer) -> str:
    """The name of the token between stories."""
    return tokenizer.end_of_text if isinstance(tokenizer, HuggingFaceTokenizer) else EOT


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """The text of a `tokenizer.json` that cuts text as `tokenizer` does.

    Raises:
        UserError: tokenizer.json cannot express it.
    """
    if isinstance(tokenizer, HuggingFaceTokenizer):
        return tokenizer.document
    assert isinstance(tokenizer, BytePairTokenizer), tokenizer
    from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Written

    ranks, special = _ranks_of(tokenizer), tokenizer.config.special_tokens
    vocabulary = {_letters(token): number for token, number in ranks.items()} | special
    merges = [(_letters(left), _letters(right)) for left, right in merges_of(ranks)]
    written = Written(models.BPE(vocab=vocabulary, merges=merges))
    if tokenizer.config.normalization == "NFKC":
        written.normalizer = normalizers.NFKC()
    written.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    written.decoder = decoders.ByteLevel()
    written.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    return str(written.to_str(pretty=False))


def merges_of(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The two tokens that each token of several bytes is merged from, in the order of the merges.

    Raises:
        UserError: a token cannot come of merges.
    """
    by_id = sorted(ranks.items(), key=lambda entry: entry[1])
    return [_halves(token, ranks, rank) for token, rank in by_id if len(token) > 1]


def _halves(token: bytes, ranks: Mapping[bytes, int], rank: int) -> tuple[bytes, bytes]:
    """What is left of the token's bytes after every merge that comes before its own."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(left + right, rank) for left, right in itertools.pairwise(parts)]
        first = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[first] >= rank:
            raise UserError(f"the tokenizer's token {_letters(token)!r} cannot be merged from those before it")
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts[0], parts[1]


def _letters(token: bytes) -> str:
    """A token as byte-level vocabularies write it: a printable letter for each byte."""
    return "".join(_LETTERS[byte] for byte in token)


def _ranks_of(tokenizer: BytePairTokenizer) -> dict[bytes, int]:
    """The id of each token's bytes; without the special tokens."""
    if tokenizer.config.pattern != BYTE_LEVEL_PATTERN:
        raise UserError("the tokenizer splits words by a rule other than GPT-2's, which tokenizer.json cannot express")
    special = set(tokenizer.config.special_tokens.values())
    return {tokenizer.token_bytes(token): token for token in range(tokenizer.vocab_size) if token not in special}
