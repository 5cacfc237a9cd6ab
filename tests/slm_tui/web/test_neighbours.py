"""Whose program is at the other end, by what Linux tells."""

from __future__ import annotations

import pytest

from slm_tui.web.neighbours import is_trusted

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: str, remote: str, state: str = "01", user: int = 1000) -> str:
    return (
        f"   1: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  {user}        0 8131842 1 0 20 4 30\n"
    )


HERE, THERE = "0100007F:9C40", "0100007F:1F40"  # ports 40,000 and 8,000
OURS = row(THERE, HERE, user=1000)  # the server's end


@pytest.mark.parametrize(
    ("rows", "trusted"),
    [
        (row(HERE, THERE), True),
        (row(HERE, THERE, user=0), True),  # root needs no page to run code
        (row(HERE, THERE, user=1001), False),
        (row(HERE, THERE, state="05", user=0), False),  # closed by whoever had it
        (row("0000000000000000FFFF00000100007F:9C40", "0000000000000000FFFF00000100007F:1F40"), True),
        (row("0200007F:9C40", THERE, user=1001) + row(HERE, THERE), False),  # one of the two
        (row("0100007F:9C41", THERE) + row(HERE, "0100007F:1F41"), False),
        ("", False),
    ],
)
def test_a_connection_is_trusted_if_it_is_ours_or_roots(rows: str, trusted: bool) -> None:
    assert is_trusted(HEAD + OURS + HEAD + rows, 40_000, 8_000, {1000, 0}) is trusted
