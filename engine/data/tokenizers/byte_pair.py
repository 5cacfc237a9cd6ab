"""Text to token ids and back: GPT-2's byte-pair encoding, or one trained on the corpus at hand.

Both run on tiktoken's engine, which encodes four times as fast as the `tokenizers` library; the latter trains.
A saved tokenizer is two files that need no network.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import tiktoken

from engine.contract.errors import UserError
from engine.contract.files import replace_file
from engine.data.locate import DISK_FULL
from engine.data.tokenizers.tokenizer import CONFIG, EOT, Tokenizer

# Characters that byte-level BPE learns from: half a minute on two cores. Its memory grows with the distinct words in
# them, and more text hardly changes the merges.
TRAINING_CHARACTERS = 100_000_000
# GPT-2's rule for splitting text into words, in tiktoken's faster spelling; `tokenizers` calls it ByteLevel.
BYTE_LEVEL_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
GPT2_URL = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main/"
# tiktoken's names for GPT-2's two files
GPT2_FILES = tuple(hashlib.sha1((GPT2_URL + name).encode()).hexdigest() for name in ("vocab.bpe", "encoder.json"))


class TokenizerConfig(msgspec.Struct, frozen=True):
    """tokenizer_config.json: all of a tokenizer but its vocabulary."""

    kind: Literal["gpt2", "byte_bpe"]
    pattern: str
    special_tokens: dict[str, int]
    normalization: Literal["NFKC"] | None
    vocab_size: int


class BytePairTokenizer(Tokenizer):
    """Byte-level byte-pair encoding, on tiktoken's engine."""

    def __init__(self, config: TokenizerConfig, ranks: dict[bytes, int]) -> None:
        """`ranks`: the id of each token's bytes; of two possible merges the one with the lower id comes first."""
        self.config, self.kind = config, config.kind
        self.vocab_size = config.vocab_size
        self.eot_id = config.special_tokens[EOT]
        self._ranks = ranks
        self._encoding = tiktoken.Encoding(
            config.kind,
            pat_str=config.pattern,
            mergeable_ranks=ranks,
            special_tokens=config.special_tokens,
            explicit_n_vocab=config.vocab_size,
        )

    def encode(self, text: str) -> list[int]:
        return self._encoding.encode_ordinary(self._normalized(text))

    def encode_stories(self, stories: Sequence[str]) -> npt.NDArray[np.uint32]:
        texts = [self._normalized(story) for story in stories]
        joined = "".join(text + EOT for text in texts)
        if joined.count(EOT) == len(texts):
            return self._encoding.encode_to_numpy(joined, allowed_special={EOT})
        # normalization made an end-of-text token of look-alike characters
        ids = [[*self._encoding.encode_ordinary(text), self.eot_id] for text in texts]
        return np.fromiter(itertools.chain.from_iterable(ids), dtype=np.uint32)

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return self._encoding.decode_bytes(ids)

    def token_bytes(self, token: int) -> bytes:
        return self._encoding.decode_single_token_bytes(token)

    def save(self, directory: Path) -> None:
        """Write `vocab.tiktoken` (tiktoken's own format) and `tokenizer_config.json`."""
        directory.mkdir(parents=True, exist_ok=True)
        lines = (base64.b64encode(token) + b" %d\n" % rank for token, rank in self._ranks.items())
        (directory / "vocab.tiktoken").write_bytes(b"".join(lines))
        config = msgspec.json.format(msgspec.json.encode(self.config))
        (directory / CONFIG).write_bytes(config + b"\n")

    def fingerprint(self) -> str:
        hashed = hashlib.blake2b(msgspec.json.encode(self.config), digest_size=16)
        for token, rank in sorted(self._ranks.items(), key=lambda item: item[1]):
            hashed.update(b"%d %d " % (rank, len(token)) + token)
        return hashed.hexdigest()

    @classmethod
    def read(cls, directory: Path) -> BytePairTokenizer:
        """What `save` wrote; an OSError or a ValueError where a file is missing or damaged."""
        config = msgspec.json.decode((directory / CONFIG).read_bytes(), type=TokenizerConfig)
        lines = (directory / "vocab.tiktoken").read_bytes().splitlines()
        pairs = (line.split() for line in lines)
        return cls(config, {base64.b64decode(token): int(rank) for token, rank in pairs})

    def _normalized(self, text: str) -> str:
        normalization = self.config.normalization
        return unicodedata.normalize(normalization, text) if normalization else text


def gpt2(cache: Path, mirror: Path | None) -> BytePairTokenizer:
    """GPT-2's tokenizer, 50,257 entries.

    Its files come from `mirror`/tiktoken, or else from the network, and stay in `cache`. tiktoken deletes files
    whose hash is wrong, so it is only ever shown the copies.

    Raises:
        UserError: neither the mirror nor the network has them.
        OSError: they could not be written.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name in GPT2_FILES:
        if mirror and (mirror / "tiktoken" / name).is_file() and not (cache / name).exists():
            replace_file(cache / name, (mirror / "tiktoken" / name).read_bytes())
    try:
        with _environment("TIKTOKEN_CACHE_DIR", str(cache)):
            encoding = tiktoken.get_encoding("gpt2")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        where = f"the mirror's copy ({mirror / 'tiktoken'}) is missing or damaged, and" if mirror else "they"
        raise UserError(
            f"GPT-2's tokenizer files: {where} cannot be downloaded: {type(error).__name__}\n"
            "Without a network: run\n"
            "  TIKTOKEN_CACHE_DIR=DIR/tiktoken python -c 'import tiktoken; tiktoken.get_encoding(\"gpt2\")'\n"
            "on a machine that has one, copy DIR here, and set SLM_DATA_MIRROR=DIR (or --mirror DIR)"
        ) from None
    config = TokenizerConfig("gpt2", encoding._pat_str, dict(encoding._special_tokens), None, encoding.n_vocab)
    return BytePairTokenizer(config, encoding._mergeable_ranks)


def train_byte_bpe(stories: Iterable[str], vocab_size: int, min_frequency: int) -> BytePairTokenizer:
    """Byte-level BPE trained on `stories`, of at most `vocab_size` entries: end-of-text, 256 bytes, then merges.

    Learns from the first TRAINING_CHARACTERS. Texts are NFKC-normalized, and no space is put before them.
    """
    from tokenizers import Tokenizer as Trainable
    from tokenizers import models, pre_tokenizers, trainers

    trainable = Trainable(models.BPE())
    trainable.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[EOT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    normalized = (unicodedata.normalize("NFKC", story) for story in _first(stories, TRAINING_CHARACTERS))
    trainable.train_from_iterator(normalized, trainer)
    vocabulary = trainable.get_vocab()
    special_tokens = {EOT: vocabulary.pop(EOT)}
    byte_of = byte_of_letter()
    by_id = sorted(vocabulary.items(), key=lambda entry: entry[1])
    ranks = {bytes(byte_of[letter] for letter in token): rank for token, rank in by_id}
    size = len(ranks) + len(special_tokens)
    return BytePairTokenizer(TokenizerConfig("byte_bpe", BYTE_LEVEL_PATTERN, special_tokens, "NFKC", size), ranks)


def _first(stories: Iterable[str], characters: int) -> Iterator[str]:
    for story in stories:
        yield story
        characters -= len(story)
        if characters <= 0:
            return


def byte_of_letter() -> dict[str, int]:
    """The byte behind each letter of a byte-level vocabulary, GPT-2's way of writing bytes as text.

    Printable bytes of Latin-1 stand for themselves; the others are written as U+0100 onwards, in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
