"""A linear or logarithmic axis: values to a share of its length and back (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HUGE = 1e300  # beyond this, differences overflow; such values count as gaps


@dataclass(frozen=True)
class Scale:
    """From `low` to `high`, low < high; both above 0 where `log`."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, low: float, high: float, log: bool, margin: float = 0.0) -> Scale:
        """A scale that shows `low` to `high`, with a margin (a share of the length) at both ends.

        A single value stands in the middle. Above 0 where `log`.
        """
        if log:
            if high <= low * (1 + 1e-9):
                low, high = low / 1.25, high * 1.25
            stretch = (high / low) ** margin if high / low < HUGE else 1.0
            return cls(low / stretch, high * stretch, log=True)
        if high - low <= 1e-12 * max(abs(low), abs(high)):
            half = abs(low) * 0.1 or 1.0
            return cls(low - half, high + half)
        pad = (high - low) * margin
        return cls(low - pad if low < 0 or low - pad >= 0 else 0.0, high + pad)

    def share(self, values: Floats) -> Floats:
        """Where `values` lie: 0 at `low`, 1 at `high`; infinitely far where that is beyond a float."""
        with np.errstate(over="ignore"):
            if self.log:
                low, high = math.log10(self.low), math.log10(self.high)
                return (np.log10(values) - low) / (high - low)
            return (values - self.low) / (self.high - self.low)

    def share_of(self, value: float) -> float:
        """Where one value lies; minus infinity for what a logarithmic scale cannot show."""
        return float(self.share(np.array([value]))[0]) if value > 0 or not self.log else -math.inf

    def value_at(self, share: float) -> float:
        """The value at one share of the length, 0 to 1."""
        return float(self.at(np.array([min(1.0, max(0.0, share))]))[0])

    def at(self, share: Floats) -> Floats:
        """The values at these shares of the length."""
        with np.errstate(over="ignore"):
            if self.log:
                low, high = math.log10(self.low), math.log10(self.high)
                return np.asarray(10 ** (low + share * (high - low)))
            return self.low + share * (self.high - self.low)

    def part(self, start: float, end: float) -> Scale:
        """The scale from share `start` to share `end`, which may lie outside."""
        low, high = (float(value) for value in self.at(np.array([start, end])))
        return Scale(low, high, self.log)
