from __future__ import annotations

from itertools import pairwise

import pytest

from slm_tui.charts.scale import Scale
from slm_tui.charts.ticks import Kind, columns_apart, labels, rows_apart, scientific, start_of, ticks, unit_of_time


def across(low: float, high: float, log: bool = False, kind: Kind = "number", cells: int = 80) -> list[str]:
    return [tick.label for tick in ticks(Scale(low, high, log), cells, 2, kind, columns_apart(5))]


def up(low: float, high: float, log: bool = False, kind: Kind = "number", cells: int = 20) -> list[str]:
    return [tick.label for tick in ticks(Scale(low, high, log), cells, 4, kind, rows_apart(4))]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 10_000, ["0", "1K", "2K", "3K", "4K", "5K", "6K", "7K", "8K", "9K", "10K"]),
        (10_200, 10_260, ["10.20K", "10.21K", "10.22K", "10.23K", "10.24K", "10.25K", "10.26K"]),
        (10_200, 10_206, ["10,200", "10,201", "10,202", "10,203", "10,204", "10,205", "10,206"]),
        (0, 3e9, ["0", "500M", "1B", "1.5B", "2B", "2.5B", "3B"]),
        (-1, 1, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
    ],
)
def test_linear_ticks_are_round(low: float, high: float, wanted: list[str]) -> None:
    assert across(low, high) == wanted


@pytest.mark.parametrize(
    ("high", "wanted", "unit"),
    [
        (60, ["0", "10", "20", "30", "40", "50", "60"], "s"),
        (750, ["0", "2", "4", "6", "8", "10", "12"], "min"),
        (3 * 3600, ["0", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00"], "h"),
        (9 * 86400, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "days"),
    ],
)
def test_time_is_told_in_minutes_and_hours(high: float, wanted: list[str], unit: str) -> None:
    assert across(0, high, kind="seconds") == wanted
    assert unit_of_time(high) == unit


def test_minutes_within_are_told_with_their_seconds() -> None:
    assert "12:30" in across(720, 780, kind="seconds")


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (1e-4, 1.0, ["1e-4", "0.001", "0.01", "0.1", "1"]),
        (1.5, 11, ["2", "5", "10"]),
        (1.9, 2.4, ["2.0", "2.2", "2.4"]),
        (1, 1e12, ["1", "1K", "1M", "1B", "1T"]),
    ],
)
def test_logarithmic_ticks_are_decades_their_parts_or_round_numbers(low: float, high: float, wanted: list[str]) -> None:
    assert up(low, high, log=True) == wanted


def test_bytes_and_small_numbers_have_their_own_writing() -> None:
    assert labels([0, 2e9], [1e9, 1e9], "bytes") == ["0", "2 GB"]
    assert labels([0, 2e-4, 4e-4], [2e-4] * 3, "number") == ["0", "2e-4", "4e-4"]
    assert [scientific(value) for value in (3e-4, 2.853e-4, 1.0, 0)] == ["3e-4", "2.85e-4", "1e0", "0"]


@pytest.mark.parametrize("kind", ["number", "bytes", "seconds"])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("cells", [1, 2, 5, 20, 90, 240])
def test_labels_never_touch_stay_inside_and_differ(kind: Kind, log: bool, cells: int) -> None:
    ranges = [(1e-300, 1e300), (1, 1 + 1e-8), (0.5, 3), (1e9, 1.0000001e9), (3, 1e5), (2e-5, 9e-4), (1, 2e299)]
    for low, high in ranges:
        found = ticks(Scale(low, high, log), cells, 2, kind, columns_apart(1))
        assert all(0 <= tick.cell < cells for tick in found)
        assert all(start_of(after) > start_of(before) + len(before.label) for before, after in pairwise(found))
        assert len({tick.label for tick in found}) == len(found)
