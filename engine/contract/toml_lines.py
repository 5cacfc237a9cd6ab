"""Where each key of a TOML text stands, so that a problem can name its line.

tomli gives values without positions; this gives positions without values, for a text that tomli has accepted.
"""

from __future__ import annotations

import re

_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_HEADER = re.compile(r"[ \t]*\[{1,2}([^\[\]\n]+)\]{1,2}")
_KEY = re.compile(r"""[ \t]*((?:[\w-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*'))*)[ \t]*=""")

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of each table header and key of a valid TOML text.

    Keys inside inline tables are not listed; look for the nearest listed parent.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position = 0
    while position < len(text):
        line = text.count("\n", 0, position) + 1
        if header := _HEADER.match(text, position):
            table = _parts(header[1])
            lines.setdefault(table, line)
            position = header.end()
        elif key := _KEY.match(text, position):
            lines.setdefault(table + _parts(key[1]), line)
            position = key.end()
        position = _end_of_statement(text, position)
    return lines


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


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
