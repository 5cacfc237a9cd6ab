"""What the generation process reads on stdin and writes on stdout: one JSON object a line.

    python -m engine generate RUN_DIRECTORY

It says `loaded` (or `error`, and ends), then answers each `generate` with `text` pieces and `done`, or `error`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.contract.experiment import Sampling

StopReason = Literal["end_of_text", "length"]


class Generate(msgspec.Struct, tag_field="request", tag="generate"):
    """Write a story that begins with `prompt`; equal requests with a seed give equal stories."""

    prompt: str
    sampling: Sampling = Sampling()
    seed: int | None = None


class Reply(msgspec.Struct, tag_field="reply", tag=str.lower):
    """One line on stdout."""


class Loaded(Reply):
    """The checkpoint that will write."""

    checkpoint: Literal["best", "last"]
    step: int
    val_loss: float | None
    device: str
    load_seconds: float


class Text(Reply):
    """The next piece of the story, whole characters only."""

    text: str


class Done(Reply):
    """The story has ended."""

    tokens: int
    tokens_per_second: float
    seconds_to_first_token: float
    reason: StopReason
    seed: int


class Error(Reply):
    """The request, or the loading, failed."""

    message: str


AnyReply = Loaded | Text | Done | Error

encode = msgspec.json.Encoder().encode
decode_request = msgspec.json.Decoder(Generate).decode
decode_reply: msgspec.json.Decoder[AnyReply] = msgspec.json.Decoder(AnyReply)
