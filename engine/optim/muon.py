"""Muon: momentum whose update is made orthogonal, for the blocks' matrices.

    Keller Jordan et al., https://kellerjordan.github.io/posts/muon (the method and its coefficients)
    Liu et al., Muon is Scalable for LLM Training, arXiv 2502.16982 (the scale that lets it share AdamW's rate)

torch.optim.Muon is the same method, but always orthogonalises in bf16. A CPU without bf16 units needs 30 s a step
for that at 6/6/384, where fp32 needs 0.6 s; so here the precision follows the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

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
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():  # the same matrix of every block at once
                updates = orthogonalised(torch.stack([self._ahead(p, group["momentum"]) for p in parameters]))
                like_adamw = 0.2 * max(shape) ** 0.5  # gives the update AdamW's usual root mean square
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, list(updates), alpha=-group["lr"] * like_adamw)

    def _ahead(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's look ahead along the parameter's momentum, which is kept in the state."""
        gradient, state = cast(Tensor, parameter.grad), self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        return gradient.lerp(state["momentum"].lerp_(gradient, 1 - momentum), momentum)


def orthogonalised(matrices: Tensor) -> Tensor:
    """For each matrix the nearest one whose singular values are all about 1, by Newton-Schulz iteration.

    (count, m, n) -> the same.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)  # the largest singular value is now at most 1
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if is_tall else x).to(matrices.dtype)
