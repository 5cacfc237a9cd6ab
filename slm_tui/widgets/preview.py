"""What stands beside the lists: the charts of the run under the cursor, or what its experiment means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from engine.runs.run import Run
from slm_tui.catalog import ExperimentEntry, RunEntry
from slm_tui.formats import count, quantity

if TYPE_CHECKING:
    from slm_tui.widgets.run_view import RunView

_REST_SECONDS = 0.1


class Preview(Vertical):
    """The run's view; in words where there is no run."""

    def compose(self) -> ComposeResult:
        yield Static(id="preview-words")

    def on_mount(self) -> None:
        self._wanted: tuple[ExperimentEntry | None, RunEntry | None] = (None, None)
        self._view: RunView | None = None
        self._timer: Timer | None = None

    def show(self, experiment: ExperimentEntry | None, entry: RunEntry | None) -> None:
        """The run `entry`, or the experiment where it has none."""
        self._wanted = (experiment, entry)
        self._draw()

    def on_resize(self) -> None:
        """It may have come into sight; until then nothing is read."""
        self._draw()

    def seen_again(self) -> None:
        """What lay over its screen is gone."""
        if self._view is not None:
            self._view.seen_again()

    def _draw(self) -> None:
        experiment, entry = self._wanted
        self._draw_run(entry.run if entry and self.region.area > 0 else None)
        words = self.query_one("#preview-words", Static)
        words.display = entry is None
        if entry is None:
            words.update(_words(experiment) if experiment else "")

    def _draw_run(self, run: Run | None) -> None:
        """Show the run once the cursor rests on it: its file may be long."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_REST_SECONDS, lambda: self._show_run(run))

    def _show_run(self, run: Run | None) -> None:
        if self._view is None and run is not None:
            from slm_tui.widgets.run_view import RunView  # with numpy: once there is something to draw

            self._view = RunView(id="preview-run")
            self.mount(self._view)
        if self._view is not None:
            self._view.display = run is not None
            self._view.show(run)


def _words(experiment: ExperimentEntry) -> Text:
    facts = experiment.facts
    if facts.problems:
        lines = [("this file has problems\n\n", "bold"), *((f"{problem}\n\n", "") for problem in facts.problems)]
        return Text.assemble(*lines, ("e edits it", "dim"))
    rows = [
        ("data", facts.dataset or ""),
        ("tokenizer", facts.tokenizer or ""),
        ("parameters", f"{count(facts.parameters)}"),
        ("tokens a step", count(facts.tokens_per_step)),
        ("tokens in all", quantity((facts.tokens_per_step or 0) * (facts.max_steps or 0))),
    ]
    text = Text.assemble((f"{facts.name}\n", "bold"), f"{facts.description}\n\n")
    for label, value in rows:
        text.append(f"{label:<15}", "dim").append(f"{value}\n")
    return text.append("\nno run yet: r starts one", "dim")
