"""Where each key of a TOML text stands, so that a problem can name its line.

tomli gives values without positions; this gives positions without values, for a text that tomli has accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_HEADER = re.compile(r"[ \t]*(\[{1,2})([^\[\]\n]+)\]{1,2}")
_PART = re.compile(r"""[\w-]+|"[^"\n]*"|'[^'\n]*'""")
_KEY = re.compile(r"""[ \t]*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*'))*)[ \t]*=""")

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each table header and key of a valid TOML text.

    Keys inside inline tables are not listed; look for the nearest listed parent.
    """
    lines: dict[KeyPath, int] = {}
    opened: dict[KeyPath, int] = {}  # tables that may have no line of their own
    for path, line, _ in _statements(text):
        lines.setdefault(path, line)
        for end in range(1, len(path)):  # a.b.c = 1 and [a.b.c] open a and a.b too
            opened.setdefault(path[:end], line)
    return opened | lines


def given_twice(text: str) -> tuple[KeyPath, int, int] | None:
    """The first key or table that stands there a second time, and its two lines. Up to there the text must be valid."""
    lines: dict[KeyPath, int] = {}
    for path, line, is_entry in _statements(text):
        if is_entry:  # [[a]] begins a new table each time
            lines = {known: at for known, at in lines.items() if known[: len(path)] != path}
        elif path in lines:
            return path, lines[path], line
        lines[path] = line
    return None


def _statements(text: str) -> Iterator[tuple[KeyPath, int, bool]]:
    """Each header and key with its line; and whether it is a header of an array's entry, [[...]]."""
    table: KeyPath = ()
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        if header := _HEADER.match(text, position):
            table = _parts(header[2])
            yield table, line, header[1] == "[["
            position = header.end()
        elif key := _KEY.match(text, position):
            yield table + _parts(key[1]), line, False
            position = key.end()
        position = _end_of_statement(text, position)


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _end_of_statement(text: str, position: int) -> int:
    """Just past the newline that ends the value at `position`, over strings and open brackets."""
    depth = 0
    while position < len(text):
        skipped = _STRING.match(text, position) or _COMMENT.match(text, position)
        if skipped:
            position = skipped.end()
            continue
        character = text[position]
        position += 1
        depth += (character in "[{") - (character in "]}")
        if character == "\n" and depth <= 0:
            break
    return position
