"""`tokenizer`: how an experiment's tokenizer cuts a text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from slm_tui.commands.common import (
    ExperimentName,
    Json,
    Mirror,
    Overrides,
    as_arguments,
    console,
    facts_of,
    print_json,
    workspace_of,
)
from slm_tui.formats import count, decimal

if TYPE_CHECKING:
    from engine.contract.events import Tokenized, TokenPiece

SHOWN = 40  # pieces; --json tells of more

Text = Annotated[
    str | None,
    typer.Option("--text", metavar="T", help="Cut this text instead of stories of the corpus.", show_default=False),
]


def tokenizer(
    context: typer.Context,
    name: ExperimentName,
    text: Text = None,
    overrides: Overrides = None,
    mirror: Mirror = None,
    json: Json = False,
) -> None:
    """How an experiment's tokenizer cuts a text.

    Pieces and ids of its beginning; tokens a word (fertility) and bytes a token of the whole, and what of it the tokens
    lose. Without --text, of the corpus' first stories. A byte-level BPE is trained first, as prepare trains it, if no
    prepared data has it.
    """
    from engine.contract.events import Tokenized
    from slm_tui.console import preparation_shown
    from slm_tui.engine_calls import answer_of
    from slm_tui.launcher import plan

    workspace = workspace_of(context)
    plan(workspace, name, overrides or [])
    arguments = ["tokenize", name, "--workspace", str(workspace.root)]
    arguments += as_arguments(overrides)
    arguments += [f"--text={text}"] if text is not None else []
    with preparation_shown(console(stderr=True)) as show:
        answer = answer_of(arguments, Tokenized, show, mirror)
    if json:
        figures = {"tokens_per_word": _ratio(answer.tokens, answer.words)}
        print_json(
            {"experiment": name, **facts_of(answer), **figures, "bytes_per_token": _ratio(answer.bytes, answer.tokens)}
        )
        return
    _print(name, answer)


def _print(name: str, answer: Tokenized) -> None:
    of = "the text" if answer.stories is None else f"{count(answer.stories)} stories of the corpus"
    print(f"{name}: {answer.tokenizer}, a vocabulary of {count(answer.vocab_size)}, on {of}")
    print(
        f"  {count(answer.words)} words, {count(answer.characters)} characters, {count(answer.bytes)} bytes: "
        f"{count(answer.tokens)} tokens"
    )
    print(
        f"  {decimal(_ratio(answer.tokens, answer.words), 2)} tokens a word (fertility), "
        f"{decimal(_ratio(answer.bytes, answer.tokens), 2)} bytes a token"
    )
    for loss in _losses(answer):
        print(f"  {loss}")
    print()
    width = max(len(str(piece.id)) for piece in answer.pieces[:SHOWN])
    for piece in answer.pieces[:SHOWN]:  # a line each: pieces side by side would be joined and reordered in Arabic
        print(f"  {piece.id:>{width}}  {_legible(piece)}")
    if len(answer.pieces) > SHOWN:
        print(f"  {'…':>{width}}")


def _losses(answer: Tokenized) -> list[str]:
    """What of the text its tokens do not hold; nothing where they hold all."""
    losses = []
    if answer.unknown:
        share = decimal(100 * answer.unknown / answer.tokens, 2)
        losses.append(f"{count(answer.unknown)} of them ({share} %) are the unknown token, which stands for any text")
    if answer.altered:
        what = "the text" if answer.stories is None else f"{count(answer.altered)} of {count(answer.stories)} stories"
        losses.append(f"come back from their tokens otherwise than they were, so a model cannot learn them: {what}")
    return losses


def _legible(piece: TokenPiece) -> str:
    """The piece with its spaces and line breaks visible, or its bytes where it is a part of a character."""
    if not piece.text:
        return f"bytes {piece.bytes}"
    shown = piece.text.replace(" ", "·").replace("\n", "↵").replace("\t", "→")
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown)


def _ratio(above: int, below: int) -> float | None:
    ratio = above / below if below else math.nan
    return ratio if math.isfinite(ratio) else None
