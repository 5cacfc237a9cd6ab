"""Where each key of a TOML text stands, so that a problem can name its line.

tomli gives values without positions; this gives positions without values, for a text that tomli has accepted.
"""

from __future__ import annotations

import re

_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_HEADER = re.compile(r"[ \t]*\[{1,2}([^\[\]\n]+)\]{1,2}")
_PART = re.compile(r"""[\w-]+|"[^"\n]*"|'[^'\n]*'""")
_KEY = re.compile(r"""[ \t]*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*'))*)[ \t]*=""")

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each table header and key of a valid TOML text.

    Keys inside inline tables are not listed; look for the nearest listed parent.
    """
    lines: dict[KeyPath, int] = {}
    opened: dict[KeyPath, int] = {}  # tables that may have no line of their own
    table: KeyPath = ()
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        found: KeyPath = ()
        if header := _HEADER.match(text, position):
            found = table = _parts(header[1])
            position = header.end()
        elif key := _KEY.match(text, position):
            found = table + _parts(key[1])
            position = key.end()
        if found:
            lines.setdefault(found, line)
            for end in range(1, len(found)):  # a.b.c = 1 and [a.b.c] open a and a.b too
                opened.setdefault(found[:end], line)
        position = _end_of_statement(text, position)
    return opened | lines


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
