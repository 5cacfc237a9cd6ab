"""What a tokenizer loses of a text: words that its vocabulary lacks, and what does not come back from its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.tokenizers.tokenizer import Tokenizer

_TRIFLE = 0.01  # the share that may be lost without a word


@dataclass(frozen=True)
class Losses:
    """Of some stories."""

    stories: int
    tokens: int
    unknown: int  # tokens that stand for any text
    altered: int  # stories that come back otherwise than they were


def round_trip_losses(tokenizer: Tokenizer, stories: Sequence[str]) -> Losses:
    """Cuts the stories and joins them again."""
    cut = [tokenizer.encode(story) for story in stories]
    return Losses(
        stories=len(stories),
        tokens=sum(map(len, cut)),
        unknown=sum(ids.count(tokenizer.unknown_id) for ids in cut) if tokenizer.unknown_id is not None else 0,
        # some tokenizers put a space before a text, of which nothing is lost
        altered=sum(tokenizer.decode(ids).strip() != story.strip() for ids, story in zip(cut, stories, strict=True)),
    )


def loss_warnings(tokenizer: Tokenizer, stories: Sequence[str]) -> list[str]:
    """What to say where the tokens do not hold all of `stories`, the first ones of a corpus."""
    losses = round_trip_losses(tokenizer, stories)
    warnings = []
    if losses.unknown > _TRIFLE * losses.tokens:
        warnings.append(
            f"tokenizer: {losses.unknown / losses.tokens:.0%} of the first stories' tokens are the unknown token, "
            "so their text is lost"
        )
    if losses.altered > _TRIFLE * losses.stories:
        warnings.append(
            f"tokenizer: {losses.altered / losses.stories:.0%} of the first stories change when they are "
            "tokenized and decoded, so a model cannot learn their exact text"
        )
    return warnings
