"""The line by which a person sees whether Arabic reads correctly."""

from __future__ import annotations

import pytest
from pytest import CaptureFixture, MonkeyPatch

from slm_tui import doctor
from slm_tui.settings import Settings, save_settings, settings_file


def arabic() -> doctor.Check:
    return doctor.check_arabic()


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: MonkeyPatch) -> None:
    """None of the variables by which a terminal is known."""
    for variable in ("KONSOLE_VERSION", "MLTERM", "TERM_PROGRAM", "VTE_VERSION", "KITTY_WINDOW_ID", "TMUX", "STY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_sample_is_shown_as_stories_are_and_the_other_setting_is_named() -> None:
    check = arabic()
    assert check.detail.startswith("ﺎﻨﻟ ") and "(Salma)" in check.detail, "joined, and from right to left"
    assert check.advice is not None and 'bidi = "terminal"' in check.advice
    assert "press b" in check.advice and settings_file().name in check.advice


def test_what_the_terminal_orders_is_shown_as_it_is_written(monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setenv("KONSOLE_VERSION", "230802")
    check = arabic()
    assert check.detail.startswith("قالت ") and "Konsole" in check.detail
    assert check.advice is not None and 'bidi = "app"' in check.advice


def test_a_setting_is_obeyed_and_named() -> None:
    save_settings(Settings(bidi="terminal"))
    check = arabic()
    assert check.detail.startswith("قالت ") and '(bidi = "terminal")' in check.detail


def test_the_report_asks_whether_it_reads_correctly(capsys: CaptureFixture[str]) -> None:
    doctor.print_report(doctor.Report([arabic()], None))
    out = capsys.readouterr().out
    assert "Does it read correctly" in out and "\x1b[8l" not in out, "a file is no terminal"
