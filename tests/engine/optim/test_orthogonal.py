"""Singular values near one, directions kept, and nothing that grows without bound."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.optim.orthogonal import POLAR_EXPRESS, SLACK, orthogonalised

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
SHAPES = pytest.mark.parametrize("shape", [(96, 64), (64, 64), (64, 256), (256, 64)])


def decomposed(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.linalg.svd(matrix, full_matrices=False)


def with_values(shape: tuple[int, int], values: Tensor) -> Tensor:
    left, _, right = decomposed(torch.randn(shape))
    return left @ values.diag() @ right


@DTYPES
@SHAPES
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    matrix = with_values(shape, torch.logspace(-2, 0, 64))
    left, _, right = decomposed(matrix)
    result = orthogonalised(torch.stack([torch.eye(*shape), matrix]), dtype)[1]
    values = (left.T @ result @ right.T).diagonal()
    assert values.min() > 0.7 and values.max() < 1.3
    rounding = 0.01 if dtype == torch.float32 else 0.1
    assert (result - left @ values.diag() @ right).norm() < rounding * result.norm()


@DTYPES
@pytest.mark.parametrize(
    "matrix",
    [
        torch.ones(64, 64),  # of rank 1
        torch.eye(64),
        torch.zeros(64, 64),
        torch.full((32, 128), 1e-5),
        1e5 * torch.arange(64.0 * 128).view(64, 128),  # of rank 2
        torch.hstack([torch.eye(64), 1e-6 * torch.ones(64, 192)]),
    ],
    ids=["rank 1", "identity", "zero", "small", "large", "wide"],
)
def test_no_matrix_makes_singular_values_above_one_by_much(matrix: Tensor, dtype: torch.dtype) -> None:
    assert torch.linalg.svdvals(orthogonalised(matrix[None], dtype)[0].float()).max() < 1.3


@DTYPES
def test_a_matrix_is_treated_alone_and_its_scale_does_not_matter(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 16, 16)
    whole = orthogonalised(matrices * torch.tensor([1.0, 2.0**-13, 2.0**13]).view(3, 1, 1), dtype)
    for matrix, result in zip(matrices, whole, strict=True):
        torch.testing.assert_close(orthogonalised(matrix[None], dtype)[0], result, rtol=0, atol=0.05)


def test_a_wide_matrix_comes_out_by_the_gram_matrix_as_by_itself() -> None:
    """bf16 takes the other way: both agree up to its rounding."""
    torch.manual_seed(0)
    matrix = with_values((64, 256), torch.logspace(-1, 0, 64))[None]
    torch.testing.assert_close(
        orthogonalised(matrix, torch.float32), orthogonalised(matrix, torch.bfloat16), rtol=0, atol=0.02
    )


def test_the_quintics_lead_to_within_a_quarter_of_one_even_from_beyond_their_interval() -> None:
    """Every value from 0.003 on, enlarged by 5 % after any iteration but the last, as rounding might."""
    for enlarged in range(len(POLAR_EXPRESS)):
        x = torch.linspace(0.003, 1, 100_000, dtype=torch.float64)
        for iteration, (a, b, c) in enumerate(POLAR_EXPRESS):
            x = a * x + b * x**3 + c * x**5
            if iteration == enlarged < len(POLAR_EXPRESS) - 1:
                x = torch.where(x > 1, x * 1.05, x)
        assert x.min() > 0.75 and x.max() < 1.25
    assert SLACK > 1
