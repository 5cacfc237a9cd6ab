"""Tags and notes on a run."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Label, TextArea

from engine.runs.notes import RunNotes
from engine.runs.run import Run
from slm_tui.widgets.dialogs import Dialog


class NotesScreen(Dialog["RunNotes | None"]):
    """Returns the notes as they are to be, or None where they stay as they were."""

    BINDINGS = [
        Binding("ctrl+s", "keep", "keep", priority=True),
        Binding("escape", "dismiss", "leave as it was"),
    ]

    def __init__(self, run: Run, notes: RunNotes) -> None:
        super().__init__()
        self._run, self._notes = run, notes

    def compose(self) -> ComposeResult:
        with Vertical(id="notes") as box:
            box.border_title = Content(f"notes on {self._run}")
            box.border_subtitle = "ctrl+s: keep · esc: leave as they were"
            yield Label("tags, between spaces")
            yield Input(" ".join(self._notes.tags), compact=True)
            yield Label("notes")
            yield TextArea(self._notes.notes, tab_behavior="focus", show_line_numbers=False)

    @property
    def _typed(self) -> RunNotes:
        tags = tuple(dict.fromkeys(self.query_one(Input).value.split()))
        return RunNotes(tags=tags, notes=self.query_one(TextArea).text)

    def action_keep(self) -> None:
        self.dismiss(self._typed)

    async def settle(self) -> bool:
        """Whether nothing unsaved is left here."""
        if self._typed == self._notes:
            return True
        self.notify("ctrl+s keeps the notes, esc leaves them as they were", severity="warning")
        return False
