"""Tokenizers of the hub, such as aubmindlab/aragpt2-base, run by the `tokenizers` library from their tokenizer.json.

A repository without that file is read by `transformers`' AutoTokenizer, which makes one of it. Neither the
preparation of data nor a checkpoint needs the hub again: a saved tokenizer is the file itself.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import tokenizers

from engine.contract.errors import UserError, nearest
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.data.hub import repository
from engine.data.tokenizers.byte_pair import BYTE_LEVEL_PATTERN, BytePairTokenizer, TokenizerConfig, byte_of_letter
from engine.data.tokenizers.tokenizer import CONFIG, EOT, Tokenizer

FILE = "tokenizer.json"
# What a tokenizer may be made of; config.json says which class it is of.
FILES = (
    FILE, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json",
    "vocab.json", "merges.txt", "vocab.txt", "*.model", "*.spm",
)  # fmt: skip
_NEIGHBOUR = "a"  # a text before a token, as which it is read in the middle of a text
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # how SentencePiece spells a byte that no other token has


class HuggingFaceConfig(msgspec.Struct, frozen=True):
    """tokenizer_config.json beside a tokenizer.json."""

    kind: Literal["huggingface"]
    end_of_text: str  # the token between stories


class HuggingFaceTokenizer(Tokenizer):
    """A tokenizer.json, and which of its tokens ends a story."""

    kind = "huggingface"

    def __init__(self, document: str, end_of_text: str) -> None:
        """`document`: the text of a tokenizer.json.

        Raises:
            ValueError: it is none, or has no token `end_of_text`.
        """
        self.document, self.end_of_text = document, end_of_text
        self._tokenizer = _parsed(document)
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        if end_of_text not in ids:
            raise ValueError(f"no token {end_of_text}")
        self.eot_id: int = ids[end_of_text]
        self.vocab_size = max(ids.values()) + 1  # a vocabulary may have gaps
        parsed = json.loads(document)
        self._byte_of = byte_of_letter() if _is_byte_level(parsed.get("decoder")) else None
        self._added = {token["id"] for token in parsed.get("added_tokens", ())}
        model = parsed["model"]
        self.unknown_id = model.get("unk_id") if "unk_id" in model else ids.get(model.get("unk_token"))

    def encode(self, text: str) -> list[int]:
        return self._without_eot(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_stories(self, stories: Sequence[str]) -> npt.NDArray[np.uint32]:
        if self._fast is not None:
            return self._fast.encode_stories(stories)
        encodings = self._tokenizer.encode_batch_fast(list(stories), add_special_tokens=False)
        ids = ([*self._without_eot(encoding.ids), self.eot_id] for encoding in encodings)
        return np.fromiter(itertools.chain.from_iterable(ids), dtype=np.uint32)

    def token_bytes(self, token: int) -> bytes:
        name = self._tokenizer.id_to_token(token)
        if name is None:  # a gap
            return b""
        if token in self._added:
            return str(name).encode()
        if self._byte_of is not None:
            return bytes(self._byte_of[letter] for letter in name)
        if byte := _BYTE.fullmatch(name):
            return bytes.fromhex(byte[1])
        before, length = self._neighbour
        text: str = self._tokenizer.decode([*before, token], skip_special_tokens=False)
        return text[length:].encode()

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE).write_text(self.document, encoding="utf-8")
        config = msgspec.json.encode(HuggingFaceConfig("huggingface", self.end_of_text))
        (directory / CONFIG).write_bytes(msgspec.json.format(config) + b"\n")

    @classmethod
    def read(cls, directory: Path) -> HuggingFaceTokenizer:
        """What `save` wrote; an OSError or a ValueError where a file is missing or damaged."""
        config = msgspec.json.decode((directory / CONFIG).read_bytes(), type=HuggingFaceConfig)
        return cls((directory / FILE).read_text(encoding="utf-8"), config.end_of_text)

    def fingerprint(self) -> str:
        return hashlib.blake2b(f"{self.end_of_text}\n{self.document}".encode(), digest_size=16).hexdigest()

    def _without_eot(self, ids: list[int]) -> list[int]:
        """Some libraries' vocabularies find "</s>" in a text; a story ends where it ends and nowhere before."""
        return [token for token in ids if token != self.eot_id] if self.eot_id in ids else ids

    @functools.cached_property
    def _fast(self) -> BytePairTokenizer | None:
        """The same tokenizer on tiktoken's engine, where it is one for which that has the same ids."""
        fast = _on_tiktoken(json.loads(self._tokenizer.to_str()), self.eot_id, self.vocab_size)
        if fast is None:
            return None
        words = [fast.decode([token]) for token in range(self.vocab_size) if token not in self._added]
        same = all(fast.encode(word) == self.encode(word) for word in words)
        return fast if same else None

    @functools.cached_property
    def _neighbour(self) -> tuple[list[int], int]:
        """The ids of a text and its length once decoded: before a token, they keep the token's own space."""
        ids = self._tokenizer.encode(_NEIGHBOUR, add_special_tokens=False).ids
        return ids, len(self._tokenizer.decode(ids, skip_special_tokens=False))


