"""The built-in Arabic story corpus: short stories for children in Modern Standard Arabic, from a seed.

    python -c "import random; from engine.builtin_stories.arabic.grammar import tell; print(tell(random.Random(7)))"

Written for this project in the manner of TinyStories. How a story is put together: `arabic/telling.py`.
"""

from __future__ import annotations

import random

from engine.builtin_stories.arabic import animal_plots, family_plots, friend_plots, making_plots
from engine.builtin_stories.arabic.telling import Story

PLOTS = [*family_plots.PLOTS, *making_plots.PLOTS, *friend_plots.PLOTS, *animal_plots.PLOTS]


def tell(rng: random.Random) -> str:
    """One story of 50 to 110 words; its paragraphs are separated by one newline."""
    story = Story(rng)
    return story.pick(PLOTS)(story)
