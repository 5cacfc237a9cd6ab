"""What stands beside the lists: the charts of the run under the cursor, or what its experiment means."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from slm_tui.catalog import ExperimentEntry, RunEntry
from slm_tui.formats import count, quantity
from slm_tui.widgets.run_view import RunView


class Preview(Vertical):
    """The run's view; in words where there is no run."""

    def compose(self) -> ComposeResult:
        yield RunView(id="preview-run")
        yield Static(id="preview-words")

    def on_mount(self) -> None:
        self._wanted: tuple[ExperimentEntry | None, RunEntry | None] = (None, None)

    def show(self, experiment: ExperimentEntry | None, entry: RunEntry | None) -> None:
        """The run `entry`, or the experiment where it has none."""
        self._wanted = (experiment, entry)
        self._draw()

    def on_resize(self) -> None:
        """It may have come into sight; until then nothing is read."""
        self._draw()

    def _draw(self) -> None:
        experiment, entry = self._wanted
        view, words = self.query_one(RunView), self.query_one("#preview-words", Static)
        view.display, words.display = entry is not None, entry is None
        view.show(entry.run if entry and self.region.area > 0 else None)
        if entry is None:
            words.update(_words(experiment) if experiment else "")


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
