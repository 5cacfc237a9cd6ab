"""A transformer block: causal attention and a 4x GELU MLP, each behind a norm and beside the residual stream."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from engine.contract.experiment import Model


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
