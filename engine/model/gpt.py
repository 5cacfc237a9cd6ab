"""The GPT: GPT-2's architecture, as the reference systems use it.

Token and learned position embeddings, pre-norm blocks of causal attention and a 4x GELU MLP, a final norm, and
an output head that shares the token embedding.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.contract.experiment import Model


class KeyValueCache:
    """Keys and values of the positions that were computed already, so that the next one costs itself alone."""

    def __init__(self, gpt: GPT, batch: int) -> None:
        """Room for `batch` texts of `block_size` tokens, all of equal length."""
        n_embd = gpt.wpe.weight.shape[1]
        shape = (len(gpt.h), 2, batch, gpt.n_head, gpt.block_size, n_embd // gpt.n_head)
        self.tensor = gpt.wpe.weight.new_empty(shape)
        self.length = 0  # positions that are filled


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which a position sees itself and what came before it."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.n_head = model.n_head
        self.dropout = model.dropout
        self.c_attn = nn.Linear(model.n_embd, 3 * model.n_embd, bias=model.bias)  # query, key, value
        self.c_proj = nn.Linear(model.n_embd, model.n_embd, bias=model.bias)

    def forward(self, x: Tensor, cached: Tensor | None = None, length: int = 0) -> Tensor:
        """(batch, time, n_embd) -> the same.

        `cached`, a layer's part of a KeyValueCache with `length` positions, takes in those of `x`, and they see it:
        many at once if it is empty, or else one at a time.
        """
        batch, time, width = x.shape
        heads = self.c_attn(x).view(batch, time, 3, self.n_head, width // self.n_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (batch, n_head, time, head width)
        if cached is not None:
            cached[0, :, :, length : length + time] = key
            cached[1, :, :, length : length + time] = value
            if length:
                key, value = cached[:, :, :, : length + time]
        y = F.scaled_dot_product_attention(
            query, key, value, is_causal=length == 0, dropout_p=self.dropout if self.training else 0.0
        )
        y = self.c_proj(y.transpose(1, 2).reshape(batch, time, width))
        return F.dropout(y, self.dropout, self.training)


class MLP(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.dropout = model.dropout
        self.approximate = "tanh" if model.activation == "gelu_tanh" else "none"
        self.c_fc = nn.Linear(model.n_embd, 4 * model.n_embd, bias=model.bias)
        self.c_proj = nn.Linear(4 * model.n_embd, model.n_embd, bias=model.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate=self.approximate)), self.dropout, self.training)


class Block(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(model.n_embd, bias=model.bias)
        self.attn = CausalSelfAttention(model)
        self.ln_2 = nn.LayerNorm(model.n_embd, bias=model.bias)
        self.mlp = MLP(model)

    def forward(self, x: Tensor, cached: Tensor | None = None, length: int = 0) -> Tensor:
        x = x + self.attn(self.ln_1(x), cached, length)
        return x + self.mlp(self.ln_2(x))


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
        x = F.dropout(self.wte(ids) + self.wpe(positions), self.dropout, self.training)
        for layer, block in enumerate(self.h):
            x = block(x) if cache is None else block(x, cache.tensor[layer], length)
        if cache is not None:
            cache.length += ids.shape[1]
        return self.ln_f(x)

    def head(self, hidden: Tensor) -> Tensor:
        """(…, n_embd) -> (…, vocab_size)."""
        return F.linear(hidden, self.wte.weight) if self.lm_head is None else self.lm_head(hidden)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats a token; `targets` are `ids` shifted by one, both (batch, time)."""
        return F.cross_entropy(self(ids).flatten(0, 1), targets.flatten())
