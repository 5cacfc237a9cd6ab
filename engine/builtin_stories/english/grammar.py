"""The English story grammar: who a story is about, how it opens, and which plot it follows.

`python -m engine.builtin_stories.english.grammar 5` prints five stories.
"""

import random
import sys

from engine.builtin_stories.english import days, friends, things
from engine.builtin_stories.english.story import Plot, Slots, narrate
from engine.builtin_stories.english.words import (
    ANIMAL_HOMES,
    ANIMALS,
    CHILD_HOMES,
    CHILDREN,
    DAYS,
    JOYS,
    PARENTS,
    SIZES,
    TRAITS,
)

PLOTS = things.PLOTS + days.PLOTS + friends.PLOTS

MAX_WORDS = 150

# One hero in three is an animal, and then so is the friend.
ANIMAL_SHARE = 1 / 3

OPENING = Plot(
    """
- Once upon a time, there was a {size} {kind} named {hero}. | Once there was a {trait} {kind} called {hero}.
| {hero} was a {size} {kind} who lived {home}. | There was once a {size} {kind}. {His} name was {hero}.
| A {trait} {kind} named {hero} lived {home}. | {hero} was a {trait} {kind}.
| {hero} was a {trait} little {kind}.
| Once upon a time, a {size} {kind} named {hero} lived {home} with {his} {parent}.
| {hero} and {his} {parent} lived {home}. {hero} was a {trait} {kind}.
? {hero} loved to {dance}. | {He} loved to {dance}. | {He} liked to {dance} all day.
| {hero} liked to {dance} and play.
""",
    size=SIZES,
    trait=TRAITS,
    joy=JOYS,
    parent=PARENTS,
    one_day=DAYS,
)


def tell(rng: random.Random) -> str:
    """One story of 70 to 150 words in three or four paragraphs, a paragraph a line."""
    while True:  # about one telling in forty is too long
        slots = Slots(rng)
        _cast(slots)
        story = f"{narrate(OPENING, slots)} {narrate(rng.choice(PLOTS), slots)}"
        if len(story.split()) <= MAX_WORDS:
            return story


def _cast(slots: Slots) -> None:
    """Set the slots of the hero and the friend: names, pronouns, what they are, where the hero lives."""
    hero, friend = slots.rng.sample(CHILDREN, 2)
    slots.update(hero, hero=hero["name"], friend=friend["name"], friend_kind=friend["kind"])
    slots.update(hand="hand", friend_full=friend["name"])
    slots.choose(home=CHILD_HOMES)
    if slots.rng.random() < ANIMAL_SHARE:
        kind, friend_kind = slots.rng.sample(ANIMALS, 2)
        slots.update(kind=kind, friend_kind=friend_kind, hand="paw")
        slots.update(friend_full=f"{friend['name']} the {friend_kind}")
        slots.choose(home=ANIMAL_HOMES)
    slots.choose(a_friend=("{his} friend {friend_full}",))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    told = random.Random()
    print("\n\n".join(tell(told) for _ in range(count)))
