"""The stories that a run wrote along the way, the newest first."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.contract.events import Sample
from slm_tui.formats import count, printable

_SHOWN = 200  # stories; more would take long to lay out


class SamplesView(VerticalScroll, can_focus=True):
    """`show` gives it all samples so far."""

    DEFAULT_CSS = """
    SamplesView {
        height: 1fr;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        & > Static { width: 100%; max-width: 100; margin: 0 0 1 0; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Sample] | None = None

    def compose(self) -> ComposeResult:
        yield Static(Text("No stories yet. They are written every train.sample_interval steps, and at the end.", "dim"))

    def show(self, samples: Sequence[Sample]) -> None:
        """These stories, the newest first."""
        newest = list(reversed(samples))[:_SHOWN]
        if newest and newest != self._shown:
            self._shown = newest
            self.call_after_refresh(self._redraw)

    async def _redraw(self) -> None:
        await self.remove_children()
        await self.mount_all(Static(_story(sample)) for sample in self._shown or ())


def _story(sample: Sample) -> Text:
    prompt = sample.prompt if sample.text.startswith(sample.prompt) else ""
    head = f"step {count(sample.step)}\n"
    return Text.assemble((head, "dim"), (printable(prompt), "bold"), printable(sample.text[len(prompt) :].rstrip()))
