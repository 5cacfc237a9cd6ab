"""Loss, perplexity and bits per byte on the validation split.

    python -m engine evaluate RUN_DIRECTORY [--checkpoint best|last]     # the whole split, every token once

Bits per byte compares models across tokenizers, which loss and perplexity cannot: it divides by the bytes of
the text instead of by the tokens that a tokenizer happens to cut it into.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from engine.contract.events import Emit, Prepare
from engine.data.batches import Batch
from engine.device.compilation import Loss
from engine.device.precision import autocast
from engine.model.gpt import GPT


def bits_per_byte(loss: float, tokens: int, text_bytes: int) -> float:
    """From nats a token to bits a byte; `tokens` and `text_bytes` are those of the split."""
    return loss * tokens / (text_bytes * math.log(2))


@torch.no_grad()
def mean_loss(model: GPT, batches: Iterable[Batch], precision: str, loss_of: Loss | None = None) -> tuple[float, int]:
    """Nats a token over all `batches`, and how many tokens that were. Dropout is off meanwhile.

    `loss_of` is `model.loss`, or a compiled one. The device is waited for once, at the end.
    """
    was_training, loss_of = model.training, loss_of or model.loss
    model.eval()
    losses: list[Tensor] = []  # of each batch, a scalar on the device
    sizes: list[int] = []  # tokens
    for ids, targets in batches:
        with autocast(precision, ids.device):
            losses.append(loss_of(ids, targets))
        sizes.append(targets.numel())
    model.train(was_training)
    total = sum(loss * size for loss, size in zip(torch.stack(losses).tolist(), sizes, strict=True))
    return total / sum(sizes), sum(sizes)


def counted(batches: Iterable[Batch], emit: Emit, total: int) -> Iterator[Batch]:
    """`batches`, while emitting the number of tokens done, of `total`, as progress."""
    done = 0
    for ids, targets in batches:
        yield ids, targets
        done += targets.numel()
        emit(Prepare("evaluate", done, total))
