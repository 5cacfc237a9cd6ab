"""Tokenizers of the hub's common kinds as small as they get, made on the spot by the `tokenizers` library."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

TEXTS = ["Once upon a time there was a little girl.", "كان يا ما كان، في قديم الزمان", "The end, 🙂."] * 3


def byte_level(texts: Iterable[str] = TEXTS, vocab_size: int = 400) -> Tokenizer:
    """As GPT-2's and aragpt2's."""
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|endoftext|>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    return built


def sentencepiece(texts: Iterable[str] = TEXTS) -> Tokenizer:
    """As T5's: pieces with their space, and bytes for what the pieces lack."""
    letters = sorted({letter for text in texts for letter in text if letter not in " 🙂"})
    pieces = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "▁Once", "▁a", *letters]
    vocabulary = [(piece, -float(number > 0) * len(piece) ** -0.5 * 9) for number, piece in enumerate(pieces)]
    built = Tokenizer(models.Unigram(vocabulary, 0, byte_fallback=True))
    built.pre_tokenizer = pre_tokenizers.Metaspace()
    built.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    built.add_special_tokens(["</s>"])
    return built


def word_piece(texts: Iterable[str] = TEXTS) -> Tokenizer:
    """As BERT's; it has no end-of-text token."""
    built = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    built.normalizer = normalizers.Lowercase()
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece()
    built.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=80, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    )
    return built


def save(tokenizer: Tokenizer, folder: Path, **config: object) -> Path:
    """A folder as on the hub: tokenizer.json, and a tokenizer_config.json that says `config`."""
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
