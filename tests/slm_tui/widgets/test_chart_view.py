"""A chart as a person walks through it: every key, the mouse, a run that grows, any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from engine.contract.events import Eval, Step
from slm_tui.charts.chart import CROSSHAIR
from slm_tui.charts.overlay import ChartOptions, Source
from slm_tui.charts.series import METRICS, RunSeries
from slm_tui.keys import KEYS
from slm_tui.themes import THEMES
from slm_tui.widgets.chart_view import ChartView

N = 1000


def steps(first: int, last: int) -> list[Step | Eval]:
    made: list[Step | Eval] = []
    for number in range(first, last):
        loss = 1 + 9 / (1 + number)
        made.append(Step(step=number, loss=loss, lr=1e-3, grad_norm=1.0, tokens=number * 100, t=1e6 + number))
        if number % 100 == 0:
            made.append(Eval(step=number, train_loss=2, val_loss=3, bits_per_byte=1, best=True, t=1e6 + number))
    return made


class Charted(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.run_series = RunSeries()
        self.told: list[object] = []
        self.backs = 0

    def compose(self) -> ComposeResult:
        yield ChartView(METRICS["loss"], id="loss")
        yield ChartView(METRICS["lr"], id="lr")

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.chart.focus()
        self.bind("escape", "back_out")

    def action_back_out(self) -> None:
        self.backs += 1

    @property
    def chart(self) -> ChartView:
        return self.query_one("#loss", ChartView)

    def show(self) -> None:
        for chart in self.query(ChartView):
            chart.show([Source("run", self.run_series)])

    def grow(self, first: int, last: int) -> None:
        self.run_series.apply(steps(first, last))
        self.show()

    def on_chart_view_options_changed(self, message: ChartView.OptionsChanged) -> None:
        self.told.append(message.options)

    def on_chart_view_crosshair_moved(self, message: ChartView.CrosshairMoved) -> None:
        self.told.append(message.x)

    def on_chart_view_full_screen_toggled(self, message: ChartView.FullScreenToggled) -> None:
        self.told.append(message.chart.id)


@asynccontextmanager
async def charted(size: tuple[int, int] = (80, 40), points: int = N) -> AsyncIterator[Pilot[None]]:
    app = Charted()
    async with app.run_test(size=size) as pilot:
        app.grow(0, points)
        await pilot.pause()
        yield pilot


def chart_of(pilot: Pilot[None]) -> ChartView:
    assert isinstance(pilot.app, Charted)
    return pilot.app.chart


def told(pilot: Pilot[None]) -> list[object]:
    assert isinstance(pilot.app, Charted)
    return pilot.app.told


def lines(pilot: Pilot[None]) -> list[str]:
    chart = chart_of(pilot)
    return [chart.render_line(y).text for y in range(chart.size.height)]


def ends(pilot: Pilot[None]) -> tuple[float, float]:
    """What the x axis spans."""
    scale = chart_of(pilot)._picture().x_scale
    assert scale is not None
    return scale.low, scale.high


async def test_it_says_what_it_shows_and_the_newest_values() -> None:
    async with charted() as pilot:
        found = lines(pilot)
        assert found[0].startswith("loss  nats/token · log")
        assert found[0].endswith("─ train 1.009   • validation 3.000")
        assert found[-1].rstrip().endswith("steps")


async def test_without_a_step_it_says_so() -> None:
    async with charted(points=0) as pilot:
        assert "no step yet" in "\n".join(lines(pilot))
        for key in ("left", "home", "plus", "minus", "left_square_bracket", "0", "y", "X"):
            await pilot.press(key)
        assert "no step yet" in "\n".join(lines(pilot))


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("y", ChartOptions(y_log=False)),
        ("X", ChartOptions(x_log=True)),
        ("a", ChartOptions(axis="tokens")),
        ("w", ChartOptions(smoothing=0.6)),
    ],
)
async def test_a_key_changes_how_it_is_drawn_and_says_so(key: str, wanted: ChartOptions) -> None:
    async with charted() as pilot:
        before = lines(pilot)
        await pilot.press(key)
        assert chart_of(pilot).options == wanted and told(pilot) == [wanted]
        assert lines(pilot) != before


@pytest.mark.parametrize(("key", "times"), [("y", 2), ("X", 2), ("a", 3), ("w", 4)])
async def test_the_options_come_round_again(key: str, times: int) -> None:
    async with charted() as pilot:
        before = lines(pilot)
        await pilot.press(*[key] * times)
        assert lines(pilot) == before


@pytest.mark.parametrize("keys", [("left", "right"), ("h", "l"), ("shift+left", "shift+right"), ("H", "L")])
async def test_the_cross_hair_goes_left_and_right(keys: tuple[str, str]) -> None:
    async with charted() as pilot:
        chart, (left, right) = chart_of(pilot), keys
        await pilot.press("left")
        assert chart.crosshair == N - 1  # it comes out at the newest point
        await pilot.press(left)
        there = chart.crosshair
        assert there is not None and there < N - 1
        await pilot.press(left, right)
        assert chart.crosshair == pytest.approx(there)
        assert told(pilot) == [N - 1, there, *told(pilot)[2:]] and len(told(pilot)) == 4


async def test_home_and_end_are_the_first_and_the_last_point() -> None:
    async with charted() as pilot:
        await pilot.press("home")
        assert chart_of(pilot).crosshair == 0
        assert lines(pilot)[0].startswith("loss  step 0 ") and "train 10.000" in lines(pilot)[0]
        await pilot.press("end")
        assert chart_of(pilot).crosshair == N - 1 and "train 1.009" in lines(pilot)[0]


async def test_the_cross_hair_of_another_chart_is_drawn_without_a_word() -> None:
    async with charted() as pilot:
        chart_of(pilot).set_crosshair(500)
        await pilot.pause()
        assert "step 500" in lines(pilot)[0] and told(pilot) == []
        assert CROSSHAIR in {
            colour for line in chart_of(pilot)._picture().crossed(500, []).lines() for _, colour in line
        }


@pytest.mark.parametrize("key", ["plus", "equals_sign"])
async def test_zoom_goes_in_around_the_middle_and_out_again(key: str) -> None:
    async with charted() as pilot:
        await pilot.press(key)
        assert ends(pilot) == (pytest.approx((N - 1) / 4), pytest.approx((N - 1) * 3 / 4))
        await pilot.press("minus")
        assert ends(pilot) == (0, N - 1)


async def test_zoom_keeps_the_cross_hair_where_it_is() -> None:
    async with charted() as pilot:
        await pilot.press("home", "plus", "plus")
        assert ends(pilot) == (0, pytest.approx((N - 1) / 4))


async def test_zoom_ends_where_no_line_would_be_left() -> None:
    async with charted() as pilot:
        await pilot.press(*["plus"] * 40)
        low, high = ends(pilot)
        assert 1 <= high - low < 10


async def test_a_zoomed_chart_is_panned_to_its_ends_and_no_further() -> None:
    async with charted() as pilot:
        await pilot.press("plus", "right_square_bracket")
        assert ends(pilot)[0] == pytest.approx((N - 1) * 3 / 8)
        await pilot.press(*["right_square_bracket"] * 9)
        assert ends(pilot)[1] == pytest.approx(N - 1)
        await pilot.press(*["left_square_bracket"] * 20)
        assert ends(pilot)[0] == pytest.approx(0)


async def test_a_whole_chart_follows_the_run_and_a_zoomed_one_stays_until_reset() -> None:
    async with charted() as pilot:
        assert isinstance(pilot.app, Charted)
        pilot.app.grow(N, 2 * N)
        await pilot.pause()
        assert ends(pilot) == (0, 2 * N - 1)
        await pilot.press("plus")
        zoomed = ends(pilot)
        pilot.app.grow(2 * N, 3 * N)
        await pilot.pause()
        assert ends(pilot) == zoomed
        await pilot.press("0")
        assert ends(pilot) == (0, 3 * N - 1)


async def test_escape_puts_away_the_cross_hair_then_the_zoom_and_then_is_the_screens() -> None:
    async with charted() as pilot:
        assert isinstance(pilot.app, Charted)
        await pilot.press("home", "plus", "escape")
        assert chart_of(pilot).crosshair is None and ends(pilot)[1] < N - 1 and told(pilot) == [0, None]
        await pilot.press("escape")
        assert ends(pilot)[1] == N - 1 and pilot.app.backs == 0
        await pilot.press("escape")
        assert pilot.app.backs == 1


async def test_another_axis_puts_away_what_was_meant_for_the_last_one() -> None:
    async with charted() as pilot:
        await pilot.press("home", "plus", "a")
        assert chart_of(pilot).crosshair is None and ends(pilot) == (0, (N - 1) * 100)


async def test_full_screen_is_asked_for() -> None:
    async with charted() as pilot:
        await pilot.press("f")
        assert told(pilot) == ["loss"]


def test_every_key_of_the_table_is_tried_above() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for key in KEYS["chart"]:
        assert all(f'"{name}"' in source for name in key.keys.split(",")), key


async def test_the_mouse_brings_the_cross_hair_and_takes_it_along() -> None:
    async with charted() as pilot:
        await pilot.hover("#loss", offset=(40, 8))
        x = chart_of(pilot).crosshair
        assert x is not None and N * 0.4 < x < N * 0.6
        await pilot.hover("#lr", offset=(40, 8))
        assert chart_of(pilot).crosshair is None


async def test_the_wheel_zooms_the_chart_that_has_the_focus_around_the_pointer() -> None:
    async with charted() as pilot:
        chart = chart_of(pilot)
        left = chart._picture().plot.left

        def wheel(kind: type[events.MouseEvent]) -> events.MouseEvent:
            return kind(chart, left, 8, 0, 0, 0, False, False, False, left, 8)

        chart.post_message(wheel(events.MouseScrollUp))
        await pilot.pause()
        low, high = ends(pilot)
        assert low < N * 0.02 and high == pytest.approx(N / 2, rel=0.05)
        chart.post_message(wheel(events.MouseScrollDown))
        await pilot.pause()
        assert ends(pilot) == (0, N - 1)
        pilot.app.query_one("#lr").focus()
        await pilot.pause()
        chart.post_message(wheel(events.MouseScrollUp))
        await pilot.pause()
        assert ends(pilot) == (0, N - 1)


async def test_dragging_pans_and_a_double_click_shows_all() -> None:
    async with charted() as pilot:
        await pilot.press("plus")
        before = ends(pilot)
        await pilot.mouse_down("#loss", offset=(40, 8))
        await pilot.hover("#loss", offset=(30, 8))
        await pilot.mouse_up("#loss", offset=(30, 8))
        after = ends(pilot)
        assert after[0] > before[0] and after[1] - after[0] == pytest.approx(before[1] - before[0])
        await pilot.hover("#loss", offset=(50, 8))
        assert ends(pilot) == after  # let go
        await pilot.click("#loss", offset=(40, 8), times=2)
        assert ends(pilot) == (0, N - 1)


async def test_another_metric_is_drawn_in_its_own_way() -> None:
    async with charted() as pilot:
        await pilot.press("y")
        chart_of(pilot).metric = METRICS["lr"]
        await pilot.pause()
        assert lines(pilot)[0].startswith("learning rate") and "log" not in lines(pilot)[0]


@pytest.mark.parametrize("size", [(36, 16), (20, 5), (3, 2), (240, 70)])
async def test_it_fits_any_size(size: tuple[int, int]) -> None:
    async with charted() as pilot:
        await pilot.press("home", "right")
        await pilot.resize_terminal(*size)
        await pilot.pause()
        chart = chart_of(pilot)
        assert all(len(line) == chart.size.width for line in lines(pilot))


@pytest.mark.parametrize("theme", ["slm-dark", "slm-light", "ansi-dark", "textual-light"])
async def test_each_theme_has_its_colours(theme: str) -> None:
    async with charted() as pilot:
        pilot.app.theme = theme
        await pilot.press("w", "home")
        chart = chart_of(pilot)
        strips = [chart.render_line(y) for y in range(chart.size.height)]
        looks = {(segment.style.color, segment.style.dim) for strip in strips for segment in strip if segment.style}
        assert len(looks) >= 5
