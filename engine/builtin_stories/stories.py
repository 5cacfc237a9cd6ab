"""The built-in corpus: as many distinct stories as asked for, the same ones every time."""

import hashlib
import importlib
import random
from collections.abc import Callable, Iterator

from engine.contract.errors import UserError, nearest

# What a grammar module exports: one story from a random state.
Tell = Callable[[random.Random], str]

LANGUAGES = ("english", "arabic")

# Stands for the stories that a grammar tells: prepared data are found by it, so a grammar that tells other stories
# gets another entry. These are the hashes of version 0.1.0's source files, which its prepared data were named by.
VERSIONS = {
    "english": (
        "75a5eb09171ef3ac0041d05412b03133", "ec9eacc8853e32fedee51464f09d41ba", "eda059a4074f1101b036d008cab37b6c",
        "fd14673c3418e62d8979e58f5f73a0a0", "3af1759f73bc7b7467c8fa0c0b0245af", "a4d149463b477b40d02aa684b7a229fa",
        "906634e316a47e86f6da60144e6edbc8", "b194e908f6c211936a6c9e517c6a487c",
    ),
    "arabic": (
        "75a5eb09171ef3ac0041d05412b03133", "61e3e91d338b19ef00c318659ec9b737", "0b0ba6e27eed38c776e3efc0f39a976a",
        "65c3133919b5a6fd58289baf0527f40c", "0c876800bf162a9cc7958c817728ab55", "0ab8e67cf06bc7722e40e42cb3e23d32",
        "f119bd6c48d12d06b3de9673adfd66b4", "c7ba4aff7a98f97207aafc6b424d3036", "e12d0aa3c4ee020b9ee1dca35dce32f4",
        "878d64b9cf22c8e608cc5d60de126697",
    ),
}  # fmt: skip

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
    tell: Tell = importlib.import_module(f"engine.builtin_stories.{language}.grammar").tell
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
