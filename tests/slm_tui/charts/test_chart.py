from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from slm_tui.charts.chart import AXIS, CROSSHAIR, CURVES, Curve, Picture, View, colour_of, full_scale, readings, render


def curve(y: Sequence[float | None], x: Sequence[float] | None = None, **more: object) -> Curve:
    values = np.array(y, dtype=float)
    return Curve(np.arange(len(values), dtype=float) if x is None else np.array(x, dtype=float), values, **more)  # type: ignore[arg-type]


def text(picture: Picture) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in picture.lines()]


def dots(picture: Picture, colour: int | None = None) -> np.ndarray:
    """The dots of the curves, (4 * rows, 2 * columns) of the plot."""
    plot = picture.plot
    cells = picture.characters[: plot.height, plot.left : plot.left + plot.width]
    colours = picture.colours[: plot.height, plot.left : plot.left + plot.width]
    shown = (cells >= 0x2800) & (cells < 0x2900) & ((colours >= CURVES) if colour is None else (colours == colour))
    bits = np.where(shown, cells - 0x2800, 0)
    out = np.zeros((4 * plot.height, 2 * plot.width), dtype=bool)
    for (y, x), bit in np.ndenumerate([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]):
        out[y::4, x::2] = bits & bit
    return out


BARE = (17, 4)  # too small for axes: nothing but the curves


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    found = dots(render([curve([0, 1])], View(y_range=(0, 1)), *BARE))
    assert found[-1, 0] and found[0, -1] and found.any(axis=0).all() and found.any(axis=1).all()


def test_every_spike_survives_however_many_points_there_are() -> None:
    y = np.ones(100_000)
    y[[12_345, 77_777]] = 50, -50
    found = dots(render([curve(y)], View(), 60, 16))
    columns = np.flatnonzero(found[0]), np.flatnonzero(found[-1])
    assert [len(each) for each in columns] == [0, 0]  # the margin
    assert found[1:4].any() and found[-4:-1].any()


def test_thinned_it_is_the_picture_of_all_points() -> None:
    random = np.random.default_rng(3)
    y = np.cumsum(random.normal(size=5000))
    many = dots(render([curve(y)], View(y_range=(-200, 200)), *BARE))
    low, high = np.full(34, np.inf), np.full(34, -np.inf)
    for index, value in enumerate(y):
        column = int(np.rint(index / 4999 * 33))
        row = int(np.rint((1 - (value + 200) / 400) * 15))
        low[column], high[column] = min(low[column], row), max(high[column], row)
        assert many[row, column]
    for column in range(34):
        rows = np.flatnonzero(many[:, column])
        assert rows.min() >= low[column] - 1 and rows.max() <= high[column] + 1  # a dot more joins the next column


def test_the_first_and_the_last_point_are_drawn() -> None:
    found = dots(render([curve([5] + [1] * 99_998 + [9])], View(), *BARE))
    assert found[:, 0].any() and found[:, -1].any()
    assert found[:2, -1].any()


