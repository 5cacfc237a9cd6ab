"""The nearest orthogonal matrix, by a few matrix products.

Keller Jordan et al., https://kellerjordan.github.io/posts/muon (a quintic in place of an SVD)
Amsel et al., The Polar Express, arXiv 2505.16932 (the best quintic of each iteration)
"""

from __future__ import annotations

import torch
from torch import Tensor

# Each quintic a x + b x³ + c x⁵ is the nearest to 1 (by Remez's algorithm) on the interval that the one before leads
# to, and on 5 % more at its upper end: a value that bf16 rounds up beyond the interval would grow without bound. The
# first interval is [0.003, 1], and the last result lies within 0.25 of 1. A smaller value is multiplied by 274.
POLAR_EXPRESS = (
    (8.383674, -24.765906, 18.357082),
    (3.862330, -2.611865, 0.448169),
    (3.399237, -2.319959, 0.420348),
    (2.491156, -1.700410, 0.363894),
)
SLACK = 1.02  # keeps singular values below 1 where bf16 rounds them up
TINY = 1e-14  # the square of a matrix that counts as zero


def orthogonalised(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """For each matrix the nearest one whose singular values are all 1, within 0.25.

    Singular values below a few thousandths of the largest stay small. (count, m, n) -> the same, computed in `dtype`,
    fp32 or bf16.
    """
    x = matrices.to(dtype)
    is_tall = x.shape[-2] > x.shape[-1]
    x = x.mT if is_tall else x  # (count, short, long)
    gram = x @ x.mT  # (count, short, short)
    bound = gram.float().norm(dim=(-2, -1), keepdim=True) * SLACK + TINY  # of the largest singular value's square
    x, gram = x * bound.rsqrt().to(x.dtype), gram / bound.to(gram.dtype)
    short, long = x.shape[-2:]
    x = _on_the_gram_matrix(x, gram) if dtype == torch.float32 and long >= 2 * short else _on_the_matrix(x, gram)
    return (x.mT if is_tall else x).to(matrices.dtype)


def _on_the_matrix(x: Tensor, gram: Tensor) -> Tensor:
    for iteration, (a, b, c) in enumerate(POLAR_EXPRESS):
        if iteration:
            gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _on_the_gram_matrix(x: Tensor, gram: Tensor) -> Tensor:
    """The same with two products of the long side in all, not two an iteration.

    Polynomials in one matrix commute, so the factors of all iterations are multiplied with each other before they meet
    `x`. It wants fp32: bf16's rounding of the Gram matrix hides its small eigenvalues.
    """
    first, *others = POLAR_EXPRESS
    product = factor = _factor(gram, *first)  # (count, short, short)
    for quintic in others:
        gram = factor @ gram @ factor  # X Xᵀ of this iteration's X
        factor = _factor(gram, *quintic)
        product = factor @ product
    return product @ x


def _factor(gram: Tensor, a: float, b: float, c: float) -> Tensor:
    """a I + b G + c G²: what a quintic multiplies its matrix by, where G is X Xᵀ."""
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=-2, dim2=-1).add_(a)
    return factor
