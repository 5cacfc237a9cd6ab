"""A log is shown, not obeyed, and costs no more than what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm_tui.log_tail import LogTail, shown_line


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train.log"


def read_all(tail: LogTail) -> list[str]:
    while tail.read():
        pass
    return list(tail.lines)


def test_lines_are_taken_in_as_they_come_also_half_ones(log: Path) -> None:
    tail = LogTail(log)
    assert not tail.read() and not tail.lines
    log.write_bytes(b"one\ntw")
    assert read_all(tail) == ["one", "tw"]
    with open(log, "ab") as file:
        file.write(b"o\nthree\n")
    assert read_all(tail) == ["one", "two", "three"]
    assert not tail.read()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_shrank_or_was_replaced_is_read_anew(log: Path, replaced: bool) -> None:
    log.write_bytes(b"one\ntwo\n")
    tail = LogTail(log)
    read_all(tail)
    if replaced:
        other = log.with_name("other")
        other.write_bytes(b"something else that is longer\n")
        other.replace(log)
    else:
        log.write_bytes(b"new\n")
    assert read_all(tail) == (["something else that is longer"] if replaced else ["new"])


def test_a_progress_bar_shows_what_it_left_standing() -> None:
    assert shown_line(b" 10%\r 50%\r100%\r") == "100%"


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert shown_line(b"\x1b[31mred\x1b[0m\x07\x00 [bold]") == "␛[31mred␛[0m␇␀ [bold]"
    assert "\x9b" not in shown_line("\x9b31m".encode())
    assert shown_line(b"caf\xe9") == "caf\ufffd"


def test_an_endless_line_is_cut_and_a_long_file_keeps_its_end(log: Path) -> None:
    assert len(shown_line(b"x" * 1_000_000)) <= 2_000 and shown_line(b"x" * 1_000_000).endswith("…")
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(30_000)))
    tail = LogTail(log)
    lines = read_all(tail)
    assert len(lines) == 10_000 and lines[-1] == "line 29999" and tail.skipped
    log.write_bytes(b"y" * 9_000_000)
    lines = read_all(LogTail(log))
    assert len(lines) == 1 and len(lines[0]) <= 2_000
