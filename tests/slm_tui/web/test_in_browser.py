"""The dashboard and the page of stories in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runs.run import Run
from engine.runs.workspace import Workspace

pytest.importorskip("textual_serve", reason="textual-serve is not installed: pip install 'slm-tui[web]'")

from web_pages import Visit, gone, served


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page in a window of its own."""
    contexts = []

    def open_page(url: str, width: int = 1280, height: int = 800, scheme: str = "dark") -> Visit:
        window = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=window, color_scheme=scheme, accept_downloads=True))
        return Visit(contexts[-1].new_page(), url)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def run(trained_workspace: Workspace) -> Run:
    return trained_workspace.list_runs("tiny")[0]


def test_the_dashboard_is_seen_and_heeds_keys_and_loads_nothing_from_elsewhere(
    trained_workspace: Workspace, opened: Callable[..., Visit]
) -> None:
    with served(trained_workspace.root) as server:
        visit = opened(server.url, height=1600)
        visit.sees("slm-tui", "tiny", "finished")
        visit.until(lambda: visit.inked() > 1000, "letters drawn")
        assert visit.page.title() == "slm-tui"
        visit.press("?")
        visit.sees("keys that work here", "Quit. Runs go on")
        assert "your terminal" not in visit.text and "$EDITOR" not in visit.text  # there is none
        visit.press("Escape")  # a key that came with it would be taken for one with alt
        visit.until(lambda: "keys that work here" not in visit.text, "way back")
        visit.press("Enter", "Enter")
        visit.sees("1 charts", "2 log")
        visit.press("q")
        visit.until(lambda: visit.page.get_by_text("slm-tui has ended").is_visible(), "the end")
        assert all(address.split("://")[1].startswith(f"{server.host}/") for address in visit.asked)
        assert [words for words in visit.said if words != "CLOSED" and not words.startswith("ping=")] == []


def test_a_prompt_becomes_a_story_to_take_along(
    trained_workspace: Workspace, run: Run, opened: Callable[..., Visit], tmp_path: Path
) -> None:
    with served(trained_workspace.root, "--stories", "tiny") as server:
        visit = opened(server.url)
        assert visit.page.title() == "Stories of tiny"
        visit.sees("tiny", "prompt", "ready, loaded")
        visit.page.keyboard.type("Once upon a time")
        visit.press("Enter")
        visit.sees("12 tokens", "Once upon a time")
        visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        visit.press("y")
        visit.sees("copied")
        clipboard = "navigator.clipboard.readText()"
        visit.until(lambda: visit.page.evaluate(clipboard) != "", "copy")  # which the browser makes when it has time
        copied = visit.page.evaluate(clipboard)
        assert copied.startswith("Once upon a time") and len(copied) > len("Once upon a time")
        with visit.page.expect_download() as download:
            visit.press("w")
        assert download.value.suggested_filename.startswith("tiny-")
        download.value.save_as(tmp_path / "taken.txt")
        assert copied in (tmp_path / "taken.txt").read_text(encoding="utf-8")
        visit.press("q", "Control+q", "Control+p", "Control+o", "Control+c", "g", "E", "b", "?")
        visit.sees("keys that work here", "esc: back")  # from the first line to the last
        assert "Quit" not in visit.text and "terminal" not in visit.text
        visit.press("Escape")
        visit.sees("12 tokens")
        offspring = server.offspring()
        assert len(offspring) == 2  # the app and what writes for it
        visit.page.close()
        gone(offspring)
    assert not (run.path / "stories.jsonl").exists()


def test_a_page_of_another_site_gets_no_websocket(trained_workspace: Workspace, opened: Callable[..., Visit]) -> None:
    attack = """(url) => new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
    })"""
    with served(trained_workspace.root) as server, served(trained_workspace.root, "--visitors", "1") as other:
        url = f"ws://{server.host}/ws/dark"
        ours = opened(server.url).page
        assert ours.evaluate(attack, f"{url}?width=80&height=24") == "open"
        theirs = opened(f"{other.url}/static/css/xterm.css").page  # a page without our policy, from another port
        assert theirs.evaluate(attack, f"{url}?width=80&height=24") == "refused"


def test_a_visitor_for_whom_there_is_no_place_is_told(
    trained_workspace: Workspace, opened: Callable[..., Visit]
) -> None:
    with served(trained_workspace.root, "--visitors", "1") as server:
        first = opened(server.url)
        first.sees("tiny")
        second = opened(server.url)
        assert second.response.status == 503
        assert second.page.get_by_text("Every place is taken").is_visible()
        first.page.close()
        gone(server.offspring())
        second.until(lambda: second.page.reload().status == 200, "a free place")
        second.sees("tiny")


def test_arabic_is_ordered_by_the_app_whatever_terminal_the_server_has(
    trained_workspace: Workspace, opened: Callable[..., Visit]
) -> None:
    with served(trained_workspace.root, "--stories", "tiny") as server:
        visit = opened(server.url)
        visit.sees("ready, loaded")
        visit.page.keyboard.insert_text("كان يا")
        visit.sees("ﺎﻳ ﻥﺎﻛ")


@pytest.mark.parametrize(("width", "scheme", "beside"), [(390, "light", False), (1280, "dark", True)])
def test_every_window_is_filled_in_the_browsers_scheme(
    trained_workspace: Workspace, opened: Callable[..., Visit], width: int, scheme: str, beside: bool
) -> None:
    with served(trained_workspace.root, "--stories", "tiny") as server:
        visit = opened(server.url, width, 800, scheme)
        visit.sees("tiny", "prompt", "ready, loaded")
        assert ("settings" in visit.text) is beside
        size = visit.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert size == [width, 800]
        drawn = visit.page.locator(".xterm-screen").bounding_box()
        assert drawn["width"] > width - 24 and drawn["height"] > 800 - 24  # less than a letter is left
        around = visit.page.locator(".xterm-viewport").evaluate("it => getComputedStyle(it).backgroundColor")
        page = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert around == page
