"""Colours of curves, told apart by every kind of colour vision, for dark and light backgrounds (pure).

After Okabe and Ito (2008), each moved in lightness until it stands out from its background by 3:1 or more (WCAG
2.2, graphics) and from the others also where one of the three kinds of cones is missing.
"""

from __future__ import annotations

DARK = ("#58b5f0", "#f0a33c", "#35c99b", "#e585bd", "#f3e65c", "#ea6a45", "#8a72f0", "#c9ccd6")
LIGHT = ("#0a66b7", "#b85c00", "#00805e", "#b03a83", "#5f4a00", "#b3281e", "#5b43c9", "#4d515c")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
FADED = 0.45  # how much of a colour is left of it behind another curve; the rest is background


def palette(dark: bool) -> tuple[str, ...]:
    """The colours, as #rrggbb, for a dark or a light background."""
    return DARK if dark else LIGHT


def letter(place: int) -> str:
    """What tells a run from others without its colour: a, b, … z, a2, b2, …"""
    again, of_alphabet = divmod(place, len(_LETTERS))
    return f"{_LETTERS[of_alphabet]}{again + 1 if again else ''}"
