from __future__ import annotations

from collections.abc import Sequence

import pytest

from slm_tui.charts.legend import Entry, legend

ENTRIES = [Entry("─", "train", "1.716", 7), Entry("•", "validation", "1.822", 9)]


def line(width: int, notes: Sequence[str] = ("nats/token", "log"), entries: Sequence[Entry] = ENTRIES) -> str:
    return "".join(text for text, _ in legend(width, "loss", notes, entries))


@pytest.mark.parametrize(
    ("width", "wanted"),
    [
        (60, "loss  nats/token · log     ─ train 1.716   • validation 1.822"),
        (54, "loss  nats/token   ─ train 1.716   • validation 1.822"),
        (40, "loss     ─ train 1.716   • validation 1.822"),
        (30, "loss         ─ 1.716   • 1.822"),
        (17, "loss      ─ 1.716"),
        (9, "loss     "),
        (2, "lo"),
    ],
)
def test_the_least_important_goes_first(width: int, wanted: str) -> None:
    found = line(width)
    assert len(found) == width
    assert found.split() == wanted.split() if len(wanted) != width else found == wanted


def test_without_curves_the_title_stands_alone() -> None:
    assert line(20, [], []) == "loss".ljust(20)


def test_it_is_as_wide_as_asked_whatever_there_is_to_say() -> None:
    many = [Entry(letter, f"run-{letter}", "1.234", 7) for letter in "abcdefgh"]
    assert {len(line(width, entries=many)) - width for width in range(200)} == {0}


def test_a_curve_has_its_colour_on_its_mark_only() -> None:
    pieces = legend(60, "loss", [], ENTRIES)
    assert [text.strip() for text, colour in pieces if colour in (7, 9)] == ["─", "•"]
