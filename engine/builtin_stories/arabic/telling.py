"""How an Arabic story is put together: scripts of sentences with slots, and words that agree in gender.

A plot casts its characters and things, then tells a script. In a script, a line is a beat of the story, and

    | line           is another way to tell the beat above
    ? line           is a beat left out of every second story
    an empty line    begins a new paragraph

In a line,

    {hero} {place}   a slot: the name, word or phrase set for this story
    [word]           agrees with the hero
    <word>           agrees with the other character: a friend, or one of the family
    (word)           agrees with the thing that the story is about
    /word/           agrees with hero and other character together (the dual)

The word between the marks is the masculine form. So "[قال] {hero}" tells "قال خالد" of the boy Khalid
and "قالت ليلى" of the girl Layla; "[ساعد]<ه>" is "he helped him", "she helped him", and so on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from engine.builtin_stories.arabic.agreement import feminine
from engine.builtin_stories.arabic.words import (
    ANY_STORY,
    BOYS,
    DIPTOTES,
    FEMALE_ANIMAL_NAMES,
    FEMALE_ANIMALS,
    GIRLS,
    HOBBIES,
    HOMES,
    MALE_ANIMAL_NAMES,
    MALE_ANIMALS,
    MORNINGS,
    WILD_HOBBIES,
    WILD_HOMES,
    Kin,
)

T = TypeVar("T")
HERO, OTHER, THING, BOTH = "[", "<", "(", "/"
_MARKED = re.compile(r"([\[<(/])([^\]>)/]+)[\]>)/]")


def accusative(phrase: str) -> str:
    """An indefinite noun, with or without adjectives, in the accusative: كتاب صغير -> كتابًا صغيرًا."""
    return " ".join(word if word.endswith(("ة", "اء")) or word in DIPTOTES else word + "ًا" for word in phrase.split())


def possessed(noun: str) -> str:
    """The noun as it stands before a possessive pronoun: كرة -> كرت (in كرته)."""
    return noun[:-1] + "ت" if noun.endswith("ة") else noun


@dataclass
class Beat:
    """One step of a script: the ways to tell it, and whether it may be left out."""

    alternatives: list[str]
    optional: bool


@cache
def _parse(script: str) -> list[list[Beat]]:
    """The beats of each paragraph."""
    paragraphs: list[list[Beat]] = [[]]
    for line in script.strip().splitlines():
        mark, text = (line[0], line[2:]) if line.startswith(("| ", "? ")) else ("", line)
        if not text:
            paragraphs.append([])
        elif mark == "|":
            paragraphs[-1][-1].alternatives.append(text)
        else:
            paragraphs[-1].append(Beat([text], optional=mark == "?"))
    return paragraphs


class Story:
    """One story while it is told: what fills the slots, and who is female."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._slots: dict[str, str] = {}
        self._female: dict[str, bool] = {}
        for slot, options in ANY_STORY.items():
            self._slots[slot] = self.pick(options)
        self._slots["opening"] = self._slots["old_opening"]
        if self.chance(0.2):
            self.set({"opening": self.pick(MORNINGS), "day": "في ذلك اليوم", "night": "في تلك الليلة"})

    # Choosing

    def pick(self, options: Sequence[T]) -> T:
        return self._rng.choice(options)

    def chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    # Casting

    def set(self, slots: Mapping[str, str]) -> None:
        self._slots.update(slots)

    def child(self) -> None:
        """Cast a girl or a boy as the hero."""
        female = self.chance(0.5)
        noun = self.pick(("بنت", "طفلة") if female else ("ولد", "طفل"))
        self._cast_hero(self.pick(GIRLS if female else BOYS), noun, female)
        self.set({"home": self.pick(HOMES), "hobby": self.pick(HOBBIES)})

    def animal(self, males: Sequence[str] = MALE_ANIMALS, females: Sequence[str] = FEMALE_ANIMALS) -> None:
        """Cast a young animal with a name, of one of these kinds, as the hero."""
        female = self.chance(0.5)
        name = self.pick(FEMALE_ANIMAL_NAMES if female else MALE_ANIMAL_NAMES)
        self._cast_hero(name, self.pick(females if female else males), female)
        self.set({"home": self.pick(WILD_HOMES), "hobby": self.pick(WILD_HOBBIES)})

    def _cast_hero(self, name: str, noun: str, female: bool) -> None:
        self._female[HERO] = female
        kind = noun + (" صغيرة" if female else " صغير")
        self.set({"hero": name, "noun": noun, "kind": kind, "a_kind": accusative(kind)})

    def friend(self) -> None:
        """Cast another child as the other character."""
        female = self.chance(0.5)
        self._cast_friend(GIRLS if female else BOYS, female)

    def animal_friend(self, males: Sequence[str], females: Sequence[str]) -> None:
        """Cast another animal, of one of these kinds but not the hero's, as the other character."""
        female = self.chance(0.5)
        names = FEMALE_ANIMAL_NAMES if female else MALE_ANIMAL_NAMES
        kind = self.pick([kind for kind in (females if female else males) if kind != self._slots["noun"]])
        self.set({"friend_kind": kind, "a_friend": accusative(kind), "the_friend": "ال" + kind})
        self._cast_friend(names, female)

    def _cast_friend(self, names: Sequence[str], female: bool) -> None:
        self._female[OTHER] = female
        self._female[BOTH] = female and self._female[HERO]
        self.set({"friend": self.pick([name for name in names if name != self._slots["hero"]])})

    def kin(self, members: Sequence[Kin]) -> None:
        """Cast one of the hero's family as the other character."""
        kin = self.pick(members)
        self._female[OTHER] = kin.female
        self._female[BOTH] = kin.female and self._female[HERO]
        stems = {"kin": kin.nominative, "kin_acc": kin.accusative, "kin_gen": kin.genitive}
        self.set({slot: stem + "[ه]" for slot, stem in stems.items()})
        self.set({"o_kin": kin.address, "my_kin": kin.address.removeprefix("يا ")})

    def thing(self, noun: str, looks: Sequence[tuple[str, str]]) -> None:
        """Cast a thing (or a nameless animal) with a look: كرة حمراء."""
        female = noun.endswith("ة")
        look = self.pick(looks)[female]
        self._female[THING] = female
        self.set({"thing": noun, "a_thing": accusative(noun), "the_thing": "ال" + noun})
        self.set({"look": look, "a_look": accusative(look), "the_look": "ال" + look})
        self.set({"his_thing": possessed(noun) + "[ه]", "my_thing": possessed(noun) + "ي"})

    # Telling

    def tell(self, script: str) -> str:
        """The text of one telling of the script: beats chosen, slots filled, words agreeing."""
        paragraphs = [self._sentences(beats) for beats in _parse(script)]
        text = "\n".join(" ".join(sentences) for sentences in paragraphs)
        while "{" in text:  # a slot may hold a phrase with slots
            text = text.format_map(self._slots)
        return _MARKED.sub(self._agree, text)

    def _sentences(self, beats: list[Beat]) -> list[str]:
        told = [beat for beat in beats if not beat.optional or self.chance(0.5)]
        return [self.pick(beat.alternatives) for beat in told]

    def _agree(self, match: re.Match[str]) -> str:
        mark, word = match.groups()
        return feminine(word) if self._female[mark] else word
