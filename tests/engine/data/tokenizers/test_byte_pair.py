"""Ids are those of the library that defines each tokenizer, and a saved tokenizer is the same one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer as Reference
from tokenizers import models, normalizers, pre_tokenizers, trainers

from engine.builtin_stories.stories import stories
from engine.contract.errors import UserError
from engine.data.readers import DataFile
from engine.data.tokenizers import byte_pair
from engine.data.tokenizers.byte_pair import gpt2, train_byte_bpe
from engine.data.tokenizers.load import load_tokenizer
from engine.data.tokenizers.tokenizer import EOT, Tokenizer

MIRROR = Path(os.environ["SLM_DATA_MIRROR"]) if os.environ.get("SLM_DATA_MIRROR") else None
ARASTORIES = "raw.githubusercontent.com/UBC-NLP/arastories/main/data"
needs_mirror = pytest.mark.skipif(MIRROR is None, reason="SLM_DATA_MIRROR is not set: no GPT-2 files, no AraStories")
TRICKY = [
    "",
    " ",
    "\n\n  \n",
    "it's   they'll  we'd 'quoted'",
    "tabs\tand\u00a0no-break spaces \u3000 ",
    "ﬁne ½ ﷺ ＡＢＣ e\u0301 \u1100\u1161",
    "aaaaaaaaaaaaaaaaaaa bbbbbbb!!!!!!!1234567890",
    "👩‍👩‍👧‍👦 نصٌّ مُشَكَّلٌ، ١٢٣ – text",
    "x" * 3000,
    f"before {EOT} after",
    "\x00\x7f\u200f\ufeff",
]


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    return [*stories("english", 300), *stories("arabic", 300)]


@pytest.fixture(scope="module")
def trained(corpus: list[str]) -> Tokenizer:
    return train_byte_bpe(corpus, vocab_size=2000, min_frequency=2)


def reference(corpus: list[str], vocab_size: int) -> Reference:
    """The same recipe, by the `tokenizers` library alone."""
    built = Reference(models.BPE())
    built.normalizer = normalizers.NFKC()
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=[EOT], initial_alphabet=alphabet, show_progress=False
    )
    built.train_from_iterator(corpus, trainer)
    built.encode_special_tokens = True  # "<|endoftext|>" in a text is text
    return built


def test_trained_ids_equal_those_of_the_tokenizers_library(trained: Tokenizer, corpus: list[str]) -> None:
    expected = reference(corpus, 2000)
    assert trained.vocab_size == expected.get_vocab_size() == 2000
    rng = random.Random(0)
    letters = [*"  \n'stabc.,!7", "ا", "لل", "é", "🙂"]
    noise = ["".join(rng.choices(letters, k=40)) for _ in range(300)]
    for text in [*stories("english", 350), *stories("arabic", 350), *TRICKY, *noise]:
        assert trained.encode(text) == expected.encode(text).ids, text


@needs_mirror
def test_ids_of_the_real_arastories_equal_those_of_the_tokenizers_library() -> None:
    assert MIRROR is not None
    texts = [
        text
        for path in sorted((MIRROR / ARASTORIES).glob("*.csv"))
        for text in list(DataFile.of(path).texts("Story", EOT))[:150]
    ]
    ours, expected = train_byte_bpe(texts, 8000, 2), reference(texts, 8000)
    assert len(texts) == 450
    for text, encoding in zip(texts, expected.encode_batch(texts), strict=True):
        assert ours.encode(text) == encoding.ids


def test_end_of_text_follows_every_story_and_stands_nowhere_else(trained: Tokenizer) -> None:
    texts = ["one", "two\n", *TRICKY]
    ids = trained.encode_stories(texts)
    expected = [number for text in texts for number in (*trained.encode(text), trained.eot_id)]
    assert ids.tolist() == expected
    assert np.count_nonzero(ids == trained.eot_id) == len(texts)


def test_normalization_cannot_make_an_end_of_text_token(trained: Tokenizer) -> None:
    wide = "<｜endoftext｜>"
    assert unicodedata.normalize("NFKC", wide) == EOT
    ids = trained.encode_stories(["before", f"a {wide} b", "after"])
    assert np.count_nonzero(ids == trained.eot_id) == 3


def test_decoding_gives_the_normalized_text_back(trained: Tokenizer) -> None:
    for text in TRICKY:
        normalized = unicodedata.normalize("NFKC", text)
        assert trained.decode(trained.encode(text)) == normalized
        assert b"".join(map(trained.token_bytes, trained.encode(text))) == normalized.encode()
    assert trained.decode([trained.encode("🙂")[0]]) == "\ufffd"


def test_a_saved_tokenizer_is_the_same_one(trained: Tokenizer, tmp_path: Path, corpus: list[str]) -> None:
    trained.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.config == trained.config
    assert loaded.encode_stories(corpus).tolist() == trained.encode_stories(corpus).tolist()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokenizer_config.json", "vocab.tiktoken"]


def test_training_is_deterministic_and_end_of_text_comes_first(corpus: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_byte_bpe(iter(corpus), 1000, 2).save(tmp_path / name)
    assert (tmp_path / "a/vocab.tiktoken").read_bytes() == (tmp_path / "b/vocab.tiktoken").read_bytes()
    assert load_tokenizer(tmp_path / "a").eot_id == 0


def test_a_small_corpus_gives_the_entries_that_it_has() -> None:
    tokenizer = train_byte_bpe(["abab abab"], 5000, 2)
    assert 257 < tokenizer.vocab_size < 270
    assert max(tokenizer.encode("abab")) < tokenizer.vocab_size


def test_training_stops_at_its_limit_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_pair, "TRAINING_CHARACTERS", 100)
    read: list[str] = []

    def corpus() -> list[str]:
        for _ in range(1000):
            read.append("a story of 20 letters")
            yield read[-1]

    train_byte_bpe(corpus(), 300, 2)
    assert len(read) == 5


@pytest.mark.parametrize("broken", ["vocab.tiktoken", "tokenizer_config.json"])
def test_a_damaged_tokenizer_is_a_user_error(trained: Tokenizer, tmp_path: Path, broken: str) -> None:
    trained.save(tmp_path)
    (tmp_path / broken).write_bytes((tmp_path / broken).read_bytes()[:-20])
    with pytest.raises(UserError, match=str(tmp_path)):
        load_tokenizer(tmp_path)
    (tmp_path / broken).unlink()
    with pytest.raises(UserError, match=f"{broken}: does not exist"):
        load_tokenizer(tmp_path)


@needs_mirror
def test_gpt2_comes_from_the_mirror_and_leaves_it_whole(tmp_path: Path) -> None:
    assert MIRROR is not None
    before = {path.name: path.stat().st_size for path in (MIRROR / "tiktoken").iterdir()}
    tokenizer = gpt2(tmp_path / "cache", MIRROR)
    assert (tokenizer.vocab_size, tokenizer.eot_id) == (50257, 50256)
    assert tokenizer.encode("Once upon a time") == [7454, 2402, 257, 640]  # as GPT-2's own encoder gives them
    assert tokenizer.decode(tokenizer.encode("ﬁne")) == "ﬁne"  # no normalization
    tokenizer.save(tmp_path / "saved")
    assert (
        load_tokenizer(tmp_path / "saved").encode_stories(TRICKY).tolist() == tokenizer.encode_stories(TRICKY).tolist()
    )
    assert {path.name: path.stat().st_size for path in (MIRROR / "tiktoken").iterdir()} == before


def test_gpt2_without_mirror_or_network_tells_of_the_mirror(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from engine.contract.errors import UserError\n"
        "from engine.data.tokenizers.byte_pair import gpt2\n"
        "try: gpt2(Path(sys.argv[1]) / 'cache', Path(sys.argv[1]))\n"
        "except UserError as error: print(error)\n"
    )
    # a proxy that is not there: no download, on a machine with a network too
    nowhere = dict.fromkeys(["HTTPS_PROXY", "https_proxy"], "http://127.0.0.1:9")
    (tmp_path / "tiktoken").mkdir()
    damaged = tmp_path / "tiktoken" / byte_pair.GPT2_FILES[0]
    damaged.write_bytes(b"not what it was")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "SLM_DATA_MIRROR=DIR" in done.stdout
    assert str(tmp_path / "tiktoken") in done.stdout
    assert damaged.read_bytes() == b"not what it was"
