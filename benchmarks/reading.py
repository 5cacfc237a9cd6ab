"""What it costs to draw a story while it is written: an Arabic one, right to left, of 400 words and more.

    python benchmarks/reading.py [--words 400] [--tokens-per-second 90] [--rounds 3]

Share of a core, measured in alternating rounds with the same application drawing nothing: the difference is the
drawing. The application runs without a terminal; what a terminal would be sent is made all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from itertools import islice

from textual.app import App, ComposeResult

from engine.builtin_stories.stories import stories
from slm_tui.widgets.story_text import StoryText

_SIZE = (100, 40)  # columns and rows


class Reader(App[None]):
    """A story and nothing else."""

    def compose(self) -> ComposeResult:
        yield StoryText()


async def share_of_a_core(pieces: list[str], seconds: float) -> float:
    """Of processor time, while `pieces` come evenly over so many seconds."""
    app = Reader()
    async with app.run_test(size=_SIZE) as pilot:
        story = app.query_one(StoryText)
        story.set_text("", follow=True)
        await pilot.pause(0.5)
        began, used = time.monotonic(), time.process_time()
        for place, piece in enumerate(pieces):
            await asyncio.sleep(max(0.0, began + seconds * place / len(pieces) - time.monotonic()))
            if piece:
                story.append(piece)
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        return (time.process_time() - used) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--tokens-per-second", type=float, default=90.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    words = " ".join(islice(stories("arabic", 50), 50)).replace("\n\n", "\n").split(" ")[: arguments.words]
    text = " ".join(words)
    pieces = [text[place : place + 3] for place in range(0, len(text), 3)]  # about a token each
    seconds = len(pieces) / arguments.tokens_per_second
    drawn, idle = [], []
    for _ in range(arguments.rounds):
        drawn.append(asyncio.run(share_of_a_core(pieces, seconds)))
        idle.append(asyncio.run(share_of_a_core([""] * len(pieces), seconds)))
    busy, quiet = statistics.median(drawn), statistics.median(idle)
    print(
        f"{len(words)} words in {seconds:.0f} s, {_SIZE[0]} x {_SIZE[1]}: {busy:.1%} of a core, {quiet:.1%} without it"
    )
    print(f"drawing: {busy - quiet:.1%} of a core")


if __name__ == "__main__":
    main()
