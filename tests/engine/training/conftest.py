"""Corpora whose training and validation texts have nothing in common."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.runs.workspace import MIRROR_VARIABLE


@pytest.fixture
def corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Sequence[str], Sequence[str]], tuple[str, ...]]:
    """Makes a corpus of these training and these validation texts, cut into bytes; returns its overrides."""
    monkeypatch.setenv(MIRROR_VARIABLE, str(tmp_path / "mirror"))

    def make(train: Sequence[str], validation: Sequence[str]) -> tuple[str, ...]:
        folder = tmp_path / "mirror" / "made" / "here"
        folder.mkdir(parents=True)
        for split, texts in (("train", train), ("validation", validation)):
            lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
            (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        return ("data.source=hub", "data.dataset=made/here", "tokenizer.vocab_size=257", "model.block_size=16")

    return make


@pytest.fixture
def strange(corpus: Callable[[Sequence[str], Sequence[str]], tuple[str, ...]]) -> tuple[str, ...]:
    """Overrides: texts of other letters in either split. What is learned makes the validation loss rise."""
    draw = random.Random(1)
    texts = [["".join(draw.choices(letters, k=60)) for _ in range(20)] for letters in ("abcdefgh", "ijklmnop")]
    return (*corpus(texts[0], texts[1]), "train.learning_rate=0.01", "train.schedule=constant", "train.max_steps=32")
