"""Tokenizers in the ecosystem's own spelling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.contract.errors import UserError
from engine.data.tokenizers.byte_pair import BYTE_LEVEL_PATTERN, GPT2_FILES, BytePairTokenizer, TokenizerConfig, gpt2
from engine.data.tokenizers.tokenizer import EOT
from engine.interop.vocabulary import merges_of, tokenizer_json


def with_ranks(*merged: bytes, pattern: str = BYTE_LEVEL_PATTERN) -> BytePairTokenizer:
    """The 256 bytes, then these, then end-of-text."""
    ranks = {bytes([byte]): byte for byte in range(256)} | {token: 256 + n for n, token in enumerate(merged)}
    return BytePairTokenizer(TokenizerConfig("byte_bpe", pattern, {EOT: len(ranks)}, None, len(ranks) + 1), ranks)


def test_a_token_is_merged_from_what_is_there_before_it() -> None:
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"ab": 4, b"abc": 5}
    assert merges_of(ranks) == [(b"b", b"c"), (b"a", b"b"), (b"a", b"bc")]


def test_gpt2s_merges_are_those_of_its_own_file(tmp_path: Path, mirror: Path) -> None:
    document = json.loads(tokenizer_json(gpt2(tmp_path, mirror)))
    of_the_file = (mirror / "tiktoken" / GPT2_FILES[0]).read_text(encoding="utf-8").splitlines()[1:]
    assert [" ".join(merge) for merge in document["model"]["merges"]] == of_the_file
    vocabulary = json.loads((mirror / "tiktoken" / GPT2_FILES[1]).read_bytes())
    assert document["model"]["vocab"] == vocabulary


def test_a_token_that_comes_of_no_merge_is_refused() -> None:
    with pytest.raises(UserError, match="'abc' cannot be merged"):
        tokenizer_json(with_ranks(b"abc"))


def test_another_rule_for_words_is_refused() -> None:
    with pytest.raises(UserError, match="a rule other than GPT-2's"):
        tokenizer_json(with_ranks(b"ab", pattern=r"\w+|\W+"))
