"""How an English story is put together: plots are scripts with choices, details fill their slots.

A script is told line by line:

    - One way to say it. | Another way.      a beat: one of its ways is said
    | A third way, on a line of its own.
    ? Said half of the time.                 an optional beat
    - @cried                                 the ways listed under SHARED["cried"]

and a blank line starts a new paragraph.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.builtin_stories.english.words import SHARED, SYNONYMS

# One entry of a word list: a word for the slot, or several slots that belong together.
Entry = str | Mapping[str, str]

_A_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeiou])")


class Beat(NamedTuple):
    """One step of a story and the ways to say it."""

    ways: tuple[str, ...]
    optional: bool


class Plot:
    """A script and the word lists that fill its slots, chosen in order: later ones may use earlier ones."""

    def __init__(self, script: str, **details: Sequence[Entry]) -> None:
        self.details = details
        self.paragraphs = [_parse(paragraph) for paragraph in script.strip().split("\n\n")]


class Slots(dict[str, str]):
    """Slot values for `str.format_map`. `{He}` is `{he}` capitalised; a slot that was not set is chosen
    afresh from SYNONYMS at each use."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng

    def __missing__(self, key: str) -> str:
        lower = key[0].lower() + key[1:]
        if lower == key:
            return self.rng.choice(SYNONYMS[key])
        value = self[lower]
        return value[0].upper() + value[1:]

    def choose(self, **details: Sequence[Entry]) -> None:
        """Choose one entry for each slot. An entry that is a mapping sets a slot for each of its keys."""
        for slot, entries in details.items():
            entry = self.rng.choice(entries)
            values = {slot: entry} if isinstance(entry, str) else entry
            for name, template in values.items():
                self[name] = template.format_map(self)


def narrate(plot: Plot, slots: Slots) -> str:
    """The plot told once with these slots and its own details: a paragraph a line."""
    slots.choose(**plot.details)
    rng = slots.rng
    paragraphs = []
    for beats in plot.paragraphs:
        said = [rng.choice(beat.ways) for beat in beats if not beat.optional or rng.random() < 0.5]
        paragraphs.append(" ".join(said).format_map(slots))
    return _A_BEFORE_VOWEL.sub(r"\1n ", "\n".join(paragraphs))


def _parse(paragraph: str) -> tuple[Beat, ...]:
    """A script's lines as beats."""
    beats: list[Beat] = []
    for line in paragraph.strip().splitlines():
        mark, ways = line[0], _ways(line[1:])
        if mark == "|":
            beats[-1] = Beat(beats[-1].ways + ways, beats[-1].optional)
        else:
            beats.append(Beat(ways, optional=mark == "?"))
    return tuple(beats)


def _ways(line: str) -> tuple[str, ...]:
    """The ways on one line, shared ones looked up."""
    ways: tuple[str, ...] = ()
    for way in (part.strip() for part in line.split("|")):
        ways += SHARED[way[1:]] if way.startswith("@") else (way,)
    return ways
