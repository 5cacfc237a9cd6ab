"""A Marian model as small as it gets, made on the spot: real files, real tokenizer, weights that mean nothing."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.translation.marian import Translator, model_folder

POSITIONS = 64  # the longest input, in tokens
LINES = (
    "Once upon a time, there was a little girl named Rosie.",
    "Rosie loved to jump and play in the park.",
    "كان يا ما كان، كانت هناك بنت صغيرة اسمها سلمى.",
    "أحبت سلمى أن تلعب في الحديقة كل يوم؟",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 .,:;!?،…\"'</>",
)


def save_tiny_marian(folder: Path, codes: Sequence[str] = (), target: str = "ar", seed: int = 0) -> Path:
    """Write a model with its tokenizer into `folder`; `codes` are its target languages, such as ">>ara<<"."""
    import sentencepiece
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer
    from transformers.utils import logging

    folder.mkdir(parents=True)
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(LINES),
            model_prefix=str(folder / side),
            vocab_size=150,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
    known = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    tokens = ["</s>", "<unk>", *codes, *map(known.id_to_piece, range(3, len(known))), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    files = [str(folder / name) for name in ("source.spm", "target.spm", "vocab.json")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends a package that it makes no use of
        MarianTokenizer(*files, source_lang="en", target_lang=target).save_pretrained(folder)
    config = MarianConfig(
        vocab_size=len(tokens),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=POSITIONS,
        eos_token_id=0,
        pad_token_id=len(tokens) - 1,
        decoder_start_token_id=len(tokens) - 1,
        forced_eos_token_id=0,
        static_position_embeddings=True,
        init_std=0.6,
    )
    torch.manual_seed(seed)
    model = MarianMTModel(config)
    model.final_logits_bias[0, 0] = 6.0  # so that translations end, each at its own length
    model.generation_config.update(num_beams=4, max_length=512, bad_words_ids=[[config.pad_token_id]])
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    return folder


def load_translator(
    model: str, device: torch.device, mirror: Path | None, root: Path | None = None, key: str = "model"
) -> Translator:
    """The model that `model` names, found and loaded, as those that translate do it one after the other."""
    return Translator.of_folder(model_folder(model, mirror, root or Path(), key), device, f'{key} = "{model}"')
