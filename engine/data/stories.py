"""The built-in corpus: as many distinct stories as asked for, the same ones every time."""

import hashlib
import importlib
import random
from collections.abc import Callable, Iterator

from engine.contract.errors import UserError, nearest

# What a grammar module exports: one story from a random state.
Tell = Callable[[random.Random], str]

LANGUAGES = ("english", "arabic")

# So many repeats in a row mean that nearly every story of the grammar has been told.
MAX_REPEATS = 1_000


def stories(language: str, count: int, seed: int = 0) -> Iterator[str]:
    """`count` distinct stories in this language. A longer corpus of the same seed begins with a shorter one.

    Remembers 8 bytes a story, not the story. Raises UserError where the language is unknown, or where its
    grammar has fewer stories than asked for.
    """
    if language not in LANGUAGES:
        near = nearest(language, LANGUAGES)
        hint = f" Did you mean {near!r}?" if near else ""
        known = " or ".join(LANGUAGES)
        raise UserError(f"data.language: {language!r} is not a built-in language; want {known}.{hint}")
    tell: Tell = importlib.import_module(f"engine.data.grammar_{language}").tell
    return _distinct(tell, count, random.Random(f"{language} {seed}"), language)


def _distinct(tell: Tell, count: int, rng: random.Random, language: str) -> Iterator[str]:
    """The first `count` different stories that `tell` tells."""
    seen: set[bytes] = set()
    repeats = 0
    while len(seen) < count:
        story = tell(rng)
        fingerprint = hashlib.blake2b(story.encode(), digest_size=8).digest()
        if fingerprint not in seen:
            seen.add(fingerprint)
            repeats = 0
            yield story
            continue
        repeats += 1
        if repeats == MAX_REPEATS:
            raise UserError(
                f"data.stories: {count} asked for, but the {language} grammar has only about {len(seen)}; "
                f"ask for {len(seen)} or fewer."
            )
