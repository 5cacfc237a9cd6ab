"""An exponential moving average of a curve, corrected for its start, at numpy's speed (pure)."""

from __future__ import annotations

import math

import numpy as np

from slm_tui.charts.scale import Floats

LEVELS = (0.0, 0.6, 0.9, 0.99)  # weight of the past; 0 is none
_BLOCK = 64
_NOTHING = 1e-17  # a share below this changes no number


class Smoother:
    """The mean of each value and those before it, each one `weight` times as heavy as the next; 0 < weight < 1.

    Unlike the plain moving average, which starts at zero, the first value is its own mean (the bias correction of
    Adam, Kingma and Ba 2015). NaN is skipped and stays NaN.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._sum = 0.0
        self._count = 0

    def __call__(self, values: Floats) -> Floats:
        """The means at these values, which come after those of earlier calls; shape (n,) to (n,)."""
        result = np.full(len(values), np.nan)
        known = ~np.isnan(values)
        sums = _decayed_sums(values[known], self._weight)
        if len(sums):
            lasting = min(len(sums), self._lasting())  # how far what came before is felt
            powers = self._weight ** np.arange(1, lasting + 1)
            sums[:lasting] += self._sum * powers
            self._sum = float(sums[-1])
            sums *= 1 - self._weight
            sums[:lasting] /= 1 - powers * self._weight**self._count
            self._count += len(sums)
        result[known] = sums
        return result

    def _lasting(self) -> int:
        return math.ceil(math.log(_NOTHING, self._weight))


def _decayed_sums(values: Floats, weight: float) -> Floats:
    """s[i] = values[i] + weight * s[i - 1], with s[-1] = 0.

    A block at a time as one matrix product, then the same recurrence over the blocks' ends. Only powers of
    `weight` are multiplied, nothing is divided, so nothing overflows however long the curve.
    """
    n = len(values)
    if n <= 1:
        return values.copy()
    rows = -(-n // _BLOCK)
    padded = np.zeros(rows * _BLOCK)
    padded[:n] = values
    age = np.arange(_BLOCK)[:, None] - np.arange(_BLOCK)
    decay = np.where(age >= 0, weight ** np.maximum(age, 0), 0.0)
    sums = padded.reshape(rows, _BLOCK) @ decay.T
    if rows > 1:
        ends = _decayed_sums(sums[:-1, -1], weight**_BLOCK)  # each block's last sum, earlier blocks included
        sums[1:] += ends[:, None] * weight ** np.arange(1, _BLOCK + 1)
    flat: Floats = sums.reshape(-1)[:n]
    return flat
