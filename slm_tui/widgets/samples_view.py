"""The stories that a run wrote along the way, the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style

from engine.contract.events import Sample
from slm_tui.formats import count, excerpt
from slm_tui.widgets.story_text import Span, StoryText

_SHOWN = 50  # stories; more would take long to lay out
_LONGEST = 20_000  # characters of a story; more would hold up the keys
_NONE_YET = "No stories yet. They are written every train.sample_interval steps, and at the end."
_GAP = "\n\n"
_QUIET, _PROMPT = Style(dim=True), Style(bold=True)


class SamplesView(StoryText):
    """`show` gives it all samples so far."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Sample] = []
        self.set_text(_NONE_YET, [(0, len(_NONE_YET), _QUIET)])

    def show(self, samples: Sequence[Sample]) -> None:
        """These stories, the newest first."""
        newest = list(reversed(samples))[:_SHOWN]
        if newest and newest != self._shown:
            top, before = self.top, self._shown[:1]
            self._shown = newest
            self.set_text(*_stories(newest))
            if top and before and before[0] in newest:  # stay with what is being read
                newer = newest[: newest.index(before[0])]
                self.go_to(top + (len(_stories(newer)[0]) + len(_GAP) if newer else 0))


def _stories(samples: Sequence[Sample]) -> tuple[str, list[Span]]:
    """All of them one below the other; what was given stands out from what was written."""
    text, spans = "", []
    for sample in samples:
        head, story = f"step {count(sample.step)}\n", excerpt(sample.text.rstrip(), _LONGEST)
        begin = len(text) + len(head)
        spans.append((len(text), begin, _QUIET))
        if story.startswith(sample.prompt):
            spans.append((begin, begin + len(sample.prompt), _PROMPT))
        text += head + story + _GAP
    return text[: -len(_GAP)], spans
