"""Numbers, times and texts on one line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from slm_tui import formats


@pytest.mark.parametrize(
    ("number", "text"),
    [(950, "950"), (999.7, "1.0K"), (12_345, "12.3K"), (335_400_000, "335M"), (2e9, "2.0B"), (None, "–")],
)
def test_quantity_is_short(number: float | None, text: str) -> None:
    assert formats.quantity(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min"), (360_000, "4 d 4 h"), (None, "–")],
)
def test_duration_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(3, "now"), (61, "1 min"), (7300, "2 h"), (90_000, "1 d")])
def test_age_has_one_unit(seconds: float, text: str) -> None:
    assert formats.age(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(2.34567, "2.346"), (50_257.4, "50,257"), (math.inf, "inf"), (3e9, "3.0e+09")]
)
def test_decimal_keeps_the_size_of_large_numbers(number: float, text: str) -> None:
    assert formats.decimal(number) == text


@pytest.mark.parametrize(("number", "text"), [(999, "999 B"), (1.4e9, "1.4 GB"), (512e6, "512 MB")])
def test_size_in_decimal_units(number: float, text: str) -> None:
    assert formats.size(number) == text


def test_perplexity_of_a_hopeless_loss_is_infinite_and_no_error() -> None:
    assert formats.perplexity(1000.0) == math.inf
    assert formats.perplexity(math.log(50)) == pytest.approx(50)


def test_printable_takes_escape_sequences_out_and_leaves_text_alone() -> None:
    story = "كان\tيا\nما كان"
    assert formats.printable(story) == story
    assert "\x1b" not in formats.printable("a\x1b[2Jb\x9b1m\r\x07")


def test_nothing_turns_text_round_or_ends_a_line_unseen() -> None:
    assert formats.printable("good\u202elive\u2066") == "good\ufffdlive\ufffd"
    assert formats.one_line("a\u2028b\u202ec") == "a b c"


def test_shown_path_is_relative_inside_the_current_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert formats.shown_path(tmp_path / "runs" / "a") == "runs/a"
    assert formats.shown_path(tmp_path.parent / "b") == str(tmp_path.parent / "b")
