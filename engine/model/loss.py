"""Cross-entropy of the head's logits, in chunks of tokens: the logits of a batch are never held whole.

They are the largest tensor of a training by far: 2,048 tokens of a vocabulary of 50,257 make 412 MB, and a plain
cross-entropy holds three of that size. Here a chunk's logits turn into their own gradient while they are there, in one
buffer that all chunks share, so nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from engine.contract.shape import CPU_CHUNK_LOGITS

# Logits of a chunk. On a GPU 2,048 tokens of 50,257 entries: a third of a millisecond of products, which hides the ten
# launches of a chunk.
CHUNK_LOGITS = {"cpu": CPU_CHUNK_LOGITS, "cuda": 2**27, "mps": 2**26}
PAD_TO = 64  # entries, on a GPU: a row of 16-bit logits is then a whole number of cache lines (128 bytes)

SoftmaxGradient: TypeAlias = Callable[[Tensor, Tensor, int, "Tensor | float | None"], "tuple[Tensor, Tensor | None]"]


def cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    scale: Tensor | None = None,
    by: SoftmaxGradient | None = None,
) -> Tensor:
    """Mean cross-entropy, nats a token, of the logits `hidden @ weight.T`: a scalar in fp32.

    hidden (…, n_embd), weight (vocab_size, n_embd), targets (…). Under autocast the products are in its type; softmax
    and the sums over chunks are in fp32.

    `scale`, a scalar on the device, is what the caller multiplies the loss by before `backward`. Gradients are taken
    here, before that, and in fp16 small ones would become zero; so they are taken of `scale` times the loss, and
    divided by it in `backward`. It changes neither the loss nor what its gradient means. `by` is `softmax_gradient`,
    or a compiled one.
    """
    hidden, targets = hidden.reshape(-1, hidden.shape[-1]), targets.reshape(-1)  # (tokens, n_embd), (tokens,)
    by = by or softmax_gradient
    if torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad):
        return _ChunkedCrossEntropy.apply(hidden, weight, targets, scale, by)
    return _in_chunks(hidden, weight, targets, by)


def softmax_gradient(
    logits: Tensor, targets: Tensor, vocab_size: int, factor: Tensor | float | None
) -> tuple[Tensor, Tensor | None]:
    """A chunk's cross-entropy, summed, and `factor` times its gradient in the logits; without a factor, no gradient.

    logits (tokens, vocab_size or more) are overwritten, targets (tokens,). Columns from `vocab_size` on get no
    probability and no gradient. The gradient has the shape and type of the logits.
    """
    if logits.shape[1] > vocab_size:
        logits[:, vocab_size:] = -torch.inf
    if logits.dtype == torch.float32 and logits.device.type == "cpu" and not torch.compiler.is_compiling():
        log_p = torch.log_softmax(logits, -1, out=logits)
    else:
        log_p = torch.log_softmax(logits, -1, torch.float32)
    nats = -log_p.gather(1, targets[:, None]).sum()
    if factor is None:
        return nats, None
    gradient = log_p.exp_()  # of a token's nats in its logits: its probabilities, less 1 at its target
    gradient.scatter_add_(1, targets[:, None], gradient.new_full((len(targets), 1), -1))
    if isinstance(factor, Tensor):
        gradient.mul_(factor)
    return nats, gradient.to(logits.dtype)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, scale: Tensor | None, by: SoftmaxGradient
    ) -> Tensor:
        gradients = torch.zeros_like(hidden), torch.zeros_like(weight, memory_format=torch.contiguous_format)
        if _product_type(hidden) != torch.float16:
            scale = None
        loss = _in_chunks(hidden, weight, targets, by, gradients, scale)
        ctx.save_for_backward(*gradients, scale)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight, scale = ctx.saved_tensors
        factor = d_loss if scale is None else d_loss / scale
        if factor.device.type != "cpu" or factor != 1:  # to ask a GPU would be to wait for it
            d_hidden.mul_(factor)
            d_weight.mul_(factor)
        return d_hidden, d_weight, None, None, None


def _in_chunks(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    by: SoftmaxGradient,
    gradients: tuple[Tensor, Tensor] | None = None,
    scale: Tensor | None = None,
) -> Tensor:
    """The mean loss. Its gradients, times `scale`, are added to `gradients` (of `hidden` and of `weight`)."""
    tokens, vocab_size = len(targets), len(weight)
    dtype, device = _product_type(hidden), hidden.device.type
    inputs, matrix = hidden.to(dtype), _padded(weight.to(dtype))  # (tokens, n_embd), (padded, n_embd)
    chunk = min(tokens, chunk_tokens(len(matrix), device))
    buffer = inputs.new_empty(chunk, len(matrix))  # logits of a chunk, (chunk, padded)
    loss = torch.zeros((), device=hidden.device)
    # The mean's 1 / tokens costs nothing in the products; but 16 bits want it, and `scale`, before they are rounded.
    factor: Tensor | float | None
    alpha, factor = 1 / tokens, None if gradients is None else 1.0
    if gradients is not None and dtype.itemsize < 4:
        alpha, factor = 1.0, (torch.ones_like(loss) if scale is None else scale) / tokens
    with torch.autocast(device, enabled=False):
        for start in range(0, tokens, chunk):
            part = slice(start, start + chunk)
            logits = torch.mm(inputs[part], matrix.t(), out=buffer[: len(targets[part])])
            nats, d_logits = by(logits, targets[part], vocab_size, factor)
            loss += nats
            if gradients is not None and d_logits is not None:
                d_hidden, d_weight = gradients
                _add_product(d_hidden[part], d_logits, matrix, alpha)
                _add_product(d_weight, d_logits[:, :vocab_size].t(), inputs[part], alpha)
    return loss / tokens


def chunk_tokens(vocab_size: int, device_type: str) -> int:
    """How many tokens' logits a chunk holds: a power of two, as batches mostly are."""
    return 1 << max(0, (CHUNK_LOGITS[device_type] // vocab_size).bit_length() - 1)


def _product_type(hidden: Tensor) -> torch.dtype:
    """Autocast's, where it is on."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def _padded(matrix: Tensor) -> Tensor:
    """(vocab_size, n_embd) with rows of zeros behind, up to a multiple of `PAD_TO`, on the GPU whose kernels are slow
    without: (padded, n_embd). The parameter, its gradient and its optimizer's state have no such rows."""
    missing = -len(matrix) % PAD_TO
    return F.pad(matrix, (0, 0, 0, missing)) if missing and matrix.is_cuda else matrix


def _add_product(total: Tensor, a: Tensor, b: Tensor, alpha: float) -> None:
    """total += alpha a @ b, where `total` may be of a wider type."""
    if total.dtype == a.dtype:
        total.addmm_(a, b, alpha=alpha)
    else:
        total.add_(a @ b, alpha=alpha)
