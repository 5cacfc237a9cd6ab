"""Whose program is at the other end of a connection within this machine.

Loopback is shared by all users of a machine, and whoever opens the dashboard can run code as the one who serves it.
Linux tells the owner of every socket; where nobody tells, as on macOS, whoever is on the machine counts as its owner.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED = 1  # one that its program has closed has no owner any more


def is_strangers(peer_port: int, own_port: int) -> bool:
    """Whether the program that has `peer_port`, connected to our `own_port`, is another user's than this one or root,
    or gone."""
    tables = []
    for path in _TABLES:
        with suppress(OSError), open(path, encoding="ascii") as file:
            tables.append(file.read())
    return bool(tables) and not is_trusted("".join(tables), peer_port, own_port, {os.getuid(), 0})


def is_trusted(tables: str, peer_port: int, own_port: int, users: set[int]) -> bool:
    """Whether `tables`, in the form of Linux' /proc/net/tcp, have that connection, and only as one of these users'."""
    found = list(_ends(tables, peer_port, own_port))
    return bool(found) and all(state == _ESTABLISHED and user in users for state, user in found)


def _ends(tables: str, local: int, remote: int) -> Iterator[tuple[int, int]]:
    """State and owner of every socket from port `local` to port `remote`, whatever the addresses."""
    for line in tables.splitlines():
        fields = line.split()
        if fields[0] != "sl" and (_port(fields[1]), _port(fields[2])) == (local, remote):
            yield int(fields[3], 16), int(fields[7])


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