def _on_tiktoken(parsed: dict[str, Any], eot_id: int, vocab_size: int) -> BytePairTokenizer | None:
    """A byte-level BPE such as GPT-2's, whose merges make tokens in the order of their ids; None for any other."""
    model, added, before = parsed["model"], parsed["added_tokens"], parsed["pre_tokenizer"] or {}
    changes = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if (
        model["type"] != "BPE"
        or any(model.get(change) for change in changes)
        or parsed["normalizer"]
        or before.get("type") != "ByteLevel"
        or before["add_prefix_space"]
        or not before.get("use_regex", True)
        or not all(token["special"] for token in added)
    ):
        return None
    # the names of special tokens are never looked for in a text, except our own between stories
    special = {f"<special {token['id']}>": token["id"] for token in added if token["id"] != eot_id} | {EOT: eot_id}
    byte_of, ids = byte_of_letter(), set(special.values())
    try:
        vocabulary = {name: number for name, number in model["vocab"].items() if number not in ids}
        ranks = {bytes(byte_of[letter] for letter in name): number for name, number in vocabulary.items()}
        made = [vocabulary["".join(pair)] for pair in model["merges"]]
    except KeyError:  # a letter that is no byte, a merge that makes no token
        return None
    if made != sorted(set(made)) or len(made) + len(byte_of) != len(ranks) or len(ranks) + len(ids) != vocab_size:
        return None
    return BytePairTokenizer(TokenizerConfig("byte_bpe", BYTE_LEVEL_PATTERN, special, None, vocab_size), ranks)


def open_pretrained(table: TokenizerTable, mirror: Path | None, root: Path) -> HuggingFaceTokenizer:
    """The tokenizer that `[tokenizer]` names: a folder below `root`, in the mirror, or of the hub.

    Raises:
        UserError: it is not there, is damaged, has no end-of-text token, or another size than the table says.
    """
    name = table.name or ""
    shown = f'tokenizer.name = "{name}"'
    folder = repository(name, FILES, mirror, root, shown)
    try:
        document = _document(folder, shown)
        end_of_text = _end_of_text(table, folder, document, shown)
        tokenizer = HuggingFaceTokenizer(document, end_of_text)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{shown}: {folder} is not a complete tokenizer: {error}") from None
    if table.vocab_size not in (None, tokenizer.vocab_size):
        raise UserError(
            f"tokenizer.vocab_size = {table.vocab_size}: {name} has {tokenizer.vocab_size} entries; "
            "set it to that, or remove the key"
        )
    return tokenizer


def _document(folder: Path, shown: str) -> str:
    """The text of tokenizer.json, or one that `transformers` makes of the folder's other files."""
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    if not any(path for pattern in FILES[5:] for path in folder.glob(pattern)):
        raise UserError(f"{shown}: {folder} contains no tokenizer: no {FILE}, {', '.join(FILES[5:])}")
    from transformers import AutoTokenizer  # takes a second and more

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return str(loaded.backend_tokenizer.to_str())
    except Exception as error:  # noqa: BLE001  damage shows itself in as many ways as there are classes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{shown}: {folder} has no {FILE}, and transformers cannot make one: {reason}") from None


def _end_of_text(table: TokenizerTable, folder: Path, document: str, shown: str) -> str:
    """The token between stories: as the experiment says, as the tokenizer says, or the usual one."""
    tokens = _parsed(document).get_vocab(with_added_tokens=True)
    special = [token["content"] for token in json.loads(document).get("added_tokens", ())]
    there = f"its special tokens are {', '.join(special[:12]) or 'none'}"
    if table.end_of_text is not None:
        if table.end_of_text not in tokens:
            near = nearest(table.end_of_text, special)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f'tokenizer.end_of_text = "{table.end_of_text}": {shown} has no such token; {there}{hint}')
        return table.end_of_text
    for token in (*(_eos_token(folder / name) for name in ("tokenizer_config.json", "special_tokens_map.json")), EOT):
        if token is not None and token in tokens:
            return token
    raise UserError(f"{shown}: has no end-of-text token; set tokenizer.end_of_text to one of its tokens ({there})")


def _eos_token(path: Path) -> str | None:
    if not path.is_file():
        return None
    token: Any = json.loads(path.read_bytes()).get("eos_token")
    return token.get("content") if isinstance(token, dict) else token


def _parsed(document: str) -> tokenizers.Tokenizer:
    """The library's tokenizer; special tokens' names in a text are text, and no text is cut off or filled up."""
    try:
        parsed = tokenizers.Tokenizer.from_str(document)
    except Exception as error:  # noqa: BLE001  the library raises nothing narrower
        raise ValueError(f"{FILE}: {error}") from None
    parsed.no_truncation()
    parsed.no_padding()
    parsed.encode_special_tokens = True
    return parsed


def _is_byte_level(decoder: Any) -> bool:
    if not isinstance(decoder, dict):
        return False
    return decoder.get("type") == "ByteLevel" or any(map(_is_byte_level, decoder.get("decoders", ())))
