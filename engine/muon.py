"""Muon: momentum whose update is made orthogonal, for the blocks' matrices.

    Keller Jordan et al., https://kellerjordan.github.io/posts/muon (the method and its coefficients)
    Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982 (the scale that lets it share AdamW's rate)

torch.optim.Muon is the same method, but always orthogonalises in bf16. A CPU without bf16 units needs 30 s a step
for that at 6/6/384, where fp32 needs 0.6 s; so here the precision follows the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ_STEPS = 5
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic; steep at zero, and ends between 0.7 and 1.2 rather than at 1


class Muon(torch.optim.Optimizer):
    """Muon for two-dimensional parameters, at learning rates and weight decays that fit AdamW."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move each parameter that has a gradient. There is no line search, so no closure."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(momentum, group["momentum"])  # Nesterov
        like_adamw = 0.2 * max(parameter.shape) ** 0.5  # gives the update AdamW's usual root mean square
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(orthogonalised(ahead), alpha=-group["lr"] * like_adamw)


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1, by Newton-Schulz iteration; (m, n) -> (m, n)."""
    a, b, c = NEWTON_SCHULZ
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    is_tall = x.shape[0] > x.shape[1]
    if is_tall:
        x = x.T
    x = x / (x.norm() + 1e-7)  # the largest singular value is now at most 1
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if is_tall else x).to(matrix.dtype)
