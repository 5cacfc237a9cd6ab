"""Who orders right-to-left text, as far as the environment tells."""

from __future__ import annotations

import pytest

from slm_tui.terminals import app_orders


@pytest.mark.parametrize(
    ("environment", "here"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, True),
        ({"TERM_PROGRAM": "vscode"}, True),
        ({"WT_SESSION": "c0ffee"}, True),
        ({"VTE_VERSION": "7600"}, True),
        ({"VTE_VERSION": "7600", "TERM": "tmux-256color", "TMUX": "/tmp/tmux-1/default,1,0"}, False),
        ({"VTE_VERSION": "5202", "TERM": "screen", "STY": "1.pts-0"}, True),
        ({"KONSOLE_VERSION": "230802"}, False),
        ({"MLTERM": "3.9.3"}, False),
        ({"TERM": "mlterm-256color"}, False),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM_PROGRAM": "tmux", "__CFBundleIdentifier": "com.apple.Terminal", "TMUX": "x"}, False),
        ({"TERM_PROGRAM": "iTerm.app", "__CFBundleIdentifier": "com.googlecode.iterm2"}, True),
        ({"TERM": "putty-256color"}, False),
    ],
)
def test_it_is_done_here_unless_the_terminal_always_does_it(environment: dict[str, str], here: bool) -> None:
    assert app_orders("auto", environment) is here


def test_a_setting_has_the_last_word() -> None:
    assert app_orders("app", {"KONSOLE_VERSION": "230802"})
    assert not app_orders("terminal", {"VTE_VERSION": "7600"})


def test_for_a_web_page_it_is_done_here_whatever_the_servers_terminal_does() -> None:
    page = {"KONSOLE_VERSION": "230802", "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}
    assert app_orders("auto", page) and app_orders("terminal", page)
