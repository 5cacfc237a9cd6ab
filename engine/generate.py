"""The generation process: requests on stdin, stories on stdout, a JSON object a line.

    python -m engine generate RUN_DIRECTORY [--checkpoint best|last] [--device DEVICE]

The protocol is `engine.contract.generation`.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterable

import msgspec
import torch

from engine.checkpoint import Kind, load_model, load_tokenizer
from engine.contract.errors import UserError
from engine.contract.generation import (
    AnyReply,
    Done,
    Error,
    Generate,
    Loaded,
    StopReason,
    Text,
    decode_request,
    encode,
)
from engine.contract.run import Run
from engine.data.tokenizers import Tokenizer
from engine.device import choose_device
from engine.model import GPT
from engine.sampling import TextStream, write


def serve(run: Run, kind: Kind, device_name: str, requests: Iterable[str]) -> int:
    """Load the checkpoint and answer each line of `requests` until they end; the exit code."""
    started = time.perf_counter()
    try:
        device = choose_device(device_name)
        model, info = load_model(run, kind, device)
        tokenizer = load_tokenizer(run, kind)
    except UserError as error:
        reply(Error(str(error)))
        return 2
    reply(Loaded(kind, info.step, info.val_loss, str(device), time.perf_counter() - started))
    for line in requests:
        try:
            answer(decode_request(line), model, tokenizer)
        except msgspec.MsgspecError as error:
            reply(Error(f"not a request: {error}"))
    return 0


def answer(request: Generate, model: GPT, tokenizer: Tokenizer) -> None:
    """Write one story, each piece as soon as it is there."""
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    generator = torch.Generator().manual_seed(seed)
    stream = TextStream(tokenizer)
    started = first = time.perf_counter()
    tokens = 0
    for tokens, token in enumerate(write(model, tokenizer, request.prompt, request.sampling, generator), start=1):
        if tokens == 1:
            first = time.perf_counter()
        if text := stream.push(token):
            reply(Text(text))
    if text := stream.close():
        reply(Text(text))
    seconds = time.perf_counter() - started
    reason: StopReason = "length" if tokens == request.sampling.max_new_tokens else "end_of_text"
    reply(Done(tokens, tokens / seconds, first - started, reason, seed))


def reply(message: AnyReply) -> None:
    sys.stdout.write(encode(message).decode() + "\n")
    sys.stdout.flush()
