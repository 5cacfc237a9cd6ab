from __future__ import annotations

import numpy as np
import pytest

from slm_tui.charts.smoothing import LEVELS, Smoother


def one_by_one(values: np.ndarray, weight: float) -> np.ndarray:
    """The definition: a running sum and the sum of its weights."""
    total, weights, means = 0.0, 0.0, []
    for value in values:
        if not np.isnan(value):
            total, weights = weight * total + value, weight * weights + 1
        means.append(np.nan if np.isnan(value) else total / weights)
    return np.array(means)


def noise(n: int, holes: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(1)
    values = 5 + random.normal(size=n)
    values[random.random(n) < holes] = np.nan
    return values


@pytest.mark.parametrize("weight", LEVELS[1:])
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 128, 5000])
def test_it_is_the_mean_of_what_came_before_weighted_by_age(n: int, weight: float) -> None:
    np.testing.assert_allclose(Smoother(weight)(noise(n)), one_by_one(noise(n), weight), rtol=1e-12)


def test_gaps_stay_and_count_for_nothing() -> None:
    np.testing.assert_allclose(Smoother(0.9)(noise(1000, holes=0.3)), one_by_one(noise(1000, holes=0.3), 0.9))


def test_all_gaps_stay_gaps() -> None:
    assert np.isnan(Smoother(0.9)(np.full(100, np.nan))).all()


@pytest.mark.parametrize("pieces", [1, 7, 500])
def test_in_pieces_it_is_the_same(pieces: int) -> None:
    smoother = Smoother(0.99)
    values = noise(3000, holes=0.1)
    together = np.concatenate([smoother(piece) for piece in np.array_split(values, pieces)])
    np.testing.assert_allclose(together, one_by_one(values, 0.99), rtol=1e-12)


def test_a_constant_stays_itself_however_long_and_large() -> None:
    np.testing.assert_allclose(Smoother(0.99)(np.full(200_000, 1e290)), 1e290, rtol=1e-9)
