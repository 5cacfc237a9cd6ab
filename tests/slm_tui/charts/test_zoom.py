from __future__ import annotations

import pytest

from slm_tui.charts.scale import Scale
from slm_tui.charts.zoom import panned, zoomed

FULL = Scale(0, 100)


def ends(scale: Scale | None) -> list[float] | None:
    return scale and [pytest.approx(scale.low), pytest.approx(scale.high)]


def test_what_lies_under_the_cross_hair_stays_there() -> None:
    near = zoomed(FULL, FULL, 0.3, 0.5)
    assert near is not None and ends(near) == [15, 65]
    assert near.share_of(30) == pytest.approx(0.3)


def test_zooming_out_ends_where_all_is_shown() -> None:
    assert ends(zoomed(FULL, Scale(40, 50), 0.5, 2)) == [35, 55]
    assert zoomed(FULL, Scale(10, 90), 0.5, 2) is None


def test_neither_zoom_nor_pan_leaves_the_data() -> None:
    assert ends(zoomed(FULL, Scale(0, 20), 1.0, 2)) == [0, 40]
    assert ends(panned(FULL, Scale(10, 30), 0.25)) == [15, 35]
    assert ends(panned(FULL, Scale(10, 30), 9)) == [80, 100]
    assert ends(panned(FULL, Scale(10, 30), -9)) == [0, 20]


def test_on_a_logarithmic_axis_shares_are_of_its_length() -> None:
    full = Scale(1, 10_000, log=True)
    assert ends(zoomed(full, full, 0.5, 0.5)) == [10, 1000]
    assert ends(panned(full, Scale(10, 1000, log=True), 0.5)) == [100, 10_000]
