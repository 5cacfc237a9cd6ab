"""A report in a real browser: nothing runs, nothing is fetched, and it fits windows of any width in both schemes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runs.run import Run
from slm_tui.charts.overlay import ChartOptions
from slm_tui.report.page import write_report
from slm_tui.themes import DARK, LIGHT


@pytest.fixture
def report(told_run: Callable[..., Run], tmp_path: Path) -> Path:
    """A report of two runs with hostile and Arabic stories."""
    path = tmp_path / "report.html"
    write_report(path, [told_run(), told_run(1.5, rate="1e-3")], ChartOptions(smoothing=0.9))
    return path


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Callable[..., Any]]:
    """Opens the report in a window of this width and scheme; it may neither complain nor ask for anything else."""
    contexts, said, asked = [], [], []

    def open_page(width: int = 1280, scheme: str = "light") -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert set(asked) == {report.as_uri()}


def test_a_story_with_a_script_is_read_and_not_run(opened: Callable[..., Any], hostile: str) -> None:
    page = opened()
    assert page.title() == "2 runs compared"
    assert hostile in page.locator(".story").nth(0).inner_text()


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_page_is_never_wider_than_its_window(opened: Callable[..., Any], width: int) -> None:
    page = opened(width)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("width", "shown", "hidden"), [(390, "narrow", "wide"), (1280, "wide", "narrow")])
def test_the_chart_for_the_windows_width_is_shown(
    opened: Callable[..., Any], width: int, shown: str, hidden: str
) -> None:
    page = opened(width)
    assert [chart.is_visible() for chart in page.locator(f".chart.{shown}").all()] == [True, True]
    assert [chart.is_visible() for chart in page.locator(f".chart.{hidden}").all()] == [False, False]
    label = page.locator(f".chart.{shown} .tick").first
    assert label.bounding_box()["height"] >= 10  # pixels: it can be read


def test_each_scheme_has_the_dashboards_colours(opened: Callable[..., Any]) -> None:
    for scheme, theme in (("light", LIGHT), ("dark", DARK)):
        page = opened(scheme=scheme)
        found = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = bytes.fromhex((theme.background or "")[1:])
        assert found == f"rgb({red}, {green}, {blue})"


def test_arabic_stories_run_from_right_to_left(opened: Callable[..., Any]) -> None:
    page = opened()
    directions = [story.evaluate("it => getComputedStyle(it).direction") for story in page.locator(".story").all()]
    assert directions[:3] == ["ltr", "rtl", "ltr"]