@pytest.mark.parametrize("n", [9, 9000])
def test_a_gap_breaks_the_line(n: int) -> None:
    y = np.ones(n)
    y[n // 3 : 2 * n // 3] = np.nan
    found = dots(render([curve(y)], View(), *BARE)).any(axis=0)
    assert found[:9].all() and found[-9:].all() and not found[13:20].any()


def test_a_gap_narrower_than_a_dot_breaks_it_too() -> None:
    y = np.r_[np.full(5100, 0.0), np.nan, np.full(4900, 1.0)]
    found = dots(render([curve(y)], View(y_range=(0, 1)), *BARE))
    assert found[0].any() and found[-1].any() and not found[1:-1].any()


def test_a_point_between_gaps_is_a_dot() -> None:
    assert dots(render([curve([None, 1, None, 2, None])], View(), *BARE)).sum() == 2


@pytest.mark.parametrize("y", [[3.0], [0.0], [3.0] * 50, [-1e-300, 1e-300], [1e299, -1e299]])
@pytest.mark.parametrize("log", [False, True])
def test_a_single_point_or_a_constant_is_drawn_in_the_middle(y: list[float], log: bool) -> None:
    picture = render([curve(y, range(1, len(y) + 1))], View(y_log=log, x_log=log), 40, 10)
    assert dots(picture).any() or (log and min(y) <= 0)


@pytest.mark.parametrize("curves", [[], [curve([])], [curve([None, None])], [curve([None]), curve([])]])
@pytest.mark.parametrize("log", [False, True])
def test_without_data_it_says_so(curves: list[Curve], log: bool) -> None:
    picture = render(curves, View(x_log=log, y_log=log, empty="no evaluation yet"), 40, 9)
    assert "no evaluation yet" in "\n".join(text(picture)) and picture.x_scale is None
    assert picture.crossed(3, []) is picture


def test_what_a_logarithmic_axis_cannot_show_is_dropped_and_counted() -> None:
    picture = render([curve([-1, 0, 1, 10, 100])], View(y_log=True), 40, 12)
    assert picture.dropped == 2 and picture.y_scale is not None and picture.y_scale.low > 0
    assert render([curve([-1, 0])], View(y_log=True), 40, 12).x_scale is None


def test_a_power_law_is_straight_on_two_logarithmic_axes() -> None:
    x = np.arange(1, 10_001, dtype=float)
    picture = render([Curve(x, 10 * x**-0.5)], View(x_log=True, y_log=True), *BARE)
    rows = [int(np.flatnonzero(column).mean().round()) for column in dots(picture).T if column.any()]
    assert np.abs(np.array(rows) - np.linspace(rows[0], rows[-1], len(rows))).max() < 1.5


@pytest.mark.parametrize(
    "values", [[1.0, 2, 3], [1e299, -1e299, 3], [None, 1e-300, 5], [float("inf"), float("nan"), -float("inf"), 1]]
)
@pytest.mark.parametrize(("x_log", "y_log"), [*itertools.product([False, True], repeat=2)])
def test_it_is_drawn_at_any_size(values: list[float | None], x_log: bool, y_log: bool) -> None:
    one = curve(values, label="train", letter="a", points=True)
    for width, height in itertools.product([0, 1, 2, 3, 17, 18, 19, 36, 240], [0, 1, 2, 4, 5, 6, 60]):
        picture = render([one, curve(values, dash=3)], View(x_log=x_log, y_log=y_log, x_unit="steps"), width, height)
        lines = text(picture.crossed(1, readings([one], 1)))
        assert len(lines) == max(1, height) and {len(line) for line in lines} == {max(1, width)}


def test_axes_have_ticks_where_the_values_are() -> None:
    lines = text(render([curve([0, 100], [0, 8000])], View(x_unit="steps"), 60, 14))
    assert [line.split("┤")[0].strip() for line in lines if "┤" in line] == ["100", "50", "0"]
    assert lines[-1].split()[:2] == ["0", "1K"] and lines[-1].endswith("steps")
    for label in ("0", "1K", "4K"):
        at = lines[-1].index(label)
        assert "┬" in lines[-2][at : at + len(label)]


def test_the_line_passes_its_tick() -> None:
    lines = text(render([curve([20, 20, 20, 60], [0, 1, 2, 3])], View(y_range=(0, 60)), 60, 23))
    row = next(line for line in lines if line.startswith("20 ┤"))
    assert any("\u2800" < letter < "\u28ff" for letter in row)


def test_colliding_curves_show_the_front_one() -> None:
    picture = render([curve([1, 1], colour=0), curve([1, 1], colour=1)], View(), *BARE)
    assert not dots(picture, colour_of(0)).any() and dots(picture, colour_of(1)).any()


def test_curves_differ_without_colour() -> None:
    drawn = []
    for dash in range(4):
        drawn.append(dots(render([curve([1, 1], dash=dash)], View(), *BARE)).any(axis=0).tolist())
    assert all(one != other for one, other in itertools.combinations(drawn, 2))
    letters = [curve([5, 5], letter="a"), curve([5, 5], letter="b", colour=1), curve([1], [0], letter="c", colour=2)]
    shown = "\n".join(text(render(letters, View(), 60, 12)))
    assert all(letter in shown for letter in "abc")


def test_points_are_marked_but_not_closer_than_can_be_told_apart() -> None:
    few = "".join(text(render([curve([1, 2, 3], points=True)], View(), 60, 12)))
    many = "".join(text(render([curve(range(1000), points=True)], View(), 60, 12)))
    assert few.count("•") == 3 and 5 < many.count("•") <= 15


def test_a_mark_stands_on_the_axis_at_its_step() -> None:
    lines = text(render([curve([1, 2], [0, 100])], View(marks=((50, "◆"), (200, "◇"))), 60, 12))
    assert "◇" not in "".join(lines)
    assert 0.45 < (lines[-2].index("◆") - lines[-2].index("└")) / (60 - lines[-2].index("└")) < 0.55


def test_a_zoomed_line_goes_on_to_both_edges() -> None:
    found = dots(render([curve([0, 10], [0, 1000])], View(x_range=(400, 600), y_range=(0, 10)), *BARE))
    assert [np.flatnonzero(column).tolist() for column in found.T[[0, -1]]] == [[9], [6]]
    assert found.any(axis=0).all()


def test_zooming_thins_anew_and_fits_y_to_what_is_seen() -> None:
    y = np.r_[np.full(50_000, 100.0), 1 + np.arange(50_000) % 2]
    picture = render([curve(y)], View(x_range=(60_000, 60_020)), 60, 12)
    assert picture.y_scale is not None and picture.y_scale.high < 3
    assert dots(picture).any(axis=0).all()


def test_a_range_without_points_shows_the_line_that_crosses_it() -> None:
    assert dots(render([curve([1, 2])], View(x_range=(0.4, 0.6)), 60, 12)).any(axis=0).all()
    assert not dots(render([curve([1, 2])], View(x_range=(5, 6)), 60, 12)).any()


def test_the_cross_hair_reads_each_named_curve_where_it_is_nearest() -> None:
    curves = [
        curve([1, 2, None, 4], label="train", colour=0),
        curve([7, 8], [0, 3], label="validation", colour=1),
        curve([9, 9], faded=True),
        curve([None], label="nothing"),
    ]
    found = [(each.label, each.x, each.y) for each in readings(curves, 1.9)]
    assert found == [("train", 1, 2), ("validation", 3, 8)]
    picture = render(curves, View(), 60, 12)
    crossed = picture.crossed(1.9, readings(curves, 1.9))
    assert "".join(text(crossed)).count("●") == 2 and "●" not in "".join(text(picture))
    columns = np.flatnonzero((crossed.colours == CROSSHAIR).any(axis=0))
    assert len(columns) == 1


def test_the_cross_hair_moves_by_pixels_and_stays_inside() -> None:
    picture = render([curve(range(1000))], View(), 60, 12)
    x = picture.moved(500, 1)
    assert picture.x_scale is not None and x - 500 == pytest.approx(999 / (2 * picture.plot.width - 1))
    assert picture.moved(x, -1) == pytest.approx(500) and picture.moved(500, 10_000) == 999
    assert picture.share_at(picture.plot.left) == 0 and picture.share_at(0) < 0


def test_the_axis_covers_all_and_begins_at_zero_where_the_data_begin_near_it() -> None:
    scale = full_scale([curve([1, 1], [1, 100]), curve([1, None], [50, 900])], View())
    assert scale is not None and (scale.low, scale.high) == (0, 100)
    scale = full_scale([curve([1, 1], [80, 100])], View())
    assert scale is not None and scale.low == 80
    assert full_scale([], View()) is None


def test_values_that_must_be_seen_are() -> None:
    scale = render([curve([90, 95])], View(shown=(0, 100)), 60, 12).y_scale
    assert scale is not None and scale.low == 0 and scale.high >= 100


def test_a_dimmed_curve_has_a_colour_of_its_own_and_axes_too() -> None:
    assert len({colour_of(number, faded) for number in range(8) for faded in (False, True)} | {AXIS}) == 17


@pytest.mark.parametrize("x_log", [False, True])
@pytest.mark.parametrize("seconds", [50.0, 125.0, 150.0, 7_300.0, 400_000.0])
def test_times_are_written_in_the_unit_that_the_axis_names(seconds: float, x_log: bool) -> None:
    """Where the last tick stands at less than the end of the axis, both still count in the same unit."""
    one = Curve(np.array([1.0, seconds]), np.array([1.0, 2.0]))
    last = text(render([one], View(x_kind="seconds", x_log=x_log), 80, 14))[-1].split()
    factor = {"s": 1, "min": 60, "h": 3600, "days": 86400}[last[-1]]
    largest, _, rest = last[-2].partition(":")
    assert 0.15 * seconds < factor * (float(largest) + float(rest or 0) / 60) <= 1.1 * seconds


def test_a_ceiling_cuts_what_tells_nothing_unless_all_of_it_lies_there() -> None:
    scale = render([curve([1e27, 100, 50])], View(y_log=True, y_ceiling=1e6), 60, 14).y_scale
    assert scale is not None and 50 < scale.high < 1e7
    scale = render([curve([1e27, 1e26])], View(y_log=True, y_ceiling=1e6), 60, 14).y_scale
    assert scale is not None and scale.high > 1e26
