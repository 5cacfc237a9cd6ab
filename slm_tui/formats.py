"""Numbers, times and texts as a person reads them on one line of a terminal (pure)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

UNKNOWN = "–"
_LONGEST_LINE = 1_000  # characters
_BARS = "▁▂▃▄▅▆▇█"
UNSEEN = "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # end lines, turn text round
_CONTROLS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{UNSEEN}]")
_ONE_LINE_CONTROLS = re.compile(rf"[\x00-\x1f\x7f-\x9f{UNSEEN}]+")


def perplexity(loss: float) -> float:
    """exp of a loss in nats a token; infinite where that is beyond a float."""
    return math.exp(loss) if loss < 700 else math.inf


def quantity(number: float | None) -> str:
    """A large count in four characters or so: 950, 12.3K, 335M."""
    if number is None:
        return UNKNOWN
    for factor, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= factor * 0.9995:
            value = number / factor
            return f"{value:.0f}{letter}" if value >= 99.95 else f"{value:.1f}{letter}"
    return f"{number:.0f}"


def count(number: int | None) -> str:
    """Every digit, grouped: 1,228,800."""
    return UNKNOWN if number is None else f"{number:,}"


def decimal(number: float | None, places: int = 3) -> str:
    """A loss or a rate; large ones lose their places, not their size."""
    if number is None or math.isnan(number):
        return UNKNOWN
    if math.isinf(number):
        return "inf"
    return f"{number:.{places}f}" if abs(number) < 1000 else f"{number:,.0f}" if number < 1e7 else f"{number:.1e}"


def percent(share: float | None) -> str:
    """A share of 1: 7.5 %, 100 %."""
    if share is None:
        return UNKNOWN
    return f"{share * 100:.0f} %" if share >= 0.0995 or share == 0 else f"{share * 100:.1f} %"


def size(number: float | None) -> str:
    """Bytes: 512 MB, 1.4 GB."""
    if number is None:
        return UNKNOWN
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= factor:
            value = number / factor
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{number:.0f} B"


def duration(seconds: float | None) -> str:
    """A span of time: 48 s, 3 min 05 s, 2 h 07 min, 3 d 4 h."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def age(seconds: float | None) -> str:
    """How long ago, in its largest unit: 5 min, 3 h, 12 d."""
    if seconds is None:
        return UNKNOWN
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "now"


def sparkline(values: Sequence[float], width: int) -> str:
    """The course of `values` in at most `width` cells, lowest to highest; the last cell is the last value."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    count = min(width, len(finite))
    chosen = [finite[round(place * (len(finite) - 1) / (count - 1))] for place in range(count)]
    low, high = min(chosen), max(chosen)
    span = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in chosen)


def printable(text: str) -> str:
    """`text` without the control characters by which a model's output could drive the terminal."""
    return _CONTROLS.sub("\ufffd", text)


def excerpt(text: str, characters: int = 2_000) -> str:
    """`printable(text)`, cut where it is longer than a person would read, and laying it out would hold up the keys."""
    more = len(text) - characters
    return printable(text) if more <= 0 else f"{printable(text[:characters])} … ({count(more)} more characters)"


def counted(number: int, word: str) -> str:
    """'1 run', '1,200 runs'."""
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


def one_line(text: str) -> str:
    """`text` on one line, of which no terminal shows the end where it is endless."""
    return _ONE_LINE_CONTROLS.sub(" ", text[:_LONGEST_LINE]).strip()


def shown_path(path: Path) -> str:
    """`path` as a person in the current folder would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current folder is gone
        return os.fspath(path)


def explained(error: OSError) -> str:
    """What the system refused, and where, in words."""
    where = f"{shown_path(Path(str(error.filename)))}: " if error.filename else ""
    return f"{where}{(error.strerror or str(error)).lower()}"


def home_path(path: Path) -> str:
    """`path` in full, with ~ for the person's home."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # RuntimeError: there is no home
        return os.fspath(path)
