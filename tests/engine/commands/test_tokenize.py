"""How a tokenizer cuts a text, in figures, and what it loses of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_tokenizers

from engine.commands.tokenize import tokenize_text
from engine.contract.errors import UserError
from engine.contract.events import Event, Tokenized
from engine.contract.experiment import Data, Experiment, Model, Tokenizer, Train
from engine.runs.workspace import Workspace

MAKERS = {
    "byte_level": tiny_tokenizers.byte_level,
    "sentencepiece": tiny_tokenizers.sentencepiece,
    "word_piece": tiny_tokenizers.word_piece,
}
ENDS = {"byte_level": "<|endoftext|>", "sentencepiece": "</s>", "word_piece": "[SEP]"}


def silent(event: Event) -> None:
    """Take no notice."""


def cut(root: Path, kind: str, text: str | None) -> Tokenized:
    if not (root / kind).is_dir():
        tiny_tokenizers.save(MAKERS[kind](), root / kind)
    experiment = Experiment(
        data=Data("files", files=("a.txt",)),
        tokenizer=Tokenizer("huggingface", name=kind, end_of_text=ENDS[kind]),
        model=Model(1, 1, 8, 8),
        train=Train(1),
    )
    return tokenize_text(experiment, Workspace(root), None, text, silent)


@pytest.mark.parametrize(
    ("kind", "text", "unknown", "altered"),
    [
        ("byte_level", "Once upon ﷺ ½ 🙃", 0, 0),
        ("sentencepiece", "Once upon a time", 0, 0),  # the space that it puts before a text is no loss
        ("sentencepiece", "Once upon ﷺ", 0, 0),  # its bytes stand for what it lacks
        ("word_piece", "there was a girl", 0, 0),
        ("word_piece", "There was a girl", 0, 1),  # it has no capitals
        ("word_piece", "there was a ﷺ girl ½", 2, 1),
    ],
)
def test_what_a_tokenizer_loses_is_counted(tmp_path: Path, kind: str, text: str, unknown: int, altered: int) -> None:
    told = cut(tmp_path, kind, text)
    assert (told.unknown, told.altered) == (unknown, altered)


def test_stories_that_lose_something_are_counted_each(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<|endoftext|>".join(["a girl", "A girl", "a ﷺ ﷺ", "the end"]))
    told = cut(tmp_path, "word_piece", None)
    assert (told.stories, told.unknown, told.altered) == (4, 2, 2)


def test_our_own_normal_form_is_a_change_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("<|endoftext|>".join(f"{n} hens…" for n in range(40)))
    experiment = Experiment(
        data=Data("files", files=("a.txt",)),
        tokenizer=Tokenizer("byte_bpe", vocab_size=300),
        model=Model(1, 1, 8, 8),
        train=Train(1),
    )
    assert tokenize_text(experiment, Workspace(tmp_path), None, None, silent).altered == 40


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--text is empty; give it some words"):
        cut(tmp_path, "byte_level", " ")
