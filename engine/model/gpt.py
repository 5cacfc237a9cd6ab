"""The GPT: GPT-2's architecture, as the reference systems use it.

Token and learned position embeddings, pre-norm blocks of causal attention and a 4x GELU MLP, a final norm, and
an output head that shares the token embedding.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from engine.contract.experiment import Model
from engine.device.compilation import Loss
from engine.model.blocks import Block
from engine.model.cache import KeyValueCache
from engine.model.loss import SoftmaxGradient, cross_entropy, softmax_gradient


class GPT(nn.Module):
    """The whole model.

    With tied weights there is no `lm_head` parameter at all, so a checkpoint holds each tensor once.
    """

    def __init__(self, model: Model, vocab_size: int) -> None:
        super().__init__()
        self.block_size = model.block_size
        self.n_head = model.n_head
        self.dropout = model.dropout
        self.wte = nn.Embedding(vocab_size, model.n_embd)
        self.wpe = nn.Embedding(model.block_size, model.n_embd)
        self.h = nn.ModuleList(Block(model) for _ in range(model.n_layer))
        self.ln_f = nn.LayerNorm(model.n_embd, bias=model.bias)
        self.lm_head: nn.Module | None = None if model.tie_weights else nn.Linear(model.n_embd, vocab_size, bias=False)
        self._initialise(model)

    def _initialise(self, model: Model) -> None:
        """GPT-2's: normal(0, 0.02), and the 2 n_layer projections into the residual stream scaled down.

        Words that are alike but for themselves, such as names, are told apart by their first random embedding
        alone until a head has learned to copy them. At high learning rates that difference drowns within a few
        steps unless `embedding_std` is larger than GPT-2's.
        """
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.wte.weight, std=model.embedding_std)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * model.n_layer))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the next token at every position: (batch, time) -> (batch, time, vocab_size).

        `time` is at most `block_size`.
        """
        return self.head(self.hidden(ids))

    def hidden(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """What the head sees: (batch, time) -> (batch, time, n_embd).

        With a cache, `ids` follow the positions in it, which must be none if `time` is above 1, and join them.
        """
        length = 0 if cache is None else cache.length
        positions = torch.arange(length, length + ids.shape[1], device=ids.device)
        x = F.dropout(self._embedded(ids) + self.wpe(positions), self.dropout, self.training)
        for layer, block in enumerate(self.h):
            x = block(x) if cache is None else block(x, cache.tensor[layer], length)
        if cache is not None:
            cache.length += ids.shape[1]
        return self.ln_f(x)

    def _embedded(self, ids: Tensor) -> Tensor:
        """(batch, time) -> (batch, time, n_embd).

        A tied table's gradient comes from the head too, and is dense. On a CPU the few rows from here are added into
        that, instead of a second table of zeros, which would be as large as the first.
        """
        adds_rows = self.lm_head is None and ids.device.type == "cpu" and not torch.compiler.is_compiling()
        return F.embedding(ids, self.wte.weight, sparse=adds_rows)

    def new_cache(self, batch: int) -> KeyValueCache:
        """Room for the keys and values of `batch` texts."""
        n_embd = self.wpe.weight.shape[1]
        return KeyValueCache(self.wpe.weight, len(self.h), batch, self.n_head, self.block_size, n_embd // self.n_head)

    def head(self, hidden: Tensor) -> Tensor:
        """(…, n_embd) -> (…, vocab_size)."""
        return F.linear(hidden, self.wte.weight) if self.lm_head is None else self.lm_head(hidden)

    def loss(self, ids: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor:
        """Mean cross-entropy in nats a token; `targets` are `ids` shifted by one, both (batch, time).

        `scale` is what the loss will be multiplied by before `backward`, which fp16 needs to know.
        """
        return self.loss_of(self.hidden(ids), targets, scale)

    def loss_of(
        self, hidden: Tensor, targets: Tensor, scale: Tensor | None = None, by: SoftmaxGradient = softmax_gradient
    ) -> Tensor:
        """`loss` from what the head sees, (batch, time, n_embd)."""
        weight = self.wte.weight if self.lm_head is None else getattr(self.lm_head, "weight", None)
        if weight is None:  # an int8 head, which only evaluates
            return F.cross_entropy(self.head(hidden).flatten(0, 1), targets.flatten())
        return cross_entropy(hidden, weight, targets, scale, by)


class _DrawsNothing(TorchFunctionMode):
    """Where modules are made: their weights are left as they are allocated."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def without_weights(model: Model, vocab_size: int) -> GPT:
    """A model whose tensors have shapes and no memory, to be given weights by `load_state_dict(…, assign=True)`.

    It draws no random numbers: to draw them without memory torch imports its compiler, which takes 1.5 s.
    """
    with torch.device("meta"), _DrawsNothing():
        return GPT(model, vocab_size)


def compiled_loss(model: GPT) -> Loss:
    """`model.loss`, compiled: the way to the head as one graph, a chunk's softmax and gradient as another.

    The loop over chunks stays Python, with the head's products in it: they are library calls either way, and a graph
    of the loop would be compiled anew for every number of chunks.
    """
    hidden_of, by = torch.compile(model.hidden), torch.compile(softmax_gradient)

    def loss(ids: Tensor, targets: Tensor, scale: Tensor | None = None) -> Tensor:
        return model.loss_of(hidden_of(ids), targets, scale, by)

    return loss
