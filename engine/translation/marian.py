"""Machine translation with Marian models, such as Helsinki-NLP/opus-mt-en-ar, run by `transformers`.

Sentence by sentence, and greedily: four beams take 2.0 times as long in batches of 8 sentences and 3.3 times in
batches of 32 (one CPU core, the shape of opus-mt-en-ar), and a greedy translation does not depend on the sentences
beside it in a batch. Long texts are cut at sentences, so nothing is lost at the model's longest input.
"""

from __future__ import annotations

import copy
import json
import logging
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine.contract.errors import UserError
from engine.data.hub import repository
from engine.device.memory import is_out_of_memory, release_memory
from engine.translation.memory import TranslationMemory
from engine.translation.sentences import pieces

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
FILES = ("config.json", "source.spm", "target.spm", "vocab.json")
OPTIONAL_FILES = ("generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "target_vocab.json")

OnBatch = Callable[[int, int], None]  # sentences translated so far, and in all; what it raises ends the translation


class Translator:
    """A Marian model and its tokenizer, on one device."""

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        """`model` and `tokenizer`: `transformers`' MarianMTModel and MarianTokenizer.

        Raises:
            UserError: the model translates into several languages and does not say into which.
        """
        self.name = name
        self._model, self._tokenizer = model, tokenizer
        self._positions: int = model.config.max_position_embeddings
        self._into = _language_code(tokenizer, name)
        model.generation_config = _greedy(model)  # the model's own fills in what a given one leaves out

    @classmethod
    def of_folder(cls, folder: Path, device: torch.device, shown: str) -> Translator:
        """The model in a folder that `model_folder` has found; `shown` is what errors call it.

        No code of the model's is ever run, and full precision is used everywhere.

        Raises:
            UserError: it is damaged, or too large for the device.
        """
        loaded, tokenizer = _loaded(folder, shown)
        try:
            loaded.to(device)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(f"{shown}: not enough free memory on {device} for this model") from None
        return cls(loaded.eval(), tokenizer, shown)

    def translate(
        self,
        texts: Sequence[str],
        batch_size: int = 32,
        max_length: int = 512,
        on_batch: OnBatch | None = None,
        memory: TranslationMemory | None = None,
    ) -> list[str]:
        """The translation of each text, in order; white space, line breaks and texts without a letter stay.

        `batch_size` is in sentences; where memory is too short for so many, it is halved. `max_length` is of a
        sentence's translation, in tokens; sentences longer than half of it, or of what the model can take, are
        translated in pieces. `on_batch` is called after each batch. Equal sentences are translated once, and those
        that `memory` knows not at all; it is given each batch.

        Raises:
            UserError: memory is too short for a single sentence.
        """
        longest = min(max_length, self._positions)
        limit = longest // 2
        texts_pieces = [list(pieces(text, partial(self._tokens_at_most, limit), limit)) for text in texts]
        translated = {piece: piece for text in texts_pieces for piece, _ in text}
        wanted = [piece for piece in translated if any(character.isalpha() for character in piece)]
        known = memory.recall(wanted) if memory is not None else {}
        translated.update(known)
        unknown = [piece for piece in wanted if piece not in known]
        for batch in self._translations(unknown, batch_size, longest, on_batch):
            if memory is not None:
                memory.keep(batch)
            translated.update(batch)
        return ["".join(translated[piece] + gap for piece, gap in text) for text in texts_pieces]

    def count_tokens(self, text: str) -> int:
        """Tokens that the model reads for `text`: its own, the language to translate into, and the end."""
        return len(self._encode([text])[0])

    def _tokens_at_most(self, limit: int, text: str) -> int:
        """A number of tokens that `text` does not exceed, exact where it may be above `limit`.

        Counting takes a hundred times as long as translations that are known.
        """
        # each character one, in the normal form that SentencePiece has; the space before it, the language and the end
        most = len(unicodedata.normalize("NFKC", text)) + 3
        return most if most <= limit else self.count_tokens(text)

    def _translations(
        self, sentences: list[str], batch_size: int, longest: int, on_batch: OnBatch | None
    ) -> Iterator[dict[str, str]]:
        """Batch by batch, the longest first: what memory is too short for is found at once."""
        ids = dict(zip(sentences, self._encode(sentences), strict=True))
        order = sorted(sentences, key=lambda sentence: -len(ids[sentence]))
        done = 0
        while done < len(order):
            batch = order[done : done + batch_size]
            translations = self._batch([ids[sentence] for sentence in batch], longest)
            if translations is None:
                if len(batch) == 1:
                    device = self._model.device
                    raise UserError(f"{self.name}: not enough free memory on {device} to translate a sentence")
                batch_size = len(batch) // 2
                continue
            done += len(batch)
            yield dict(zip(batch, translations, strict=True))
            if on_batch is not None:
                on_batch(done, len(order))

    def _batch(self, ids: list[list[int]], longest: int) -> list[str] | None:
        """Translations of tokenized sentences; None where memory is too short for them."""
        try:
            return self._generate(ids, longest)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        release_memory()  # out here the error, which holds the tensors, is gone
        return None

    @torch.inference_mode()
    def _generate(self, ids: list[list[int]], longest: int) -> list[str]:
        # A model that has lost itself repeats a word for ever; no translation is three times as long as its source.
        caps = [min(3 * len(sentence) + 16, longest, self._positions - 1) for sentence in ids]
        padded = self._tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self._model.device)
        written = self._model.generate(**padded, max_new_tokens=max(caps)).tolist()
        # the first token is the decoder's start; what a cap leaves is the same in a batch and alone
        return [self._decode(tokens[1 : cap + 1]) for tokens, cap in zip(written, caps, strict=True)]

    def _encode(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        # "</s>" in a text is text, and so is ">>fr<<" at its start, which the tokenizer only sees without the space
        texts = [f" {text}" if text.startswith(">>") else text for text in texts]
        ids = self._tokenizer(texts, split_special_tokens=True)["input_ids"]
        return [[*self._into, *sentence] for sentence in ids]

    def _decode(self, tokens: list[int]) -> str:
        known = [token for token in tokens if token in self._tokenizer.decoder]  # a model's vocabulary may be padded
        text: str = self._tokenizer.decode(known, skip_special_tokens=True, use_source_tokenizer=False)
        return " ".join(text.split())  # a line break would be one that the source does not have


def model_folder(model: str, mirror: Path | None, root: Path, key: str) -> Path:
    """Where the Marian model is that `model` names: a folder, or a hub id, which is looked for in `mirror` first.

    A relative folder is one below `root`. `key` is what errors call the setting that holds `model`.
    Of the hub's, weights in an older format are fetched only where there are no others.

    Raises:
        UserError: there is no such model, it cannot be downloaded, or it is no Marian model.
    """
    shown = f'{key} = "{model}"'
    folder = repository(model, [*FILES, *OPTIONAL_FILES, WEIGHTS[0]], mirror, root, shown)
    if not any((folder / name).is_file() for name in WEIGHTS):
        folder = repository(model, [WEIGHTS[1]], mirror, root, shown)
    _check_files(folder, shown)
    return folder


def _check_files(folder: Path, shown: str) -> None:
    """Say what a folder lacks, or what else it holds, before `transformers` makes a riddle of it."""
    try:
        kind = json.loads((folder / "config.json").read_bytes()).get("model_type")
    except FileNotFoundError:
        raise UserError(f"{shown}: {folder} has no config.json, so it is not a model") from None
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{shown}: {folder / 'config.json'} is damaged: {error}") from None
    if kind != "marian":
        named = f'a "{kind}" model' if kind else "a model of an unknown type"
        raise UserError(f"{shown}: is {named}; wants a Marian model, such as Helsinki-NLP/opus-mt-en-ar")
    lacking = [name for name in FILES if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in WEIGHTS):
        lacking.append(" or ".join(WEIGHTS))
    if lacking:
        raise UserError(f"{shown}: {folder} has no {', no '.join(lacking)}")


def _loaded(folder: Path, shown: str) -> tuple[Any, Any]:
    """The model, on the CPU, and its tokenizer."""
    import transformers  # takes seconds
    from transformers import MarianMTModel, MarianTokenizer

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recommends a package that it makes no use of
            tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)
        # weights_only refuses a pickle with code in it; no remote code, as the class is named here
        with torch.random.fork_rng(devices=[]):  # it draws weights before it reads them: a training's dropout is after
            loaded: Any = MarianMTModel.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, weights_only=True, output_loading_info=True
            )
    except Exception as error:  # noqa: BLE001  damage shows itself in as many ways as there are libraries below
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{shown}: {folder} is damaged: {type(error).__name__}: {reason}") from None
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise UserError(
            f"{shown}: {folder} is damaged: its weights have no {missing[0]} ({len(missing)} missing in all)"
        )
    if max(tokenizer.encoder.values()) >= model.config.vocab_size:
        raise UserError(f"{shown}: {folder} is damaged: vocab.json has more tokens than the model")
    return model, tokenizer


def _language_code(tokenizer: Any, name: str) -> list[int]:
    """The id of the token, such as >>ara<<, that tells a model of several target languages which one is wanted.

    Without it opus-mt-en-ar writes any of a dozen kinds of Arabic.
    """
    codes = sorted(tokenizer.supported_language_codes)
    target = tokenizer.target_lang or ""
    meant = [code for code in codes if code[2:-2] == target] or [
        code for code in codes if target and code[2:-2].startswith(target)
    ]
    if len(codes) > 1 and not meant:
        raise UserError(
            f"{name}: translates into several languages ({', '.join(codes[:8])}); use a model for one language"
        )
    return [tokenizer.encoder[code] for code in (meant or codes)[:1]]


def _greedy(model: Any) -> Any:
    """The model's own settings (which tokens start, end and pad a translation), without its beams."""
    generation = copy.deepcopy(model.generation_config)
    generation.update(
        num_beams=1,
        do_sample=False,
        early_stopping=False,
        length_penalty=1.0,
        max_length=None,
        forced_eos_token_id=None,
        bad_words_ids=[[model.config.pad_token_id]],  # Marian's models rate padding high
    )
    return generation
