"""How an experiment's tokenizer cuts a text, and how many tokens it needs for it.

    slm-tui tokenizer NAME [--text TEXT]

Fertility (tokens a word) and bytes a token compare tokenizers before a model is trained: a smaller vocabulary is
cheaper at every step, one that fits the corpus needs fewer steps for it.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from engine.commands.prepare import translation_of
from engine.contract.errors import UserError
from engine.contract.events import Emit, Tokenized, TokenPiece
from engine.contract.experiment import Experiment
from engine.contract.experiment import Tokenizer as TokenizerTable
from engine.data.prepare import Translation, trained_tokenizer
from engine.data.sources import open_source
from engine.data.tokenizers.load import open_tokenizer
from engine.data.tokenizers.round_trip import round_trip_losses
from engine.data.tokenizers.tokenizer import Tokenizer
from engine.data.write_errors import write_errors_explained
from engine.runs.workspace import Workspace
from engine.training.starting_point import starting_tokenizer

STORIES = 200  # of the corpus: its first ones, which the figures are of
TRANSLATED_STORIES = 20  # of a corpus that is to be translated, which takes a second a story and more on a CPU
SHOWN = 2_000  # characters at the beginning of the text whose pieces are listed


def tokenize_text(
    experiment: Experiment, workspace: Workspace, mirror: Path | None, text: str | None, emit: Emit
) -> Tokenized:
    """How the experiment's tokenizer cuts `text`, or else the first stories of its corpus.

    A byte-level BPE is taken from the experiment's prepared data, or trained as `prepare` trains it.

    Raises:
        UserError: the text is empty, or the tokenizer or the corpus cannot be found or read.
    """
    if text is not None and not text.strip():
        raise UserError("--text is empty; give it some words")
    with write_errors_explained(workspace):
        return _tokenized(experiment, workspace, mirror, text, emit)


def _tokenized(
    experiment: Experiment, workspace: Workspace, mirror: Path | None, text: str | None, emit: Emit
) -> Tokenized:
    starting = starting_tokenizer(experiment, workspace, mirror)
    translation = translation_of(experiment, workspace, mirror)
    tokenizer = (
        starting
        or open_tokenizer(experiment.tokenizer, workspace, mirror)
        or trained_tokenizer(experiment, workspace, mirror, emit, translation)
    )
    if text is None:
        stories = _first_stories(experiment, translation, workspace, mirror, emit)
        if not stories:
            raise UserError("data: contains no stories")
    else:
        stories = [text]
    losses = round_trip_losses(tokenizer, stories)
    return Tokenized(
        tokenizer=f"that of {experiment.train.init_from}" if starting else _named(experiment.tokenizer),
        vocab_size=tokenizer.vocab_size,
        stories=len(stories) if text is None else None,
        characters=sum(map(len, stories)),
        bytes=sum(len(story.encode()) for story in stories),
        words=sum(len(story.split()) for story in stories),
        tokens=losses.tokens,
        pieces=_pieces(tokenizer, stories[0][:SHOWN]),
        unknown=losses.unknown,
        altered=losses.altered,
    )


def _first_stories(
    experiment: Experiment, translation: Translation | None, workspace: Workspace, mirror: Path | None, emit: Emit
) -> list[str]:
    """Of the corpus, translated where the experiment says so."""
    source = open_source(experiment.data, workspace, mirror, emit)
    if translation is None:
        return list(itertools.islice(source.stories(), STORIES))
    stories = list(itertools.islice(source.stories(), TRANSLATED_STORIES))
    translation.work(stories, len(stories), "translate", emit)
    return [story for story in translation.translated(stories) if story and not story.isspace()]


def _named(table: TokenizerTable) -> str:
    return table.name or table.kind if table.kind == "huggingface" else table.kind


def _pieces(tokenizer: Tokenizer, text: str) -> list[TokenPiece]:
    pieces = []
    for token in tokenizer.encode(text):
        content = tokenizer.token_bytes(token)
        try:
            shown = content.decode()
        except UnicodeDecodeError:
            shown = ""  # its neighbours hold the rest of the character
        pieces.append(TokenPiece(token, shown, content.hex()))
    return pieces
