"""Columns of numbers that grow, with their smoothed versions kept as they do (pure)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from slm_tui.charts.scale import HUGE, Floats
from slm_tui.charts.smoothing import Smoother


class Columns:
    """Rows in the order of their first column, which is the step. NaN stands for what is missing, infinite or huge."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._index = {name: row for row, name in enumerate(names)}
        self._data = np.empty((len(names), 256))
        self._size = 0
        self._smoothed: dict[tuple[str, float], tuple[Smoother, Floats]] = {}

    def __getitem__(self, name: str) -> Floats:
        """A view, which the next change may overwrite."""
        return self._data[self._index[name], : self._size]

    def smoothed(self, name: str, weight: float) -> Floats:
        """The column, smoothed. Costs as much as what has come since the last call."""
        smoother, done = self._smoothed.get((name, weight)) or (Smoother(weight), np.empty(0))
        if len(done) < self._size:
            done = np.concatenate((done, smoother(self[name][len(done) :])))
            self._smoothed[name, weight] = smoother, done
        return done

    def append(self, columns: Mapping[str, Floats], which: NDArray[np.bool_]) -> None:
        """Take in the rows `which` of these columns; rows that come late are sorted in."""
        start, count = self._size, int(np.count_nonzero(which))
        if not count:
            return
        if start + count > self._data.shape[1]:
            grown = np.empty((len(self._data), max(2 * self._data.shape[1], start + count)))
            grown[:, :start] = self._data[:, :start]
            self._data = grown
        self._size = start + count
        for name, row in self._index.items():
            values = columns[name][which]
            self._data[row, start : self._size] = np.where(np.abs(values) < HUGE, values, np.nan)
        steps = self._data[0, max(0, start - 1) : self._size]
        if np.any(steps[1:] < steps[:-1]):
            self._choose(np.argsort(self._data[0, : self._size], kind="stable"))

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Drop all other rows."""
        if not which.all():
            self._choose(np.flatnonzero(which))

    def _choose(self, rows: NDArray[np.intp]) -> None:
        chosen = self._data[:, : self._size][:, rows]
        self._size = chosen.shape[1]
        self._data[:, : self._size] = chosen
        self._smoothed.clear()
