"""Charts for files and pages: the dashboard's ranges, gaps, and no more points than there are pixels."""

from __future__ import annotations

import numpy as np

from slm_tui.charts.chart import Curve, View, render
from slm_tui.charts.paper import Frame, frame_of, marks, pieces

STEPS = np.arange(1.0, 101.0)


def frame(curve: Curve, view: View | None = None, width: int = 500, height: int = 300) -> Frame:
    found = frame_of([curve], view or View(), width, height)
    assert found is not None
    return found


def test_the_axes_cover_what_the_dashboard_shows() -> None:
    curve = Curve(STEPS, 10 / STEPS)
    for view in (View(), View(y_log=True), View(x_log=True, y_ceiling=2.0)):
        found, picture = frame(curve, view), render([curve], view, 120, 40)
        assert (found.x, found.y) == (picture.x_scale, picture.y_scale)


def test_ticks_stand_at_the_values_that_they_name() -> None:
    found = frame(Curve(STEPS, STEPS / 10), View(x_unit="steps"))
    assert len(found.x_ticks) > 4 and len(found.y_ticks) > 3
    pixel = 100 / 499
    assert all(abs(value - float(label)) <= pixel for value, label in found.x_ticks)
    assert all(abs(value - float(label)) <= 10 / 299 for value, label in found.y_ticks)
    assert found.x_title == "steps"


def test_time_is_told_in_the_unit_of_its_labels() -> None:
    assert frame(Curve(STEPS * 60, STEPS), View(x_kind="seconds")).x_title == "min of training"


def test_nothing_to_show_has_no_axes() -> None:
    assert frame_of([Curve(STEPS, np.full(100, np.nan))], View(), 500, 300) is None


def test_a_gap_breaks_the_line() -> None:
    y = STEPS.copy()
    y[[30, 31, 60]] = np.nan
    curve = Curve(STEPS, y)
    found = pieces(curve, frame(curve))
    assert [(x[0], x[-1]) for x, _ in found] == [(1, 30), (33, 60), (62, 100)]


def test_a_long_curve_keeps_its_spikes_and_gaps_with_a_few_points_a_pixel() -> None:
    x = np.arange(1.0, 200_001.0)
    y = np.sin(x / 20_000) + 2
    y[77_777], y[150_000:150_500] = 9.0, np.nan
    curve = Curve(x, y)
    found = pieces(curve, frame(curve))
    assert len(found) == 2
    assert sum(len(piece) for piece, _ in found) <= 4 * 501 + 4
    assert max(piece.max() for _, piece in found) == 9.0
    assert abs(found[0][0][-1] - 150_000) < 500 and abs(found[1][0][0] - 150_501) < 500


def test_marks_stand_apart_and_the_newest_is_among_them() -> None:
    curve = Curve(STEPS, STEPS, points=True)
    found = marks(curve, frame(curve))
    assert found[0] == (100.0, 100.0)
    assert 20 < len(found) < 40
    few = Curve(STEPS[:4] * 10, STEPS[:4], points=True)
    assert len(marks(few, frame(few))) == 4


def test_a_value_above_the_ceiling_has_no_mark() -> None:
    curve = Curve(STEPS[:3] * 30, np.array([1e9, 5.0, 4.0]), points=True)
    assert [y for _, y in marks(curve, frame(curve, View(y_log=True, y_ceiling=1e6)))] == [4.0, 5.0]
